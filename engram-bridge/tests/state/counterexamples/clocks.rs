//! Versions from the far future, in records and in hellos.

use super::*;
use crate::history::Clock::*;
use crate::history::Step::*;

#[test]
fn a_lying_greeting_silences_no_node() {
    let end = ends_well(&[Lie(0), Submit(0, 1, 0)]);
    end.shows(1, [0]);
}

#[test]
fn a_lying_greeting_hides_no_honest_one() {
    let end = ends_well(&[
        Submit(0, 0, 0),
        Submit(0, 1, 0),
        Session(0, 1),
        LoseDisk(0, Behind),
        TimeOut(0),
        Lie(0),
        // Only node 1's hello of this session arrives.
        Cut(1, 0, 1),
        Submit(0, 0, 2),
        Session(0, 2),
        Restart(0, Right),
    ]);
    end.shows(0, [2]).shows(1, [0]);
}

#[test]
fn an_implausible_part_is_refused_alone() {
    // Node 0 receives node 1's write without a hello, so it cannot detect that its own clock is
    // wrong.
    let steps = [Submit(1, 0, 2), Set(0, Ahead), Send(1, 0), Deliver(0), Resolve(0, 0, 2)];
    let end = ends_well(&steps);
    end.shows(0, [2]);
}

#[test]
fn implausible_part_does_not_block_other_parts() {
    let steps = [Submit(1, 0, 2), Set(0, Ahead), Submit(0, 0, 1), Session(0, 1), Session(1, 2)];
    let end = ends_well(&steps);
    end.shows(0, [1, 2]);
}

#[test]
fn implausible_part_does_not_block_suppression() {
    // Node 0 forgets the value, loses its disk, and writes with its clock far ahead. Peers refuse
    // that part of the record; the suppression still reaches all nodes.
    let steps = [
        Submit(1, 0, 2),
        Part(1, 0, 0),
        Forget(0, 0),
        Session(0, 2),
        LoseDisk(0, Ahead),
        Resolve(0, 0, 0),
    ];
    ends_well(&steps).shows(0, [0]);
}

#[test]
fn a_greeting_corrects_a_clock_far_ahead() {
    let mut world = crate::history::World::new(3, TICKING);
    for step in [Set(0, Ahead), Session(0, 1), Submit(0, 0, 0), Session(0, 1)] {
        assert!(world.play(&step));
    }
    assert!(world.processes[1].row(0).live().contains(0), "the peer accepts the version");
}

#[test]
fn a_clock_far_ahead_covers_no_later_write() {
    let steps = [
        Submit(0, 0, 0),
        Send(0, 0),
        Deliver(1),
        LoseDisk(0, Ahead),
        Submit(0, 0, 1),
        Session(0, 2),
        Part(0, 2, 0),
        LoseDisk(0, Right),
    ];
    let end = settled(4, TICKING, &steps);
    end.shows(0, [1]);
}

#[test]
fn clock_ahead_loses_no_write() {
    let end = ends_well(&[
        Set(0, Near),
        Submit(0, 0, 0),
        Session(0, 1),
        Set(0, Right),
        Submit(0, 0, 1),
        Restart(0, Behind),
        Submit(0, 0, 2),
    ]);
    end.shows(0, [2]);
}
