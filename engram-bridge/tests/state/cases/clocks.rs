//! Dates and versions from the far future.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engram_bridge::durable::MemoryStateStore;
use engram_bridge::replica::{Retention, Submitted};
use engram_bridge::sync::SpaceView;
use engram_bridge::{Store, Timestamp};
use engram_gossip_proto::{Greeting, Record, Rejection, View};

use super::{converge, live};
use crate::session::sync;
use crate::support::{
    Delivery, environment, everything, node_id, only_space, open, pattern, store, store_config,
    ticking,
};

const YEAR: i64 = 365 * 86_400 * 1_000_000_000;
/// The time at which the clock of [`ticking`] starts.
const NOW: i64 = 1_893_456_000_000_000_000;
/// The time on a clock that is fifty years ahead.
const FUTURE: i64 = NOW + 50 * YEAR;

/// A write of `id` by node 3 under a clock that is far ahead.
fn from_the_future(id: &str, value: u8) -> Delivery {
    let store = Store::new(store_config(3), environment(|| FUTURE, || 0));
    only_space(&store).submit_pattern(&pattern(id, value)).unwrap();
    everything(&only_space(&store))
}

#[test]
fn node_without_contact_trusts_its_clock() {
    let delivery = from_the_future("p", 1);
    assert_eq!(delivery.records[0].parts[0].entry, FUTURE as u64 & !1_023);
}

/// The join of two records of different nodes.
fn joined(mut one: Delivery, other: Delivery) -> Delivery {
    let Record { parts, .. } = &mut one.records[0];
    parts.extend(other.records.into_iter().flat_map(|record| record.parts));
    parts.sort_by_key(|part| part.node);
    one.contents.extend(other.contents);
    one
}

#[test]
fn a_far_future_version_is_refused_alone() {
    let (one, peer) = (store(1), store(2));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    let both = joined(everything(&only_space(&one)), from_the_future("p", 2));
    let receipt = SpaceView::pin(&only_space(&peer)).apply(both.clone());
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::ImplausibleVersion)]);
    assert_eq!(live(&only_space(&peer), "p"), ["episode-1"]);
    assert_eq!(peer.write_stats().implausible, 1);

    // A node accepts the same record once the version is plausible by the node's own clock.
    let late = Store::new(store_config(4), environment(|| FUTURE - 9 * YEAR, || 0));
    let receipt = SpaceView::pin(&only_space(&late)).apply(both);
    assert_eq!((receipt.applied, receipt.rejected), (1, vec![]));
    assert_eq!(live(&only_space(&late), "p"), ["episode-1", "episode-2"]);
}

#[test]
fn an_implausible_part_can_be_dropped() {
    // The clock of node 1 was equally wrong, so the node accepted the version.
    let disk = MemoryStateStore::new();
    let wrong = Store::open(store_config(1), environment(|| FUTURE, || 0), Arc::new(disk.clone()));
    let (peer, wrong) = (store(2), wrong.unwrap());
    only_space(&peer).submit_pattern(&pattern("p", 1)).unwrap();
    let both = joined(everything(&only_space(&peer)), from_the_future("p", 2));
    SpaceView::pin(&only_space(&wrong)).apply(both);
    drop(wrong);

    let one = open(1, &disk);
    assert_eq!(live(&only_space(&one), "p"), ["episode-1", "episode-2"]);
    assert_eq!([one.drop_implausible(), one.drop_implausible()], [Ok(1), Ok(0)]);
    assert_eq!(live(&only_space(&one), "p"), ["episode-1"]);
    converge(&[&one, &peer]);
}

#[test]
fn an_own_far_future_version_is_not_believed() {
    let (one, peer) = (store(1), store(2));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    let mut forged = from_the_future("q", 2);
    forged.records[0].parts[0].node = *node_id(1).as_bytes();
    let receipt = SpaceView::pin(&only_space(&one)).apply(forged);
    assert_eq!(receipt.rejected, [("q".to_owned(), Rejection::ImplausibleVersion)]);
    // Peers accept the next version.
    only_space(&one).submit_pattern(&pattern("q", 3)).unwrap();
    converge(&[&one, &peer]);
    assert_eq!(only_space(&peer).visible_len(), 2);
}

/// Returns node 1, whose clock is far ahead, and a function that corrects the clock.
fn clock_ahead() -> (Arc<Store>, impl Fn()) {
    let time = Arc::new(AtomicI64::new(FUTURE));
    let shown = Arc::clone(&time);
    let store =
        Store::new(store_config(1), environment(move || shown.load(Ordering::Relaxed), || 0));
    (Arc::new(store), move || time.store(NOW, Ordering::Relaxed))
}

#[test]
fn dropping_a_part_keeps_own_write_protected() {
    let ((one, set_right), peer) = (clock_ahead(), store(2));
    SpaceView::pin(&only_space(&one)).apply(from_the_future("p", 2));
    set_right();
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    assert_eq!(one.drop_implausible(), Ok(1));
    let again = only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    assert_eq!(again, Submitted::Unchanged);

    // A clone of node 1 writes a later version without having seen this write.
    let clone = store(1);
    only_space(&clone).submit_pattern(&pattern("p", 3)).unwrap();
    converge(&[&clone, &peer]);
    converge(&[&one, &peer]);
    assert_eq!(live(&only_space(&peer), "p"), ["episode-1", "episode-3"]);
}

#[test]
fn a_dropped_own_write_is_written_again() {
    let ((one, set_right), peer) = (clock_ahead(), store(2));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    set_right();
    sync(&one, &peer);
    assert_eq!(only_space(&peer).visible_len(), 0, "the peer refuses the version");
    assert_eq!(one.drop_implausible(), Ok(1));
    converge(&[&one, &peer]);
    assert_eq!(live(&only_space(&peer), "p"), ["episode-1"]);
    let again = only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    assert_eq!(again, Submitted::Unchanged);
}

#[test]
fn dropping_heals_all_ids_at_once() {
    let ((one, set_right), peer) = (clock_ahead(), store(2));
    let space = only_space(&one);
    for id in ["p", "q", "withdrawn"] {
        space.submit_pattern(&pattern(id, 1)).unwrap();
    }
    assert_eq!(space.withdraw("withdrawn"), Ok(true));
    set_right();
    // The known versions are ahead, so the next one is, too.
    space.submit_pattern(&pattern("r", 1)).unwrap();
    assert_eq!(one.drop_implausible(), Ok(4));
    for (id, value, expected) in [("q", 1, Submitted::Unchanged), ("r", 2, Submitted::Written)] {
        assert_eq!(space.submit_pattern(&pattern(id, value)), Ok(expected));
    }
    assert_eq!(space.withdraw("p"), Ok(true));
    converge(&[&one, &peer]);
    let shown = only_space(&peer).view().patterns;
    assert_eq!(shown.iter().map(|pattern| &*pattern.id).collect::<Vec<_>>(), ["q", "r"]);
}

#[test]
fn each_node_that_believed_a_version_drops_it() {
    let ((one, set_right), peer) = (clock_ahead(), store(3));
    let time = Arc::new(AtomicI64::new(FUTURE));
    let shown = Arc::clone(&time);
    let clock = environment(move || shown.load(Ordering::Relaxed), || 0);
    let believer = Arc::new(Store::new(store_config(2), clock));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    sync(&one, &believer);
    set_right();
    time.store(NOW, Ordering::Relaxed);
    assert_eq!([one.drop_implausible(), believer.drop_implausible()], [Ok(1), Ok(1)]);
    only_space(&one).submit_pattern(&pattern("p", 2)).unwrap();
    converge(&[&one, &believer, &peer]);
    assert_eq!(live(&only_space(&believer), "p"), ["episode-2"]);
}

#[test]
fn one_far_date_hides_no_other_pattern() {
    let limited = |number: u8| {
        let mut config = store_config(number);
        let year = Duration::from_nanos(YEAR as u64);
        config.retention = Retention::default().with_max_age(year);
        Arc::new(Store::new(config, ticking()))
    };
    let dated = |id: &str, nanoseconds: i64| {
        let mut pattern = (*pattern(id, 1)).clone();
        pattern.last_consolidated = Timestamp::from_nanoseconds(nanoseconds);
        Arc::new(pattern)
    };
    let (one, other) = (limited(1), limited(2));
    for hours in 0..100 {
        let pattern = dated(&format!("p{hours}"), NOW - hours * 3_600_000_000_000);
        only_space(&one).submit_pattern(&pattern).unwrap();
    }
    assert_eq!(only_space(&one).view().patterns.len(), 100);
    only_space(&other).submit_pattern(&dated("future", NOW + 2 * YEAR)).unwrap();
    converge(&[&one, &other]);
    for store in [&one, &other] {
        let view = only_space(store).view();
        assert_eq!((view.patterns.len(), view.hidden), (101, 0));
    }
}

#[test]
fn invented_nodes_do_not_move_the_present() {
    let mut config = store_config(1);
    config.retention = Retention::default().with_max_age(Duration::from_nanos(YEAR as u64));
    let one = Arc::new(Store::new(config, ticking()));
    one.set_members([node_id(1), node_id(2)]);
    let dated = |nanoseconds: i64| {
        let mut pattern = (*pattern("p", 1)).clone();
        pattern.last_consolidated = Timestamp::from_nanoseconds(nanoseconds);
        Arc::new(pattern)
    };
    only_space(&one).submit_pattern(&dated(NOW)).unwrap();
    for invented in 10..20 {
        let other = store(invented);
        only_space(&other).submit_pattern(&dated(NOW + 9 * YEAR)).unwrap();
        SpaceView::pin(&only_space(&one)).apply(everything(&only_space(&other)));
    }
    assert_eq!(live(&only_space(&one), "p").len(), 2);
    let view = only_space(&one).view();
    assert_eq!((view.patterns.len(), view.hidden), (1, 0));
}

#[test]
fn false_peer_time_confirms_no_wrong_clock() {
    let ahead = Arc::new(Store::new(store_config(1), environment(|| FUTURE, || 0)));
    let told = |clock: i64| ahead.greeted(Greeting { known: 0, clock: clock.unsigned_abs() });
    told(i64::MAX);
    told(NOW);
    assert!(ahead.write_stats().clock_fault.is_some());
    only_space(&ahead).submit_pattern(&pattern("p", 1)).unwrap();
    converge(&[&ahead, &store(2)]);
}
