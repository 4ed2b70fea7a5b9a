//! V3, V6 and V8: suppressed contents and deletions.

use super::{forbids, judge};
use crate::action::Action::*;
use crate::action::BEHIND;
use crate::rules::{Rules, Weaker};
use crate::verdict::Violation;
use crate::world::World;

#[test]
fn suppression_is_separate_from_dots() {
    let weaker = Weaker::SuppressedInTombstone;
    let own = [Submit(1, 1, 2), Submit(2, 1, 2), Forget(2, 1), Submit(2, 1, 0)];
    forbids(weaker, Violation::ForgottenVisible, &own);
    let resolved = [Submit(0, 0, 0), Submit(2, 0, 0), Forget(0, 0), Resolve(0, 0, 1)];
    forbids(weaker, Violation::ForgottenVisible, &resolved);
    let withdrawn = [Submit(1, 0, 1), Forget(1, 0), Withdraw(1, 0), Submit(2, 0, 1)];
    forbids(weaker, Violation::ForgottenVisible, &withdrawn);
}

#[test]
fn a_suppressed_submission_replaces_own_writes() {
    let history = [
        Submit(0, 0, 0),
        Submit(0, 0, 1),
        Session(0, 1),
        Forget(1, 0),
        LoseDisk(0, 0),
        Session(0, 1),
        Submit(0, 0, 0),
        Submit(0, 0, 1),
    ];
    let shown = |rules| World::run(3, rules, &history).machines[0].store.records[0].visible();
    assert_eq!(shown(Rules::but(Weaker::SuppressedSupersedesNothing)), 1);
    assert_eq!(shown(Rules::ADOPTED), 0);
    assert!(judge(Rules::ADOPTED, 3, &history).violations.is_empty());
}

#[test]
fn own_writes_cannot_carry_suppression() {
    let history =
        [Submit(0, 1, 0), Forget(0, 1), Session(0, 2), LoseDisk(0, 0), Submit(0, 1, 0), TimeOut(0)];
    forbids(Weaker::SuppressedCarriedOn, Violation::ForgottenVisible, &history);
}

#[test]
fn deletions_are_kept() {
    let history = [
        Withdraw(0, 1),
        OneWay(0, 2, 1),
        OneWay(2, 1, 1),
        Reap(1),
        LoseDisk(0, BEHIND),
        Submit(0, 0, 0),
        TimeOut(0),
    ];
    let found = judge(Rules::but(Weaker::DeletionsReaped), 3, &history);
    assert!(found.has(Violation::Diverged), "{:?}", found.violations);
    let adopted: Vec<_> = history.into_iter().filter(|action| *action != Reap(1)).collect();
    assert!(judge(Rules::ADOPTED, 3, &adopted).violations.is_empty());
}
