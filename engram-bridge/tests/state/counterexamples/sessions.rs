//! Sessions that break, run out of a budget, or run while somebody writes.

use std::sync::Arc;

use engram_bridge::Store;
use engram_gossip_proto::SessionConfig;

use super::*;
use crate::history::Step::*;
use crate::session::{Handover, sync};
use crate::support::{only_space, pattern, store};

const RECORDS: u8 = 40;

fn filled(node: u8) -> Arc<Store> {
    let store = store(node);
    for value in 0..RECORDS {
        let pattern = pattern(&format!("pattern-{value}"), value);
        only_space(&store).submit_pattern(&pattern).unwrap();
    }
    store
}

/// Sessions of one record each, until both are equal. Each must bring something.
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
        Handover::new(one, other, config.clone()).pass(frames);
        assert_ne!(before, (one.root(), other.root()), "a session brings nothing");
    }
    panic!("no end");
}

#[test]
fn a_word_said_during_a_session_arrives() {
    for frames in 1..8 {
        let steps = [Submit(0, 0, 0), Submit(1, 0, 1), Amid(0, 1, frames, 1, 2), Session(0, 1)];
        ends_well(&steps).shows(0, [0, 1]).shows(1, [2]);
    }
}

#[test]
fn cut_sessions_make_progress() {
    let (first, second, third) = (filled(1), store(2), store(3));
    let one_record = SessionConfig { max_patterns_per_sync: 1, ..SessionConfig::default() };
    // What one broken session brought is passed on by another one.
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
fn a_session_of_equal_nodes_costs_the_same() {
    let (first, second) = (filled(1), store(2));
    assert!(sync(&first, &second));
    let bytes = || Handover::new(&first, &second, SessionConfig::default()).finish().bytes;
    assert_eq!(bytes(), bytes());
    assert!(bytes() < 200);
}
