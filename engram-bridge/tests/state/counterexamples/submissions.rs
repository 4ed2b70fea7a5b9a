//! Repeated submissions: when they are new writes, and what the result "unchanged" guarantees.

use super::*;
use crate::history::Clock::*;
use crate::history::Step::*;

#[test]
fn a_submission_hides_no_write_of_a_peer() {
    let end = ends_well(&[Submit(0, 0, 0), Session(0, 1), Submit(1, 0, 1), Session(0, 1)]);
    end.shows(0, [0, 1]);
}

#[test]
fn returned_own_write_becomes_last_submitted() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Save,
        Submit(0, 0, 1),
        Session(0, 1),
        Restore(Right),
        Session(0, 1),
        Submit(0, 0, 0),
    ]);
    end.shows(0, [0]);
}

#[test]
fn covered_write_is_not_last_submitted() {
    let restored_after = |removal| {
        ends_well(&[
            Submit(0, 0, 0),
            Save,
            Submit(0, 0, 1),
            Session(0, 1),
            removal,
            Session(0, 1),
            Restore(Right),
            Session(0, 1),
            Submit(0, 0, 0),
        ])
    };
    restored_after(Withdraw(0, 0)).shows(0, [0]);
    restored_after(Forget(1, 0)).shows(0, [0]);
    restored_after(Resolve(1, 0, 2)).shows(0, [0, 2]);
}

#[test]
fn an_unchanged_write_is_claimed() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Save,
        Submit(0, 0, 1),
        Session(0, 1),
        Restore(Right),
        Submit(0, 0, 0),
    ]);
    // The engine submitted 0 last; the write that it made after the copy was taken also remains
    // live.
    end.shows(0, [0, 1]);
}

#[test]
fn suppressed_write_is_not_last_submitted() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Forget(0, 0),
        Submit(0, 0, 0),
        Session(0, 1),
        Resolve(1, 0, 0),
        Session(0, 1),
        Submit(0, 0, 0),
        Withdraw(1, 0),
    ]);
    end.shows(0, [0]);
}

#[test]
fn operation_first_applies_waiting_writes() {
    let end = ends_well(&[LoseDisk(0, Right), Submit(0, 0, 1), Resolve(0, 0, 2), TimeOut(0)]);
    end.shows(0, [2]);
}

#[test]
fn withdrawal_first_applies_waiting_writes() {
    let end = ends_well(&[LoseDisk(0, Right), Submit(0, 0, 1), Withdraw(0, 0), TimeOut(0)]);
    end.shows(0, []);
}

#[test]
fn forgetting_first_applies_waiting_writes() {
    let end = ends_well(&[
        LoseDisk(0, Right),
        Submit(0, 0, 1),
        Forget(0, 0),
        TimeOut(0),
        Submit(1, 0, 1),
    ]);
    end.shows(0, []);
}

#[test]
fn first_contact_teaches_own_versions() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Session(0, 1),
        LoseDisk(0, Behind),
        Submit(0, 0, 1),
        Session(0, 1),
        Restart(0, Behind),
    ]);
    // The waiting submission was written under a greater version than the earlier write, and
    // replaced it.
    end.shows(0, [1]);
    assert_eq!(end.reissued, 0);
}

#[test]
fn a_damaged_store_waits_for_contact_again() {
    let end = ends_well(&[
        Submit(0, 0, 1),
        Session(0, 1),
        Damage(0, 0, Behind),
        Submit(0, 0, 2),
        Session(0, 1),
        Restart(0, Behind),
    ]);
    end.shows(0, [2]);
    assert_eq!(end.reissued, 0);
}

#[test]
fn interrupted_contact_applies_nothing() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Session(0, 1),
        LoseDisk(0, Behind),
        Submit(0, 1, 1),
        Cut(0, 1, 1),
    ]);
    end.shows(0, [0]).shows(1, [1]);
}
