//! Random histories: drawn from a seed, judged, and shrunk if they fail.

use super::classes::{Class, SPOKEN};
use super::row::KEYS;
use super::step::Step;
use super::verdict::{Fault, Verdict};
use super::world::{Pace, World};

/// A history, with everything needed to replay it.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) nodes: usize,
    pub(crate) pace: Pace,
    pub(crate) steps: Vec<Step>,
}

impl History {
    /// Draws a history of a class from a seed.
    pub(crate) fn draw(class: &Class, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let nodes = if random.u8(..4) == 0 { 4 } else { 3 };
        let faults = (class.faults)(nodes);
        let pace = match random.u8(..8) {
            // Randomness is off only if no fault loses state: without randomness, a process that
            // lost state could issue an earlier version again.
            0 if !faults.iter().any(Step::loses_state) => Pace::Still,
            0 | 1 => Pace::Frozen { seed },
            _ => Pace::Ticking { seed },
        };
        let keys = random.usize(1..=KEYS);
        let mut draw = Draw { operations: random.bool(), nodes, keys, random };
        let mut history = Self { nodes, pace, steps: Vec::new() };
        let mut world = World::new(nodes, pace);
        let length = draw.random.usize(4..18);
        while history.steps.len() < length {
            let step = match draw.random.u8(..10) {
                0..4 => draw.last_write(),
                7..10 if !faults.is_empty() => draw.one_of(&faults),
                _ => draw.travel(),
            };
            if world.play(&step) {
                history.steps.push(step);
            }
        }
        history
    }

    /// Plays the history, skipping impossible steps, and judges it.
    pub(crate) fn judge(&self) -> Verdict {
        let mut world = World::new(self.nodes, self.pace);
        for step in &self.steps {
            world.play(step);
        }
        world.judge()
    }

    /// Drops steps without which the same fault still occurs.
    pub(crate) fn shrink(mut self, fault: Fault) -> Self {
        let mut at = 0;
        while at < self.steps.len() {
            let mut shorter = self.clone();
            shorter.steps.remove(at);
            if shorter.judge().faults.contains(&fault) {
                (self, at) = (shorter, 0);
            } else {
                at += 1;
            }
        }
        self
    }
}

/// Draws single steps.
struct Draw {
    random: fastrand::Rng,
    nodes: usize,
    keys: usize,
    /// Whether to draw operators' operations, too.
    operations: bool,
}

impl Draw {
    fn one_of(&mut self, steps: &[Step]) -> Step {
        steps[self.random.usize(..steps.len())]
    }

    /// Draws node 0 more often than the others, because most faults concern it.
    fn node(&mut self) -> usize {
        if self.random.bool() { 0 } else { self.random.usize(..self.nodes) }
    }

    fn value(&mut self) -> u8 {
        self.random.u8(..SPOKEN)
    }

    fn last_write(&mut self) -> Step {
        let (node, key, value) = (self.node(), self.random.usize(..self.keys), self.value());
        match self.random.u8(..8) {
            0 if self.operations => Step::Forget(node, key),
            1 if self.operations => Step::Withdraw(node, key),
            2 | 3 if self.operations => Step::Resolve(node, key, value),
            _ => Step::Submit(node, key, value),
        }
    }

    fn travel(&mut self) -> Step {
        let (one, key) = (self.node(), self.random.usize(..self.keys));
        let other = (one + self.random.usize(1..self.nodes)) % self.nodes;
        let frames = self.random.usize(1..6);
        match self.random.u8(..16) {
            0..4 => Step::Session(one, other),
            4..6 => Step::Part(one, other, key),
            6..8 => Step::Part(other, one, key),
            8 => Step::Cut(one, other, frames),
            9 => Step::Amid(one, other, frames, key, self.value()),
            10 => Step::Piece(one, other, key, one),
            11 => Step::Piece(one, other, key, other),
            12 => Step::Suppression(one, other, key),
            13 => Step::Send(one, key),
            _ => Step::Deliver(other),
        }
    }
}
