//! V4 and V5: limits, and own writes that a join removes.

use super::forbids;
use crate::action::Action::*;
use crate::action::BEHIND;
use crate::rules::Weaker;
use crate::verdict::Violation;

#[test]
fn dots_of_one_version_are_limited() {
    let history = [
        Submit(0, 0, 1),
        Clone(0),
        Submit(0, 0, 0),
        Submit(3, 0, 1),
        CloneAgain(0),
        Submit(4, 0, 2),
    ];
    forbids(Weaker::TwinsUnbounded, Violation::TooWide, &history);
}

#[test]
fn a_removed_write_is_reissued() {
    let history =
        [Submit(0, 0, 0), OneWay(0, 2, 0), LoseDisk(0, BEHIND), Submit(0, 0, 2), TimeOut(0)];
    forbids(Weaker::ReissueNever, Violation::Lost, &history);
}

#[test]
fn the_clock_does_not_judge_a_reissue() {
    let history = [
        Resolve(0, 0, 0),
        Send(0, 0),
        LoseDisk(0, BEHIND),
        Resolve(0, 0, 2),
        SetClock(0, 0),
        Deliver(1),
    ];
    forbids(Weaker::ReissueIfAheadOfClock, Violation::Lost, &history);
}

#[test]
fn a_higher_version_alone_reissues_nothing() {
    let clones = [Clone(0), Submit(3, 0, 2), Submit(0, 1, 1)];
    forbids(Weaker::ReissueAllOfProcess, Violation::Endless, &clones);
    let resumed = [Resolve(0, 0, 2), Save, Submit(0, 0, 1), Session(0, 1), ResumeMemory];
    forbids(Weaker::ReissueAllOfProcess, Violation::Lost, &resumed);
}

#[test]
fn writes_of_earlier_processes_stay() {
    let history = [
        Submit(0, 0, 0),
        Save,
        Submit(0, 0, 2),
        OneWay(0, 2, 0),
        Restore(BEHIND),
        Resolve(0, 1, 1),
        OneWay(0, 2, 1),
        Restore(BEHIND),
    ];
    forbids(Weaker::ReissueAllOfNode, Violation::Lost, &history);
}

#[test]
fn reissue_keeps_arriving_dots() {
    let history = [Clone(0), Resolve(0, 0, 2), Submit(3, 0, 0)];
    forbids(Weaker::ReissueSupersedes, Violation::Endless, &history);
}

#[test]
fn a_reissue_is_just_above_the_arriving() {
    let history = [
        Resolve(0, 0, 2),
        Save,
        Resolve(0, 0, 0),
        OneWay(0, 1, 0),
        Submit(0, 0, 1),
        OneWay(0, 2, 0),
        ResumeMemory,
    ];
    forbids(Weaker::ReissueAtClock, Violation::Lost, &history);
}

#[test]
fn a_reissue_at_the_limit_gives_up() {
    let history = [Clone(0), CloneAgain(0), Submit(4, 0, 0), Submit(0, 0, 0), Submit(3, 0, 2)];
    forbids(Weaker::ReissueDropsLowest, Violation::Endless, &history);
}
