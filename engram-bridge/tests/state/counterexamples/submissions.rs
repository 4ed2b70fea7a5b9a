//! Repeated submissions: when they are new writes, and the promise of "unchanged".

use super::*;
use crate::history::Clock::*;
use crate::history::Step::*;

#[test]
fn a_submission_hides_no_write_of_a_peer() {
    let end = ends_well(&[Submit(0, 0, 0), Session(0, 1), Submit(1, 0, 1), Session(0, 1)]);
    end.shows(0, [0, 1]);
}

#[test]
fn an_own_write_that_came_back_is_the_last_one() {
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
fn a_covered_write_is_not_the_last_one() {
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
    // The engine said 0 last; its write of the lost time stands beside it.
    end.shows(0, [0, 1]);
}

#[test]
fn a_suppressed_write_is_not_the_last_one() {
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
fn an_operation_takes_in_first_what_waits() {
    let end = ends_well(&[LoseDisk(0, Right), Submit(0, 0, 1), Resolve(0, 0, 2), TimeOut(0)]);
    end.shows(0, [2]);
}

#[test]
fn a_withdrawal_takes_in_first_what_waits() {
    let end = ends_well(&[LoseDisk(0, Right), Submit(0, 0, 1), Withdraw(0, 0), TimeOut(0)]);
    end.shows(0, []);
}

#[test]
fn a_forgetting_takes_in_first_what_waits() {
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
fn the_first_contact_tells_a_node_its_versions() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Session(0, 1),
        LoseDisk(0, Behind),
        Submit(0, 0, 1),
        Session(0, 1),
        Restart(0, Behind),
    ]);
    // The waiting write was written above the earlier one, and replaced it.
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
fn an_interrupted_contact_takes_nothing_in() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Session(0, 1),
        LoseDisk(0, Behind),
        Submit(0, 1, 1),
        Cut(0, 1, 1),
    ]);
    end.shows(0, [0]).shows(1, [1]);
}
