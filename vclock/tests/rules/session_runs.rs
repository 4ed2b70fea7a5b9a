//! Random histories in which sessions run record by record, and may break, refuse records or run
//! in parallel.

use crate::action::{Action, faults, travel, writes};
use crate::record::{IDS, SUBMITTED};
use crate::rules::Rules;
use crate::search::Random;
use crate::session::{Counts, Sessions};
use crate::world::World;

/// The conditions under which sessions run.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Conditions {
    pub(crate) name: &'static str,
    /// Half of the sessions have a budget of 0 to 2 records per direction.
    budgets: bool,
    /// Sessions may break at any record, before or during the descent.
    breaks: bool,
    /// A receiver refuses an id for a while.
    refusals: bool,
    /// Two sessions may run at the same time.
    two_at_once: bool,
    /// Individual records are sent outside sessions.
    single_records: bool,
    /// Writes happen during sessions.
    writes_inside: bool,
    /// A summary entry jumps to the greatest value that its limit allows.
    garbage: bool,
}

const QUIET: Conditions = Conditions {
    name: "quiet",
    budgets: false,
    breaks: false,
    refusals: false,
    two_at_once: false,
    single_records: false,
    writes_inside: false,
    garbage: false,
};

/// The conditions, in the order of the tables.
pub(crate) const CONDITIONS: [Conditions; 10] = [
    QUIET,
    Conditions { name: "writes inside", writes_inside: true, ..QUIET },
    Conditions { name: "single records", single_records: true, ..QUIET },
    Conditions { name: "budgets", budgets: true, ..QUIET },
    Conditions { name: "breaks", breaks: true, ..QUIET },
    Conditions {
        name: "cut descents",
        breaks: true,
        refusals: true,
        single_records: true,
        garbage: true,
        ..QUIET
    },
    Conditions { name: "refusals", refusals: true, ..QUIET },
    Conditions { name: "two at once", two_at_once: true, ..QUIET },
    Conditions { name: "garbage", garbage: true, ..QUIET },
    Conditions {
        name: "everything",
        budgets: true,
        breaks: true,
        refusals: true,
        two_at_once: true,
        single_records: true,
        writes_inside: true,
        garbage: true,
    },
];

/// The fault classes of these runs.
pub(crate) const CLASSES: [&str; 11] = [
    "none",
    "restarts",
    "clocks",
    "lost",
    "backup",
    "damaged",
    "caps",
    "keys",
    "lost-behind",
    "memory",
    "clone",
];

/// The result of a run.
#[derive(Default)]
pub(crate) struct SessionTally {
    pub(crate) counts: Counts,
    /// The number of histories after which two machines stall, see [`Sessions::stalls`].
    pub(crate) stalls: u64,
    /// The number of histories after which machines remain apart, see [`Sessions::stays_apart`].
    pub(crate) apart: u64,
    /// The shortest history that stalls.
    pub(crate) stalled: Option<Vec<String>>,
}

pub(crate) fn random(
    rules: Rules,
    class: &str,
    conditions: &Conditions,
    nodes: usize,
    count: u64,
    length: usize,
    seed: u64,
) -> SessionTally {
    let mut run = Run {
        random: Random::new(seed),
        conditions: *conditions,
        nodes,
        writes: writes(nodes, IDS, SUBMITTED),
        faults: faults(class, nodes),
        singles: travel(nodes, IDS),
    };
    run.faults.retain(|action| !matches!(action, Action::Session(..)));
    run.singles.retain(|action| matches!(action, Action::OneWay(..)));
    if !run.faults.is_empty() {
        run.faults.extend((0..nodes).map(Action::TimeOut));
    }
    let mut tally = SessionTally::default();
    for n in 0..count {
        let key = seed.wrapping_add(n);
        let mut sessions = Sessions::new(World::new(nodes, rules), key);
        sessions.counts = tally.counts;
        let mut history = Vec::new();
        (0..length).for_each(|_| run.step(&mut sessions, &mut history));
        tally.counts = sessions.counts;
        let copy = |world: &World| Sessions::new(world.clone(), key);
        let ends = [run.random.below(nodes), run.random.below(nodes)];
        if ends[0] != ends[1] && copy(&sessions.world).stalls(ends) {
            tally.stalls += 1;
            if tally.stalled.as_ref().is_none_or(|shortest| shortest.len() > history.len()) {
                history.push(format!("then one record at a time between {ends:?}"));
                tally.stalled = Some(history);
            }
        }
        tally.apart += u64::from(copy(&sessions.world).stays_apart());
    }
    tally
}

struct Run {
    random: Random,
    conditions: Conditions,
    nodes: usize,
    writes: Vec<Action>,
    faults: Vec<Action>,
    singles: Vec<Action>,
}

impl Run {
    fn step(&mut self, sessions: &mut Sessions, history: &mut Vec<String>) {
        let dice = self.random.below(20);
        match dice {
            0..=5 => self.act(sessions, history, Source::Writes),
            6 if self.conditions.single_records => self.act(sessions, history, Source::Singles),
            7 if self.conditions.refusals => self.refuse(sessions, history),
            8 if self.conditions.breaks => self.break_off(sessions, history),
            9 if self.conditions.garbage => self.spoil(sessions, history),
            10..=12 => self.open(sessions, history),
            19 if !self.faults.is_empty() => self.act(sessions, history, Source::Faults),
            _ => self.advance(sessions, history),
        }
    }

    fn act(&mut self, sessions: &mut Sessions, history: &mut Vec<String>, source: Source) {
        let from = match source {
            Source::Writes => &self.writes,
            Source::Singles => &self.singles,
            Source::Faults => &self.faults,
        };
        let action = *self.random.pick(from);
        if !sessions.world.allows(&action) {
            return;
        }
        // A step that ends the process of a machine ends its sessions.
        let last = sessions.world.machines.len() - 1;
        let hit = match action {
            Action::Restart(m, _)
            | Action::LoseDisk(m, _)
            | Action::Damage(m, ..)
            | Action::NewKey(m, _)
            | Action::RenewKey(m, _) => Some(m),
            Action::Restore(_) | Action::ResumeMemory => Some(0),
            Action::StopClone => Some(last),
            _ => None,
        };
        sessions.open.retain(|session| !hit.is_some_and(|m| session.ends.contains(&m)));
        sessions.world.apply(&action);
        history.push(format!("{action:?}"));
    }

    fn refuse(&mut self, sessions: &mut Sessions, history: &mut Vec<String>) {
        let (m, id) = (self.random.below(self.nodes), self.random.below(IDS));
        sessions.refusals[m] = Some((id, sessions.world.now + 6));
        history.push(format!("Refuse({m}, {id})"));
    }

    fn break_off(&mut self, sessions: &mut Sessions, history: &mut Vec<String>) {
        if sessions.open.is_empty() {
            return;
        }
        let n = self.random.below(sessions.open.len());
        history.push(format!("Break({:?})", sessions.open[n].ends));
        sessions.break_off(n);
    }

    fn spoil(&mut self, sessions: &mut Sessions, history: &mut Vec<String>) {
        let (m, node) = (self.random.below(self.nodes), self.random.below(self.nodes));
        let machine = &mut sessions.world.machines[m];
        machine.memory.summary[node] = machine.greatest_entry(node);
        history.push(format!("Garbage({m}, {node})"));
    }

    fn open(&mut self, sessions: &mut Sessions, history: &mut Vec<String>) {
        let all = sessions.world.machines.len();
        let ends = [self.random.below(all), self.random.below(all)];
        let limit = 1 + usize::from(self.conditions.two_at_once);
        if ends[0] == ends[1] || sessions.open.len() >= limit {
            return;
        }
        let is_limited = self.conditions.budgets && self.random.below(2) == 0;
        let budget = if is_limited { self.random.below(3) } else { usize::MAX };
        sessions.world.now += 1;
        history.push(format!("Open({ends:?}, {budget})"));
        sessions.open(ends, budget);
        let conditions = &self.conditions;
        if !conditions.two_at_once && !conditions.breaks && !conditions.writes_inside {
            sessions.run_all();
        }
    }

    fn advance(&mut self, sessions: &mut Sessions, history: &mut Vec<String>) {
        if sessions.open.is_empty() {
            return;
        }
        let (n, way) = (self.random.below(sessions.open.len()), self.random.below(2));
        history.push(format!("Step({:?}, {way})", sessions.open[n].ends));
        sessions.step(n, way);
    }
}

/// The set from which a step is drawn.
#[derive(Clone, Copy)]
enum Source {
    Writes,
    Singles,
    Faults,
}
