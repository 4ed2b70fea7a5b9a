//! A write that is superseded in the name of its own node is reissued: just above the arriving
//! entry, alongside the arriving writes, and only by the process that wrote it.

use super::*;
use crate::history::Clock::*;
use crate::history::Step::*;

#[test]
fn two_clones_stop_reissuing() {
    let end = ends_well(&[CloneDisk(Right), Submit(3, 0, 2), Submit(0, 1, 1)]);
    end.shows(0, [2]).shows(1, [1]);
}

#[test]
fn a_resumed_machine_keeps_the_newer_write() {
    let end = ends_well(&[Resolve(0, 0, 2), Save, Submit(0, 0, 1), Session(0, 1), ResumeMachine]);
    // The older write remains live alongside the newer one until the node writes again.
    end.shows(0, [1, 2]);
}

#[test]
fn writes_of_earlier_processes_stay_superseded() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Save,
        Submit(0, 0, 2),
        Part(0, 2, 0),
        Restore(Behind),
        Resolve(0, 1, 1),
        Part(0, 2, 1),
        Restore(Behind),
    ]);
    end.shows(0, [2]).shows(1, [1]);
}

#[test]
fn a_write_below_an_unseen_one_is_written_again() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Part(0, 2, 0),
        LoseDisk(0, Behind),
        TimeOut(0),
        Submit(0, 0, 2),
    ]);
    end.shows(0, [0, 2]);
    assert_eq!(end.reissued, 1);
}

#[test]
fn the_clock_does_not_judge_a_reissue() {
    let end = ends_well(&[
        Resolve(0, 0, 0),
        Send(0, 0),
        LoseDisk(0, Behind),
        TimeOut(0),
        Resolve(0, 0, 2),
        Set(0, Right),
        Deliver(1),
    ]);
    end.shows(0, [0, 2]);
}

#[test]
fn reissue_keeps_arriving_writes() {
    let end = ends_well(&[CloneDisk(Right), Resolve(0, 0, 2), Submit(3, 0, 0)]);
    end.shows(0, [0, 2]);
    assert_eq!(end.reissued, 1);
}

#[test]
fn a_reissue_covers_no_unseen_write() {
    let end = ends_well(&[
        Resolve(0, 0, 2),
        Save,
        Resolve(0, 0, 0),
        Part(0, 1, 0),
        Submit(0, 0, 1),
        Part(0, 2, 0),
        ResumeMachine,
    ]);
    end.shows(0, [1, 2]);
}

#[test]
fn no_version_is_used_for_two_patterns() {
    let end = ends_well(&[
        Save,
        Resolve(0, 1, 0),
        Part(0, 1, 1),
        ResumeMachine,
        Resolve(1, 1, 0),
        Submit(0, 1, 0),
        Submit(1, 1, 1),
    ]);
    end.shows(1, [0, 1]);
}

/// Twenty clones of node 0, each with its own write.
fn twenty_clones() -> Vec<Step> {
    let submits = (0..20).map(|clone| Submit(3 + clone, 0, clone as u8));
    [Submit(0, 1, 0)].into_iter().chain([CloneDisk(Right); 20]).chain(submits).collect()
}

#[test]
fn clones_at_the_dot_cap_stop_reissuing() {
    let end = judge(3, TICKING, &twenty_clones());
    assert_eq!((end.faults, end.accepted.capped), (vec![], 4));
    assert_eq!(end.rows[0].parts[0].dots, 16);
}

#[test]
fn a_write_beyond_the_cap_of_dots_is_given_up() {
    let mut steps = twenty_clones();
    // Sync from the greatest version down, so that each clone after the first finds its write superseded.
    steps.extend((0..20).rev().flat_map(|clone| [Session(3 + clone, 1); 2]));
    let end = judge(3, TICKING, &steps);
    assert_eq!((end.faults, end.accepted.capped), (vec![], 4));
    assert_eq!((end.reissued, end.given_up), (15, 4));
    assert_eq!(end.rows[0].parts[0].dots, 16);
}

#[test]
fn one_version_with_many_values_is_bounded() {
    let end = judge(3, Pace::Still, &twenty_clones());
    assert_eq!((end.faults, end.accepted.capped), (vec![], 4));
    // Every node keeps the same values of that one version: those with the greatest digests.
    assert_eq!(end.rows[0].parts[0].dots, 16);
}

#[test]
fn one_version_with_two_values_keeps_both() {
    let steps = [Submit(0, 0, 1), CloneDisk(Right), Submit(0, 0, 0), Submit(3, 0, 2)];
    let end = settled(3, Pace::Still, &steps);
    end.shows(0, [0, 2]);
    assert_eq!(end.reissued, 0);
}
