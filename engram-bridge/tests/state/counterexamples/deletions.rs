//! Forgotten values stay forgotten: suppression is a separate part of the record.

use super::*;
use crate::history::Clock::*;
use crate::history::Step::*;

#[test]
fn the_next_write_lifts_no_suppression() {
    let end = ends_well(&[Submit(1, 1, 2), Submit(2, 1, 2), Forget(2, 1), Submit(2, 1, 0)]);
    end.shows(1, [0]);
}

#[test]
fn a_resolution_lifts_no_other_suppression() {
    let end = ends_well(&[Submit(0, 0, 0), Submit(2, 0, 0), Forget(0, 0), Resolve(0, 0, 1)]);
    end.shows(0, [1]);
}

#[test]
fn a_withdrawal_lifts_no_suppression() {
    let end = ends_well(&[
        Submit(1, 0, 1),
        Submit(1, 0, 1),
        Forget(1, 0),
        Withdraw(1, 0),
        Submit(2, 0, 1),
    ]);
    end.shows(0, []);
}

#[test]
fn lost_disk_revives_no_forgotten_content() {
    let history = |first_contact: &[Step]| {
        let before = [Submit(0, 1, 0), Forget(0, 1), Session(0, 2), LoseDisk(0, Right)];
        [&before, first_contact, &[Submit(0, 1, 0)]].concat()
    };
    ends_well(&history(&[])).shows(1, []);
    ends_well(&history(&[TimeOut(0)])).shows(1, []);
}

#[test]
fn a_deletion_elsewhere_refuses_no_pattern() {
    let end = ends_well(&[
        Submit(0, 1, 0),
        Withdraw(0, 1),
        Part(0, 2, 1),
        Part(2, 1, 1),
        LoseDisk(0, Behind),
        TimeOut(0),
        Submit(0, 0, 0),
    ]);
    end.shows(0, [0]).shows(1, []);
}

#[test]
fn a_withdrawal_reaches_all_nodes() {
    let end = ends_well(&[Submit(0, 0, 0), Session(0, 1), Session(1, 2), Withdraw(0, 0)]);
    end.shows(0, []);
}

#[test]
fn a_forgetting_reaches_all_nodes() {
    let end = ends_well(&[Submit(0, 0, 0), Session(0, 1), Session(1, 2), Forget(2, 0)]);
    end.shows(0, []);
}

#[test]
fn suppression_without_dots_is_kept() {
    let end = ends_well(&[
        Submit(0, 0, 1),
        Submit(1, 0, 1),
        Submit(2, 0, 1),
        Forget(0, 0),
        Suppression(0, 1, 0),
        LoseDisk(0, Right),
    ]);
    end.shows(0, []);
}

#[test]
fn equal_contexts_may_differ_in_suppression() {
    let end = ends_well(&[
        Submit(1, 0, 1),
        Session(1, 2),
        Submit(0, 0, 1),
        Forget(0, 0),
        Suppression(0, 1, 0),
        LoseDisk(0, Right),
    ]);
    end.shows(0, []);
}

#[test]
fn a_forgetting_wins_over_a_concurrent_release() {
    let end =
        ends_well(&[Submit(0, 0, 0), Session(0, 1), Session(0, 2), Forget(0, 0), Resolve(1, 0, 0)]);
    end.shows(0, []);
}

#[test]
fn a_release_after_a_forgetting_wins() {
    let end =
        ends_well(&[Submit(0, 0, 0), Session(0, 1), Forget(0, 0), Session(0, 1), Resolve(1, 0, 0)]);
    end.shows(0, [0]);
}
