//! Accepted violations, which the adopted rules do not prevent.

use super::judge;
use crate::action::Action::{self, *};
use crate::action::BEHIND;
use crate::rules::Rules;
use crate::verdict::Violation;

fn loses(history: &[Action]) {
    let found = judge(Rules::ADOPTED, 3, history);
    assert!(found.has(Violation::Lost), "{:?}", found.violations);
}

#[test]
fn d1_unchanged_on_a_stale_write_then_a_restart() {
    loses(&[
        Submit(0, 0, 0),
        Save,
        Submit(0, 0, 1),
        Session(0, 1),
        Restore(0),
        Submit(0, 0, 0),
        Restart(0, 0),
    ]);
}

#[test]
fn d2_lost_state_and_a_clock_behind() {
    loses(&[Withdraw(0, 1), OneWay(0, 2, 1), LoseDisk(0, BEHIND), Resolve(0, 1, 2), Restart(0, 0)]);
    loses(&[
        Save,
        Submit(0, 0, 1),
        SetClock(0, BEHIND),
        OneWay(0, 1, 0),
        ResumeMemory,
        Submit(0, 0, 2),
        OneWay(0, 2, 0),
        ResumeMemory,
    ]);
    loses(&[
        Withdraw(0, 0),
        Session(0, 2),
        Damage(0, 0, BEHIND),
        Resolve(0, 0, 0),
        Session(0, 1),
        Damage(0, 0, 0),
    ]);
}

#[test]
fn d4_the_later_of_two_clones_wins() {
    loses(&[Clone(0), Submit(3, 0, 1), Session(3, 2), StopClone, Submit(0, 0, 2)]);
}

#[test]
fn d4_an_old_key_that_is_still_used() {
    loses(&[Clone(0), Submit(0, 0, 0), RenewKey(0, 0), Submit(3, 0, 1)]);
}

#[test]
fn only_a_forget_survives_a_lost_row() {
    // The node does not remember its withdrawal, so the next submission makes the write live again.
    let again = |[lose, keep]: [&[Action]; 2], remove: Action| {
        let before = [Submit(0, 0, 0), Session(0, 2)];
        let lost = [keep, &[remove, Session(0, 1)], lose].concat();
        let history = [&before[..], &lost, &[Submit(0, 0, 0)]].concat();
        judge(Rules::ADOPTED, 3, &history)
    };
    let damaged: [&[Action]; 2] = [&[Damage(0, 0, 0), TimeOut(0), OneWay(2, 0, 0)], &[]];
    let restored: [&[Action]; 2] = [&[Restore(0)], &[Save]];
    for fault in [damaged, restored] {
        assert!(again(fault, Withdraw(0, 0)).has(Violation::TakenBackLive));
        assert!(again(fault, Forget(0, 0)).violations.is_empty());
    }
}
