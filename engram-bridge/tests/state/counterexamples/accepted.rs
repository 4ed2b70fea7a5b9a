//! The documented cases of loss, each with its smallest history.

use super::*;
use crate::history::Clock::*;
use crate::history::Step::*;

fn lost(steps: &[Step]) -> Accepted {
    let verdict = judge(3, TICKING, steps);
    assert_eq!(verdict.faults, []);
    verdict.accepted
}

#[test]
fn d1_unchanged_then_a_restart() {
    let lost = lost(&[
        Submit(0, 0, 0),
        Save,
        Submit(0, 0, 1),
        Session(0, 1),
        Restore(Right),
        Submit(0, 0, 0),
        Restart(0, Right),
    ]);
    assert_eq!(lost, Accepted { unchanged: 1, ..Accepted::default() });
}

#[test]
fn d2_lost_disk_and_a_clock_behind() {
    let lost = lost(&[
        Submit(0, 0, 0),
        Session(0, 2),
        LoseDisk(0, Behind),
        TimeOut(0),
        Submit(0, 0, 1),
        Part(0, 1, 0),
        Restart(0, Right),
    ]);
    assert_eq!(lost, Accepted { behind: 1, ..Accepted::default() });
}

#[test]
fn d2_damaged_row_and_a_clock_behind() {
    let lost = lost(&[
        Submit(0, 0, 1),
        Withdraw(0, 0),
        Session(0, 2),
        Damage(0, 0, Behind),
        TimeOut(0),
        Resolve(0, 0, 0),
        Part(0, 1, 0),
        Damage(0, 0, Right),
    ]);
    assert_eq!(lost, Accepted { behind: 1, ..Accepted::default() });
}

#[test]
fn d3_older_copy_after_a_clock_ahead() {
    let lost = lost(&[
        Set(0, Near),
        Submit(0, 0, 0),
        Save,
        LoseDisk(0, Right),
        TimeOut(0),
        Submit(0, 0, 1),
        Session(0, 1),
        Restore(Right),
    ]);
    // The write under the wrong clock is lost with the disk, and returns with the copy.
    assert_eq!(lost, Accepted { ahead: 1, destroyed: 1, ..Accepted::default() });
}

#[test]
fn d4_the_later_of_two_clones_covers() {
    let lost = lost(&[
        CloneDisk(Right),
        Submit(0, 0, 0),
        Submit(3, 0, 1),
        Session(3, 2),
        Part(0, 1, 0),
        Restart(0, Right),
    ]);
    assert_eq!(lost, Accepted { clones: 1, ..Accepted::default() });
}

#[test]
fn write_held_only_by_a_lost_disk_is_destroyed() {
    let lost = lost(&[Submit(0, 0, 0), LoseDisk(0, Right)]);
    assert_eq!(lost, Accepted { destroyed: 1, ..Accepted::default() });
}
