//! Random histories: drawn from a seed, judged, and made shorter if they fail.

use super::classes::{Class, travel, words};
use super::row::KEYS;
use super::step::Step;
use super::verdict::{Fault, Verdict};
use super::world::{Pace, World};

/// A history, and all that is needed to play it again.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) nodes: usize,
    pub(crate) pace: Pace,
    pub(crate) steps: Vec<Step>,
}

impl History {
    /// Draws the history of a class and a seed.
    pub(crate) fn draw(class: &Class, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let nodes = if random.u8(..4) == 0 { 4 } else { 3 };
        let keys = random.usize(1..=KEYS);
        let faults = (class.faults)(nodes);
        let pace = match random.u8(..8) {
            // What was written before the loss of a state must not be written again by chance.
            0 if !faults.iter().any(Step::loses_state) => Pace::Still,
            0 | 1 => Pace::Frozen { seed },
            _ => Pace::Ticking { seed },
        };
        let (words, travel) = (words(nodes, keys), travel(nodes, keys));
        let submits: Vec<Step> =
            words.iter().copied().filter(|step| matches!(step, Step::Submit(..))).collect();
        let said = if random.bool() { &words } else { &submits };
        let mut history = Self { nodes, pace, steps: Vec::new() };
        let mut world = World::new(nodes, pace);
        let length = random.usize(4..18);
        while history.steps.len() < length {
            let from = match random.u8(..10) {
                0..4 => said,
                4..8 => &travel,
                _ if faults.is_empty() => &travel,
                _ => &faults,
            };
            let step = from[random.usize(..from.len())];
            if world.play(&step) {
                history.steps.push(step);
            }
        }
        history
    }

    /// Plays the history to its end. Steps that are not possible are left out.
    pub(crate) fn judge(&self) -> Verdict {
        let mut world = World::new(self.nodes, self.pace);
        for step in &self.steps {
            world.play(step);
        }
        world.judge()
    }

    /// Drops steps as long as the same fault is met.
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
