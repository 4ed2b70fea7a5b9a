//! V1: versions, clocks, and implausible versions.

use super::{forbids, forbids_among, judge};
use crate::action::Action::*;
use crate::action::{AHEAD, BEHIND};
use crate::rules::{Rules, Weaker};
use crate::verdict::Violation;

#[test]
fn a_version_is_one_hybrid_clock() {
    let history = [
        Save,
        Resolve(0, 1, 0),
        OneWay(0, 1, 1),
        ResumeMemory,
        Resolve(1, 1, 0),
        Submit(0, 1, 0),
        Submit(1, 1, 1),
    ];
    forbids(Weaker::IncarnationAndCounter, Violation::Lost, &history);
}

#[test]
fn a_version_above_the_clock_is_random() {
    let resumed = [
        Submit(0, 0, 2),
        Save,
        SetClock(0, BEHIND),
        Withdraw(0, 1),
        OneWay(0, 2, 1),
        ResumeMemory,
        Submit(0, 1, 0),
    ];
    forbids(Weaker::NextWithoutRandom, Violation::Lost, &resumed);
    let restored = resumed.map(|action| match action {
        ResumeMemory => Restore(BEHIND),
        action => action,
    });
    forbids(Weaker::NextWithoutRandom, Violation::Lost, &restored);
}

#[test]
fn false_hello_is_refused() {
    let history = [Lie(0, 1 << 30), Submit(0, 1, 0)];
    forbids(Weaker::ImplausibleHelloBelieved, Violation::Diverged, &history);
    forbids(Weaker::ImplausibleHelloBelieved, Violation::Lost, &history);
}

#[test]
fn only_the_implausible_part_is_refused() {
    let history = [Submit(1, 0, 2), Send(1, 0), SetClock(0, AHEAD), Deliver(0), Resolve(0, 0, 2)];
    forbids(Weaker::ImplausibleRecordRefused, Violation::Withheld, &history);
}

#[test]
fn a_dropped_part_is_written_anew() {
    let history = [
        Submit(1, 0, 1),
        Send(1, 0),
        Deliver(0),
        SetClock(0, AHEAD),
        Submit(0, 0, 0),
        SetClock(0, 0),
        DropImplausible(0),
        Submit(0, 0, 0),
    ];
    forbids(Weaker::DropForgetsWrites, Violation::Unheard, &history);
    assert!(judge(Rules::but(Weaker::DropKeepsHighest), 3, &history).is_late);
    assert!(!judge(Rules::ADOPTED, 3, &history).is_late);
}

#[test]
fn implausible_clock_is_replaced() {
    let history = [SetClock(0, AHEAD), Session(0, 1), Submit(0, 0, 0)];
    assert!(judge(Rules::but(Weaker::OwnClockTrusted), 3, &history).is_late);
    assert!(!judge(Rules::ADOPTED, 3, &history).is_late);
}

#[test]
fn implausible_clock_takes_the_told_value() {
    let history = [
        Submit(0, 0, 0),
        Send(0, 0),
        Deliver(1),
        LoseDisk(0, AHEAD),
        Submit(0, 0, 1),
        Session(0, 2),
        OneWay(0, 2, 0),
        LoseDisk(0, 0),
    ];
    forbids_among(4, Weaker::OwnClockByHighest, Violation::Lost, &history);
}
