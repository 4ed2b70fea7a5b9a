//! What one undisturbed session achieves.

mod common;

use common::{State, Store, content, sync};
use engram_gossip_proto::Ending;

fn two_states(shared: u32, only_a: u32, only_b: u32, both: u32) -> (State, State) {
    let (mut a, mut b) = (State::default(), State::default());
    for i in 0..shared {
        let id = format!("pattern_{}", 10_000 + i);
        a.submit(1, u64::from(i) + 1, content(&id, i));
    }
    b.records = a.records.clone();
    b.contents = a.contents.clone();
    for i in 0..only_a {
        a.submit(1, u64::from(shared + i) + 1, content(&format!("pattern_a{i}"), i));
    }
    for i in 0..only_b {
        b.submit(2, u64::from(i) + 1, content(&format!("pattern_b{i}"), i));
    }
    for i in 0..both {
        let id = format!("pattern_{}", 10_000 + i);
        a.submit(3, u64::from(i) + 1, content(&id, i + 1));
        b.submit(4, u64::from(i) + 1, content(&id, i + 2));
    }
    (a, b)
}

#[test]
fn one_session_makes_both_equal() {
    for (shared, only_a, only_b, both) in [
        (0, 0, 0, 0),
        (0, 1, 0, 0),
        (0, 0, 1, 0),
        (5, 0, 0, 1),
        (300, 7, 9, 20),
        (0, 3_000, 0, 0),
        (0, 0, 3000, 0),
        (3000, 500, 300, 1000),
    ] {
        let (a, b) = two_states(shared, only_a, only_b, both);
        let union = a.merged(&b);
        let (a, b) = (Store::new(a), Store::new(b));
        let contact = sync(&a, &b);
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(contact.acceptor.result, Ending::InSync);
        assert_eq!(a.state().essence(), union.essence());
        assert_eq!(b.state().essence(), union.essence());
        eprintln!(
            "{shared} {only_a} {only_b} {both}: {} bytes, {} to learn, {:?}",
            contact.bytes(),
            contact.bytes_to_learn(),
            contact.opener.stats
        );
    }
}
