//! V7, V9 and V11: the guarantee of a submission, and the key under which it is made.

use super::forbids;
use crate::action::Action::*;
use crate::action::BEHIND;
use crate::rules::Weaker;
use crate::verdict::Violation;

#[test]
fn a_join_may_change_last_submitted() {
    let history = [
        Submit(0, 0, 0),
        Save,
        Submit(0, 0, 1),
        Session(0, 1),
        Restore(0),
        Session(0, 1),
        Submit(0, 0, 0),
    ];
    forbids(Weaker::LastSubmittedKept, Violation::Unheard, &history);
}

#[test]
fn a_covered_submission_is_not_the_last_one() {
    let removals = [Withdraw(0, 0), Forget(1, 0), Resolve(1, 0, 2)];
    for removal in removals {
        let history = [
            Submit(0, 0, 0),
            Save,
            Submit(0, 0, 1),
            Session(0, 1),
            removal,
            Session(0, 1),
            Restore(0),
            Session(0, 1),
            Submit(0, 0, 0),
        ];
        forbids(Weaker::CoveredLastSubmittedKept, Violation::Unheard, &history);
    }
}

#[test]
fn an_unchanged_submission_claims_its_write() {
    let history =
        [Submit(0, 0, 0), Save, Submit(0, 0, 1), Session(0, 1), Restore(0), Submit(0, 0, 0)];
    forbids(Weaker::UnchangedClaimsNothing, Violation::Lost, &history);
}

#[test]
fn operation_applies_waiting_writes() {
    let history = [LoseDisk(0, 0), Submit(0, 0, 1), Resolve(0, 0, 2), TimeOut(0)];
    forbids(Weaker::OperationPassesWaiting, Violation::Reordered, &history);
}

#[test]
fn a_node_waits_until_a_session_completes() {
    // One record arrives before the process restarts, so the store is no longer empty.
    let history = [
        Submit(2, 1, 0),
        Submit(0, 0, 0),
        OneWay(0, 1, 0),
        LoseDisk(0, BEHIND),
        OneWay(2, 0, 1),
        Restart(0, BEHIND),
        Submit(0, 0, 1),
        Restart(0, 0),
    ];
    forbids(Weaker::WaitWhileEmpty, Violation::Lost, &history);
}

#[test]
fn a_new_key_takes_writes_over() {
    let stale = [
        Submit(0, 0, 0),
        OneWay(0, 1, 0),
        Submit(0, 0, 1),
        OneWay(0, 2, 0),
        NewKey(0, 0),
        Session(0, 1),
        Submit(0, 0, 0),
    ];
    forbids(Weaker::ReplacedCountsAsOwn, Violation::Lost, &stale);
    let restored = [
        Submit(0, 0, 0),
        RenewKey(0, 0),
        Save,
        Submit(0, 0, 1),
        OneWay(0, 2, 0),
        Restore(0),
        Submit(0, 0, 0),
    ];
    forbids(Weaker::ReplacedCountsAsOwn, Violation::Lost, &restored);
}

#[test]
fn a_key_replaces_all_earlier_keys() {
    let history =
        [Submit(1, 0, 0), RenewKey(1, 0), RenewKey(1, 0), WithdrawOf(1, 0, 1), Submit(1, 0, 0)];
    forbids(Weaker::ReplacesOne, Violation::Unheard, &history);
}
