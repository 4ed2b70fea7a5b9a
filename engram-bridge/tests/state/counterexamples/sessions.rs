//! Sessions that break, exhaust a budget, or run during a write.

use std::sync::Arc;

use engram_bridge::Store;
use engram_bridge::sync::SpaceView;
use engram_gossip_proto::{SessionConfig, View};

use super::*;
use crate::history::Step::*;
use crate::session::{Handover, sync};
use crate::support::{environment, everything, only_space, pattern, store, store_config};

const RECORDS: u8 = 40;

fn filled(node: u8) -> Arc<Store> {
    let store = store(node);
    for value in 0..RECORDS {
        let pattern = pattern(&format!("pattern-{value}"), value);
        only_space(&store).submit_pattern(&pattern).unwrap();
    }
    store
}

/// Runs sessions, each cut after `frames` frames, until both stores are equal. Returns the number
/// of sessions. Each session must change something.
fn sessions_until_equal(
    one: &Arc<Store>,
    other: &Arc<Store>,
    config: &SessionConfig,
    frames: usize,
) -> usize {
    for session in 0..4 * usize::from(RECORDS) {
        if one.root() == other.root() {
            return session;
        }
        let before = (one.root(), other.root());
        Handover::keyed(one, other, config.clone(), session as u64).pass(frames);
        assert_ne!(before, (one.root(), other.root()), "the session changed nothing");
    }
    panic!("the stores never become equal");
}

#[test]
fn a_write_made_during_a_session_arrives() {
    for frames in 1..8 {
        let steps = [Submit(0, 0, 0), Submit(1, 0, 1), Amid(0, 1, frames, 1, 2), Session(0, 1)];
        ends_well(&steps).shows(0, [0, 1]).shows(1, [2]);
    }
}

#[test]
fn cut_sessions_make_progress() {
    let (first, second, third) = (filled(1), store(2), store(3));
    let one_record = SessionConfig { max_patterns_per_sync: 1, ..SessionConfig::default() };
    // A record from one broken session is passed on by another.
    Handover::new(&first, &second, one_record.clone()).pass(9);
    assert!((1..RECORDS).contains(&(only_space(&second).visible_len() as u8)));
    sessions_until_equal(&second, &third, &one_record, 9);
    sessions_until_equal(&first, &third, &one_record, 9);
}

#[test]
fn sessions_out_of_budget_make_progress() {
    let (first, second) = (filled(1), store(2));
    let config =
        SessionConfig { max_patterns_per_sync: 1, send_budget: 1, ..SessionConfig::default() };
    let sessions = sessions_until_equal(&first, &second, &config, usize::MAX);
    assert!(sessions <= usize::from(RECORDS));
}

#[test]
fn deletions_travel_by_clocks() {
    let (first, second) = (filled(1), store(2));
    assert!(sync(&first, &second));
    assert!(only_space(&first).forget("pattern-3").unwrap());
    assert!(only_space(&first).withdraw("pattern-4").unwrap());
    let report = Handover::new(&first, &second, SessionConfig::default()).finish();
    assert!(!report.descended, "the clocks find a deletion by its context entry");
    assert_eq!(first.root(), second.root());
    assert_eq!(only_space(&second).visible_len(), u64::from(RECORDS) - 2);
}

#[test]
fn write_during_a_session_needs_no_descent() {
    let (first, second) = (filled(1), store(2));
    assert!(sync(&first, &second));
    for frames in 1..6 {
        only_space(&first).submit_pattern(&pattern("p", frames)).unwrap();
        let mut session = Handover::new(&first, &second, SessionConfig::default());
        session.pass(frames.into());
        only_space(&first).submit_pattern(&pattern("q", frames)).unwrap();
        assert!(!session.finish().descended, "after {frames} frames");
        let next = Handover::new(&first, &second, SessionConfig::default()).finish();
        assert!(!next.descended, "after {frames} frames");
        assert_eq!(first.root(), second.root());
    }
}

#[test]
fn records_above_the_summary_all_arrive() {
    // Three processes under one key each wrote a pattern, all under the same version.
    let written = |id: &str| {
        let still = environment(|| 1_893_456_000_000_000_000, || 0);
        let store = Store::new(store_config(1), still);
        only_space(&store).submit_pattern(&pattern(id, 1)).unwrap();
        everything(&only_space(&store))
    };
    let (first, second) = (store(3), store(2));
    for id in ["p", "q", "r"] {
        SpaceView::pin(&only_space(&first)).apply(written(id));
    }
    let config =
        SessionConfig { max_patterns_per_sync: 1, send_budget: 1, ..SessionConfig::default() };
    // A sender cannot declare records above its own summary, so a session may send a record in
    // vain. However, different sessions begin with different records.
    for key in 0..64 {
        Handover::keyed(&first, &second, config.clone(), key).finish();
    }
    assert_eq!(first.root(), second.root());
    assert_eq!(only_space(&second).visible_len(), 3);
}

#[test]
fn session_of_equal_nodes_has_constant_bytes() {
    let (first, second) = (filled(1), store(2));
    assert!(sync(&first, &second));
    let bytes = || Handover::new(&first, &second, SessionConfig::default()).finish().bytes;
    assert_eq!(bytes(), bytes());
    assert!(bytes() < 200);
}
