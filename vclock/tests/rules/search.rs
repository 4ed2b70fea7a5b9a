//! Random and exhaustive runs, and the shortest history of each kind of violation.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, faults, travel, writes};
use crate::record::SUBMITTED;
use crate::rules::Rules;
use crate::verdict::{Verdict, Violation};
use crate::world::World;

/// An xorshift64* generator: the same seed gives the same histories everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a random number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The result of a run.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) histories: u64,
    /// The number of histories whose replicas still differed after all clocks had been corrected and
    /// the following sessions had ended.
    pub(crate) late: u64,
    pub(crate) rounds: usize,
    pub(crate) dots: usize,
    pub(crate) destroyed: u64,
    pub(crate) reissued: u64,
    pub(crate) writes_cut: u64,
    pub(crate) refused: u64,
    /// The number of histories that break each law, and the shortest of them.
    pub(crate) violations: BTreeMap<Violation, (u64, Vec<Action>)>,
}

impl Tally {
    fn count(&mut self, verdict: &Verdict, history: &[Action]) {
        self.histories += 1;
        self.late += u64::from(verdict.is_late);
        self.rounds = self.rounds.max(verdict.rounds);
        self.dots = self.dots.max(verdict.dots);
        self.destroyed += u64::from(verdict.counts.destroyed);
        self.reissued += u64::from(verdict.counts.reissued);
        self.writes_cut += u64::from(verdict.counts.writes_cut);
        self.refused += u64::from(verdict.counts.refused);
        for violation in &verdict.violations {
            let found = self.violations.entry(*violation);
            let (count, shortest) = found.or_insert_with(|| (0, history.to_vec()));
            *count += 1;
            if history.len() < shortest.len() {
                *shortest = history.to_vec();
            }
        }
    }
}

/// Runs random histories of a fault class, and shortens the shortest history of each violation.
pub(crate) fn random(
    rules: Rules,
    class: &str,
    nodes: usize,
    count: u64,
    length: usize,
    seed: u64,
) -> Tally {
    let mut random = Random::new(seed);
    let writes = writes(nodes, 2, SUBMITTED);
    let submits: Vec<_> =
        writes.iter().copied().filter(|action| matches!(action, Action::Submit(..))).collect();
    let travel = travel(nodes, 2);
    let mut faults = faults(class, nodes);
    if !faults.is_empty() {
        faults.extend((0..nodes).map(Action::TimeOut));
    }
    let mut tally = Tally::default();
    for _ in 0..count {
        let (mut world, mut history) = (World::new(nodes, rules), Vec::new());
        let writes = if random.below(2) == 0 { &writes } else { &submits };
        let steps = 4 + random.below(length);
        while history.len() < steps {
            let from = match random.below(10) {
                0..=3 => writes,
                4..=6 => &travel,
                _ if faults.is_empty() => &travel,
                _ => &faults,
            };
            let action = *random.pick(from);
            if world.allows(&action) {
                world.apply(&action);
                history.push(action);
            }
        }
        tally.count(&world.judge(), &history);
    }
    for (violation, (_, history)) in &mut tally.violations {
        *history = shrink(rules, nodes, history, *violation);
    }
    tally
}

/// Removes actions for as long as the history still breaks the same law.
fn shrink(rules: Rules, nodes: usize, history: &[Action], violation: Violation) -> Vec<Action> {
    let is_broken = |history: &[Action]| {
        let mut world = World::new(nodes, rules);
        for action in history {
            if !world.allows(action) {
                return false;
            }
            world.apply(action);
        }
        world.judge().has(violation)
    };
    let mut best = history.to_vec();
    loop {
        let shorter = (0..best.len()).map(|n| {
            let mut shorter = best.clone();
            shorter.remove(n);
            shorter
        });
        match shorter.into_iter().find(|shorter| is_broken(shorter)) {
            Some(shorter) => best = shorter,
            None => return best,
        }
    }
}

/// The actions that an exhaustive run uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alphabet {
    /// Submissions, whole sessions, and the faults.
    Submissions,
    /// Everything in `Submissions`, all operations, and records sent outside sessions.
    Everything,
}

/// Runs all histories of up to `depth` steps, with one id and two contents. Equal states at the
/// same depth count once. The run keeps only histories and recomputes the states from them.
pub(crate) fn exhaustive(
    rules: Rules,
    class: &str,
    nodes: usize,
    depth: usize,
    alphabet: Alphabet,
) -> Tally {
    let contents = 2;
    let mut actions = writes(nodes, 1, contents);
    actions
        .retain(|action| alphabet != Alphabet::Submissions || matches!(action, Action::Submit(..)));
    actions.extend(travel(nodes, 1).into_iter().filter(|action| {
        alphabet == Alphabet::Everything || matches!(action, Action::Session(..))
    }));
    actions.extend(faults(class, nodes));
    actions.retain(|action| is_small(action, contents));
    let mut tally = Tally::default();
    let mut histories: Vec<Vec<Action>> = vec![Vec::new()];
    for level in 1..=depth {
        let (mut next, mut seen) = (Vec::new(), BTreeSet::new());
        for history in &histories {
            let world = World::run(nodes, rules, history);
            for action in actions.iter().filter(|action| world.allows(action)) {
                let mut world = world.clone();
                world.apply(action);
                if !seen.insert(world.fingerprint()) {
                    continue;
                }
                let mut history = history.clone();
                history.push(*action);
                tally.count(&world.judge(), &history);
                if level < depth {
                    next.push(history);
                }
            }
        }
        histories = next;
    }
    tally
}

/// Whether an action of a fault class names no id but the first, and submits only contents below
/// `contents`.
fn is_small(action: &Action, contents: u8) -> bool {
    use Action::*;
    match *action {
        Submit(_, id, c) => id == 0 && c < contents,
        Damage(_, id, _) | Forge(_, id) | ReturnOne(_, id) | OneWaySome(_, _, id, _) => id == 0,
        _ => true,
    }
}
