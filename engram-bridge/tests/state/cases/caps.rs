//! Limits on the state that members can make a node keep.

use std::sync::Arc;

use engram_bridge::Store;
use engram_bridge::replica::{Caps, MAX_UNLISTED_NODES, Submitted};
use engram_bridge::sync::SpaceView;
use engram_gossip_proto::{Part, Receipt, Record, Rejection, SessionConfig, View};

use super::{converge, live};
use crate::session::{Handover, sync};
use crate::support::{
    Delivery, everything, node_id, only_space, pattern, store, store_config, ticking,
};

fn capped(change: impl FnOnce(&mut Caps)) -> Arc<Store> {
    let mut config = store_config(2);
    change(&mut config.caps);
    let store = Store::new(config, ticking());
    store.set_members([node_id(1), node_id(2), node_id(3)]);
    Arc::new(store)
}

/// Returns the id of a junk node, which no roster lists. The ids ascend with `number`, and LZ4
/// cannot compress them.
fn junk(number: u32) -> [u8; 32] {
    let mut node = [0xee; 32];
    node[..4].copy_from_slice(&number.to_be_bytes());
    let mut state = u64::from(number) + 1;
    for byte in &mut node[4..] {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    node
}

/// Deletions of `count` ids that no node wrote.
fn deletions(count: u32) -> Delivery {
    let record = |number: u32| Record {
        id: format!("unknown-{number:08}"),
        parts: vec![Part { node: *node_id(9).as_bytes(), entry: 1, dots: Vec::new() }],
        suppressed: Vec::new(),
    };
    Delivery { records: (0..count).map(record).collect(), contents: Vec::new() }
}

/// A record of `id` that names `count` junk nodes, from number `first` on.
fn names(id: &str, first: u32, count: usize) -> Delivery {
    let part = |number: u32| Part { node: junk(number), entry: 1, dots: Vec::new() };
    let parts = (first..first + count as u32).map(part).collect();
    let record = Record { id: id.to_owned(), parts, suppressed: Vec::new() };
    Delivery { records: vec![record], contents: Vec::new() }
}

fn rejected(receipt: &Receipt) -> usize {
    let over_cap = receipt.rejected.iter().filter(|(_, why)| *why == Rejection::OverCap).count();
    assert_eq!(receipt.rejected.len(), over_cap);
    over_cap
}

#[test]
fn deletions_of_unknown_patterns_are_capped() {
    let victim = capped(|caps| caps.deletions = 1_000);
    let receipt = SpaceView::pin(&only_space(&victim)).apply(deletions(1_500));
    assert_eq!((receipt.applied, rejected(&receipt)), (1_000, 500));
    assert_eq!(only_space(&victim).stats().deletions, 1_000);
    assert_eq!(over_cap(&victim), 500);
    // The cap refuses neither the node's own submissions and deletions, nor records of ids that the
    // node holds.
    let submitted = only_space(&victim).submit_pattern(&pattern("p", 1)).unwrap();
    assert_eq!(submitted, Submitted::Written);
    assert!(only_space(&victim).forget("p").unwrap());
    let again = SpaceView::pin(&only_space(&victim)).apply(deletions(1_000));
    assert_eq!((again.stale, rejected(&again)), (1_000, 0));
}

#[test]
fn live_patterns_from_peers_are_capped() {
    let (victim, peer) = (capped(|caps| caps.live_records = 10), store(1));
    for value in 0..20 {
        only_space(&peer).submit_pattern(&pattern(&format!("p{value:02}"), value)).unwrap();
    }
    sync(&peer, &victim);
    assert_eq!(only_space(&victim).visible_len(), 10);
    // A session may offer a record twice: first because of its versions, then in the descent.
    assert!((10..=20).contains(&over_cap(&victim)));
    for value in 0..5 {
        only_space(&victim).submit_pattern(&pattern(&format!("own{value}"), value)).unwrap();
    }
    assert_eq!(only_space(&victim).visible_len(), 15);
    // A new version of a held pattern is accepted.
    let held = only_space(&victim).view().patterns[5].id.clone();
    only_space(&peer).submit_pattern(&pattern(&held, 99)).unwrap();
    sync(&peer, &victim);
    assert_eq!(live(&only_space(&victim), &held), ["episode-99"]);
}

#[test]
fn refused_patterns_delay_no_others() {
    let (victim, peer) = (capped(|caps| caps.live_records = 10), store(1));
    let submit = |id: String, value| {
        only_space(&peer).submit_pattern(&pattern(&id, value)).unwrap();
    };
    (0..10).for_each(|number| submit(format!("held{number}"), 1));
    sync(&peer, &victim);
    (0..300).for_each(|number| submit(format!("new{number}"), 1));
    (0..10).for_each(|number| submit(format!("held{number}"), 2));
    let mut bytes = 0;
    for key in 0..40 {
        let config = SessionConfig { send_budget: 5_000, ..SessionConfig::default() };
        bytes = Handover::keyed(&peer, &victim, config, key).finish().bytes;
    }
    for number in 0..10 {
        assert_eq!(live(&only_space(&victim), &format!("held{number}")), ["episode-2"]);
    }
    // A later session does not start with the refused records again.
    assert!(bytes < 30_000, "{bytes}");
}

#[test]
fn contents_of_peers_are_capped_in_bytes() {
    let (victim, peer) = (capped(|caps| caps.content_bytes = 1_000), store(1));
    for value in 0..50 {
        only_space(&peer).submit_pattern(&pattern(&format!("p{value:02}"), value)).unwrap();
    }
    sync(&peer, &victim);
    let held = only_space(&victim).visible_len();
    assert!((8..16).contains(&held), "{held}");
}

#[test]
fn contents_of_unlisted_nodes_are_capped() {
    let victim = capped(|caps| caps.content_bytes = 1_000);
    let versions = |node: fn(u8) -> [u8; 32]| {
        (0..50u8).map(move |value| {
            let writer = store(4);
            only_space(&writer).submit_pattern(&pattern("p", value)).unwrap();
            let mut delivery = everything(&only_space(&writer));
            delivery.records[0].parts[0].node = node(value);
            delivery
        })
    };
    only_space(&victim).submit_pattern(&pattern("p", 100)).unwrap();
    for delivery in versions(|value| junk(value.into())) {
        SpaceView::pin(&only_space(&victim)).apply(delivery);
    }
    let held = live(&only_space(&victim), "p").len();
    assert!((8..16).contains(&held), "{held}");
    assert_eq!(over_cap(&victim), 51 - held as u64);
    // A member's version of the held id is accepted.
    let of_member = versions(|_| *node_id(3).as_bytes()).next_back().unwrap();
    assert_eq!(rejected(&SpaceView::pin(&only_space(&victim)).apply(of_member)), 0);
    assert_eq!(live(&only_space(&victim), "p").len(), held + 1);
}

#[test]
fn suppressed_contents_count_as_deletions() {
    let victim = capped(|caps| caps.deletions = 1_000);
    let suppressing = |id: &str, count: u16| {
        let digest = |number: u16| {
            let mut digest = [0; 32];
            digest[..2].copy_from_slice(&number.to_be_bytes());
            (digest, 1)
        };
        let suppressed = (0..count).map(digest).collect();
        let record = Record { id: id.to_owned(), parts: Vec::new(), suppressed };
        Delivery { records: vec![record], contents: Vec::new() }
    };
    let apply = |delivery| rejected(&SpaceView::pin(&only_space(&victim)).apply(delivery));
    assert_eq!(apply(suppressing("p", 900)), 0);
    assert_eq!(apply(suppressing("q", 99)), 1);
    assert_eq!(apply(suppressing("q", 98)), 0);
}

#[test]
fn junk_names_are_capped_in_a_record() {
    let victim = capped(|_| ());
    only_space(&victim).submit_pattern(&pattern("p", 1)).unwrap();
    let first = SpaceView::pin(&only_space(&victim)).apply(names("p", 0, MAX_UNLISTED_NODES));
    assert_eq!((first.applied, rejected(&first)), (1, 0));
    let second = SpaceView::pin(&only_space(&victim)).apply(names("p", 1_000_000, 1));
    assert_eq!((second.applied, rejected(&second)), (0, 1));
    assert_eq!(only_space(&victim).stats().unlisted_entries, MAX_UNLISTED_NODES as u64);
}

#[test]
fn junk_names_are_capped_in_a_space() {
    let victim = capped(|caps| caps.unlisted_entries = 10_000);
    for record in 0..20 {
        let delivery = names(&format!("p{record}"), record * 4_096, 1_024);
        SpaceView::pin(&only_space(&victim)).apply(delivery);
    }
    assert_eq!(only_space(&victim).stats().unlisted_entries, 10_000);
    assert!(over_cap(&victim) >= 10);
    let submitted = only_space(&victim).submit_pattern(&pattern("p", 1)).unwrap();
    assert_eq!(submitted, Submitted::Written);
}

/// Two nodes hold different junk names under one id, each as many as a record may have. Neither
/// accepts the other's names, so their records stay different. A member's write and its deletion
/// still reach both.
#[test]
fn different_junk_names_stop_no_member() {
    let stores: Vec<_> = (1..=3).map(store).collect();
    let members = || (1..=3).map(node_id);
    stores.iter().for_each(|store| store.set_members(members()));
    only_space(&stores[0]).submit_pattern(&pattern("p", 1)).unwrap();
    converge(&stores.iter().collect::<Vec<_>>());
    for (store, first) in [(&stores[0], 0), (&stores[1], 1_000_000)] {
        let receipt =
            SpaceView::pin(&only_space(store)).apply(names("p", first, MAX_UNLISTED_NODES));
        assert_eq!(rejected(&receipt), 0);
    }
    let session = || Handover::new(&stores[0], &stores[1], SessionConfig::default()).finish();
    let first = session();
    assert_ne!(stores[0].root(), stores[1].root());
    // Each later session compares the record again, at the same cost, and changes nothing.
    let (again, more) = (session(), session());
    assert!(
        again.bytes <= first.bytes && again.bytes == more.bytes,
        "{first:?} {again:?} {more:?}"
    );
    eprintln!("{} bytes at first, {} for each later session", first.bytes, again.bytes);
    let unlisted = |store: &Store| only_space(store).stats().unlisted_entries;
    assert_eq!([0, 1].map(|at| unlisted(&stores[at])), [MAX_UNLISTED_NODES as u64; 2]);
    // Members still exchange their own writes under this id, in both directions, and records of
    // other ids.
    only_space(&stores[1]).submit_pattern(&pattern("p", 2)).unwrap();
    only_space(&stores[0]).submit_pattern(&pattern("q", 3)).unwrap();
    session();
    assert_eq!(live(&only_space(&stores[0]), "p"), ["episode-1", "episode-2"]);
    assert_eq!(live(&only_space(&stores[1]), "q"), ["episode-3"]);
    assert!(only_space(&stores[0]).forget("p").unwrap());
    session();
    assert_eq!(live(&only_space(&stores[1]), "p"), [""; 0]);
}

#[test]
fn junk_names_brick_no_pattern() {
    let (one, third) = (store(1), store(3));
    let victim = capped(|_| ());
    for value in 0..3 {
        only_space(&one).submit_pattern(&pattern(&format!("p{value}"), value)).unwrap();
    }
    converge(&[&one, &victim, &third]);
    SpaceView::pin(&only_space(&victim)).apply(names("p0", 0, MAX_UNLISTED_NODES));
    // The pattern remains usable: it is written, resolved, and forgotten.
    let all = [&one, &victim, &third];
    for store in all {
        store.set_members([node_id(1), node_id(2), node_id(3)]);
    }
    converge(&all);
    only_space(&victim).submit_pattern(&pattern("p0", 77)).unwrap();
    converge(&all);
    assert_eq!(live(&only_space(&third), "p0"), ["episode-0", "episode-77"]);
    only_space(&one)
        .resolve(&pattern("p0", 88), engram_bridge::replica::Citations::AsGiven)
        .unwrap();
    converge(&all);
    assert_eq!(live(&only_space(&third), "p0"), ["episode-88"]);
    assert!(only_space(&victim).forget("p0").unwrap());
    converge(&all);
    assert_eq!(live(&only_space(&third), "p0"), [""; 0]);
    // Between equal nodes, the names cost no bytes.
    let bytes = Handover::new(&one, &victim, Default::default()).finish().bytes;
    assert!(bytes < 200, "{bytes}");
}

/// The number of records that a cap refused, wholly or in part.
fn over_cap(store: &Store) -> u64 {
    store.write_stats().over_cap.values().sum()
}
