//! No dot is issued twice, whatever crashes; and what happens to those who do it anyway.

use std::collections::HashSet;

use engram_vclock::{
    Actor, Dot, DotSource, Lease, MAX_COUNTER, Siblings, SourceError, VectorClock,
};
use proptest::prelude::*;

const A: Actor<u8> = Actor { node: 1, incarnation: 1 };

fn leased(actor: Actor<u8>, block: u64) -> DotSource<u8> {
    let mut source = DotSource::new(actor);
    let lease = source.propose_lease(block).expect("counters are left");
    source.accept_lease(lease).expect("just proposed");
    source
}

/// What a node does between one point in time and the next.
#[derive(Clone, Debug)]
enum Event {
    Issue,
    /// Makes a lease on so many counters durable, then accepts it.
    Lease(u64),
    /// Makes a lease durable and crashes before accepting it.
    LeaseAndCrash(u64),
    Crash,
    /// Restarts in doubt.
    LoseDisk,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Issue),
        2 => (0..5_u64).prop_map(Event::Lease),
        1 => (0..5_u64).prop_map(Event::LeaseAndCrash),
        1 => Just(Event::Crash),
        1 => Just(Event::LoseDisk),
    ]
}

proptest! {
    #[test]
    fn prop_no_dot_is_issued_twice(events in proptest::collection::vec(event(), 0..200)) {
        let mut source = DotSource::new(A);
        let mut disk: Option<Lease<u8>> = None;
        let mut fresh = 2_u64;
        let mut issued = HashSet::new();
        let mut restart = |disk: &Option<Lease<u8>>| match disk.clone() {
            Some(lease) => DotSource::resume(lease).expect("it was stored by a source"),
            None => {
                fresh += 1;
                DotSource::new(Actor { incarnation: fresh, ..A })
            }
        };
        for event in events {
            match event {
                Event::Issue => match source.next_dot() {
                    Ok(dot) => prop_assert!(issued.insert(dot), "{:?} was issued before", dot),
                    Err(error) => {
                        prop_assert_eq!(error, SourceError::LeaseSpent);
                        prop_assert_eq!(source.remaining(), 0);
                    }
                },
                Event::Lease(block) => {
                    let lease = source.propose_lease(block).expect("counters are left");
                    disk = Some(lease.clone());
                    source.accept_lease(lease).expect("just proposed");
                }
                Event::LeaseAndCrash(block) => {
                    disk = Some(source.propose_lease(block).expect("counters are left"));
                    source = restart(&disk);
                }
                Event::Crash => source = restart(&disk),
                Event::LoseDisk => {
                    disk = None;
                    source = restart(&disk);
                }
            }
        }
    }
}

#[test]
fn a_lease_is_for_one_source_at_one_time() {
    let mut source = leased(A, 10);
    let early = source.propose_lease(1).expect("counters are left");
    let late = source.propose_lease(5).expect("counters are left");
    assert_eq!(source.accept_lease(late), Ok(()));
    assert_eq!(source.accept_lease(early.clone()), Err(SourceError::ForeignLease));
    let other = Lease { actor: Actor { incarnation: 2, ..A }, until: 100 };
    assert_eq!(source.accept_lease(other), Err(SourceError::ForeignLease));
    let above = Lease { until: MAX_COUNTER + 1, ..early };
    assert_eq!(source.accept_lease(above.clone()), Err(SourceError::ForeignLease));
    assert_eq!(DotSource::resume(above), Err(SourceError::ForeignLease));
    assert_eq!(source.remaining(), 15);
}

#[test]
fn the_last_counter_is_the_last() {
    let end = Lease { actor: A, until: MAX_COUNTER - 1 };
    let mut source = DotSource::resume(end).expect("below the cap");
    let lease = source.propose_lease(u64::MAX).expect("one is left");
    assert_eq!(lease.until, MAX_COUNTER);
    source.accept_lease(lease).expect("just proposed");
    assert_eq!(source.next_dot(), Ok(Dot::new(A, MAX_COUNTER)));
    assert_eq!(source.next_dot(), Err(SourceError::Exhausted));
    assert_eq!(source.propose_lease(1), Err(SourceError::Exhausted));
    assert_eq!(source.roll(A.incarnation), Err(SourceError::SameIncarnation));
    assert_eq!(source.roll(2), Ok(A));
    assert_eq!(source.next_dot(), Err(SourceError::LeaseSpent));
    assert_eq!(source.actor(), &Actor { incarnation: 2, ..A });
}

#[test]
fn only_an_unknown_own_dot_rolls_the_incarnation() {
    let mut source = leased(A, 10);
    source.next_dot().expect("leased");
    let other_life = Actor { incarnation: 9, ..A };
    let harmless = VectorClock::from_sorted([(A, 1), (other_life, 77)]).expect("sorted");
    assert!(!source.is_outrun_by(&harmless));
    // Within the lease, but not issued: somebody else used it.
    let outrun = VectorClock::from_sorted([(A, 2)]).expect("one entry");
    assert!(source.is_outrun_by(&outrun));
    assert_eq!(source.roll(A.incarnation), Err(SourceError::SameIncarnation));
    assert_eq!(source.actor(), &A);
    assert_eq!(source.roll(2), Ok(A));
    assert!(!source.is_outrun_by(&outrun));
    assert_eq!(source.next_dot(), Err(SourceError::LeaseSpent));
}

/// A node whose disk fell back to an earlier day writes again, before and after it learns of it.
#[test]
fn a_rolled_back_node_loses_nothing() {
    let mut source = leased(A, 10);
    let mut peer = Siblings::new();
    peer.submit(source.next_dot().expect("leased"), "monday").expect("a new dot");
    let backup = peer.clone();
    peer.submit(source.next_dot().expect("leased"), "tuesday").expect("a new dot");

    // The disk says monday. Nothing was noticed at the start; then the peer's state arrives.
    let mut node = backup;
    let mut source = DotSource::resume(Lease { actor: A, until: 1 }).expect("below the cap");
    assert!(source.is_outrun_by(peer.context()));
    source.roll(2).expect("another incarnation");
    let lease = source.propose_lease(10).expect("counters are left");
    source.accept_lease(lease).expect("just proposed");
    node.submit(source.next_dot().expect("leased"), "wednesday").expect("a new dot");

    node.join(&peer);
    assert_eq!(node.values().collect::<Vec<_>>(), [&"tuesday", &"wednesday"]);
    // The next write of the node supersedes what its dead incarnation left.
    node.submit(source.next_dot().expect("leased"), "thursday").expect("a new dot");
    peer.join(&node);
    assert_eq!(peer.values().collect::<Vec<_>>(), [&"thursday"]);
}

/// Why the incarnation must roll: the same history with the old numbers used again.
#[test]
fn reusing_a_dot_loses_the_second_write() {
    let mut peer = Siblings::new();
    peer.submit(Dot::new(A, 1), "monday").expect("a new dot");
    let mut node = peer.clone();
    peer.submit(Dot::new(A, 2), "tuesday").expect("a new dot");
    peer.submit(Dot::new(A, 3), "wednesday").expect("a new dot");

    node.submit(Dot::new(A, 2), "written after the restore").expect("it looks new to the node");
    node.join(&peer);
    assert_eq!(node.values().collect::<Vec<_>>(), [&"wednesday"], "the peer has seen that dot");
}
