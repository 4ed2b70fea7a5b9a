//! V2: records that are sent in parts, and caps.

use super::{forbids, judge};
use crate::action::Action::*;
use crate::record::WHOLE;
use crate::rules::{Rules, Weaker};
use crate::verdict::Violation;

#[test]
fn a_part_travels_with_its_own_context() {
    let history =
        [Submit(0, 0, 0), Submit(1, 0, 1), Session(0, 1), OneWaySome(0, 2, 0, 1), Session(1, 2)];
    forbids(Weaker::PartsCarryWholeContext, Violation::Lost, &history);
}

#[test]
fn a_new_name_over_the_cap_is_refused_alone() {
    let history = [Submit(0, 0, 0), Session(0, 1), Fill(1), Forge(0, 0), Submit(0, 0, 1)];
    forbids(Weaker::CapRefusesRecord, Violation::Withheld, &history);
}

#[test]
fn a_cap_never_refuses_a_held_id() {
    let history = [Submit(0, 0, 0), Session(0, 1), Fill(1), Submit(0, 0, 1)];
    forbids(Weaker::CapRefusesHeld, Violation::Withheld, &history);
}

#[test]
fn a_record_may_travel_in_parts() {
    // Machine 1 receives the new key's part, but still holds the superseded dot of the old key.
    let history = [
        Submit(0, 0, 0),
        OneWay(0, 1, 0),
        RenewKey(0, 0),
        Submit(0, 0, 1),
        OneWaySome(0, 1, 0, 1 << 4),
        OneWaySome(0, 1, 0, 1 << 4),
        LoseDisk(0, 0),
        OneWaySome(1, 0, 0, 1),
        Submit(0, 0, 0),
        OneWaySome(1, 0, 0, WHOLE),
    ];
    assert!(judge(Rules::ADOPTED, 3, &history).violations.is_empty());
}
