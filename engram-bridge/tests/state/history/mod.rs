//! Histories of a small cluster over the real store and sessions, with a book of the writes that
//! must not be lost.

mod book;
mod classes;
mod process;
mod random;
mod row;
mod step;
mod verdict;
mod world;

pub(crate) use book::Accepted;
pub(crate) use classes::{CLASSES, Class};
pub(crate) use random::History;
pub(crate) use row::Values;
pub(crate) use step::{Clock, Step};
pub(crate) use verdict::{Fault, Verdict};
pub(crate) use world::{Pace, World};

/// Plays a history in a cluster of `nodes` nodes, and judges it. All steps must be possible.
pub(crate) fn judge(nodes: usize, pace: Pace, steps: &[Step]) -> Verdict {
    let mut world = World::new(nodes, pace);
    for step in steps {
        assert!(world.play(step), "{step:?} is not possible");
    }
    world.judge()
}
