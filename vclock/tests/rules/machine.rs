//! A machine that runs one process of a node, with its store and its memory.

use crate::record::{Dot, IDS, NODES, Part, Record, Set, Version, contains, members};
use crate::rules::{Rules, Weaker};

/// A time, or the error of a clock, in steps.
pub(crate) type Time = i64;
/// The build date of every node.
const BUILT_AT: Time = 900;
/// The number of versions in one step of the clock.
const STEP: Version = 256;

/// The state that survives the process.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) records: [Record; IDS],
    /// V7: the content of the engine's last submission; `None` if it is unknown.
    pub(crate) last_submitted: [Option<u8>; IDS],
    /// V9: whether the wait for the first contact has ended since the store was created or damaged.
    pub(crate) met_peer: bool,
    /// The greatest versions of reaped deletions; only for the weaker form of V8.
    pub(crate) reaped: [Version; NODES],
}

/// The state that ends with the process.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    /// The time by which the clock is ahead of the true time.
    pub(crate) clock_error: Time,
    /// V1: the highest own version known.
    pub(crate) highest: Version,
    /// V1: the error of the greatest clock that a peer reported.
    pub(crate) told: Option<Time>,
    /// V5: the version of the last write that this process made or confirmed.
    pub(crate) last_write: [Version; IDS],
    /// V9: whether submissions wait for the first contact.
    pub(crate) is_waiting: bool,
    pub(crate) waiting: [Option<u8>; IDS],
    /// Summaries: for each node, the version up to which this machine has handled all writes.
    pub(crate) summary: [Version; NODES],
    /// Echo: the last snapshot that was handed out.
    pub(crate) handed: [Option<u8>; IDS],
    /// Echo: the blends that this process handed out.
    pub(crate) blends: [Set; IDS],
    /// The last snapshot that the engine received, which it may return later.
    pub(crate) engine: Option<[Option<u8>; IDS]>,
    /// Only for [`Weaker::IncarnationAndCounter`]: this process's incarnation, and the number of its
    /// writes.
    incarnation: (Version, Version),
}

/// Events since the world last collected them; no rule reads them.
#[derive(Clone, Default)]
pub(crate) struct Notes {
    pub(crate) reissued: u32,
    pub(crate) refused: u32,
    /// The suppressed digests that the limit removed.
    pub(crate) suppressions_cut: [Set; IDS],
    /// The writes that the limit on own dots removed, by node.
    pub(crate) writes_cut: [[Set; NODES]; IDS],
    /// Whether a blend that no engine wrote became a write of this node.
    pub(crate) wrote_echo: bool,
}

#[derive(Clone)]
pub(crate) struct Machine {
    /// The node in whose name the machine writes.
    pub(crate) node: usize,
    /// V11: the nodes that this one replaces.
    pub(crate) replaces: Set,
    /// Whether the machine is at its caps, and refuses new ids and new names of unknown nodes.
    pub(crate) is_full: bool,
    pub(crate) store: Store,
    pub(crate) memory: Memory,
    pub(crate) notes: Notes,
}

impl Machine {
    /// Creates a machine with an empty store, and starts its first process.
    pub(crate) fn new(node: usize, now: Time, clock_error: Time, rules: &Rules) -> Self {
        let mut machine = Self {
            node,
            replaces: 0,
            is_full: false,
            store: Store::default(),
            memory: Memory::default(),
            notes: Notes::default(),
        };
        machine.start(now, clock_error, rules);
        machine
    }

    /// Starts a process with the current store. A start needs no special handling (V1).
    pub(crate) fn start(&mut self, now: Time, clock_error: Time, rules: &Rules) {
        let is_empty = !self.store.records.iter().any(Record::is_held);
        self.memory = Memory {
            clock_error,
            highest: self.greatest_entry(self.node),
            is_waiting: if rules.has(Weaker::WaitWhileEmpty) {
                is_empty
            } else {
                !self.store.met_peer
            },
            // The summary may be too high; the descent repairs that.
            summary: std::array::from_fn(|node| self.greatest_entry(node)),
            ..Memory::default()
        };
        let known = self.memory.highest / STEP + 1;
        self.memory.incarnation = ((self.clock(now) / STEP).max(known), 0);
    }

    /// V11: continues under a new key, which replaces the current one.
    pub(crate) fn take_key(&mut self, node: usize, rules: &Rules) {
        if rules.has(Weaker::ReplacesOne) {
            self.replaces = 0;
        }
        self.replaces |= 1 << self.node;
        self.node = node;
    }

    pub(crate) fn clock(&self, now: Time) -> Version {
        at(now + self.memory.clock_error)
    }

    /// The greatest context entry of a node among the records held.
    pub(crate) fn greatest_entry(&self, node: usize) -> Version {
        self.store.records.iter().map(|record| record.parts[node].entry).max().unwrap_or(0)
    }

    pub(crate) fn own(&self, id: usize) -> &Part {
        &self.store.records[id].parts[self.node]
    }

    /// The node itself and the nodes that it replaces.
    pub(crate) fn names(&self) -> Set {
        self.replaces | 1 << self.node
    }

    /// The contents of the live dots of this node and of the nodes that it replaces.
    pub(crate) fn writes(&self, id: usize) -> Set {
        let parts = self.store.records[id].parts.iter().enumerate();
        let named = parts.filter(|(node, _)| contains(self.names(), *node));
        named.fold(0, |set, (_, part)| set | part.live())
    }

    /// V1: whether a version is implausibly far above max(clock, build date).
    pub(crate) fn is_implausible(&self, now: Time, version: Version, rules: &Rules) -> bool {
        let latest = (now + self.memory.clock_error).max(BUILT_AT) + rules.max_ahead;
        version >= at(latest) + STEP
    }

    /// V1: mints a version: the clock or, if greater, the highest known version plus a random step. A process that
    /// continues from an older copy with its clock behind therefore rarely uses a version twice.
    pub(crate) fn mint(&mut self, now: Time, rules: &Rules) -> Version {
        let version = if rules.has(Weaker::IncarnationAndCounter) {
            self.memory.incarnation.1 += 1;
            self.memory.incarnation.0 * STEP + self.memory.incarnation.1
        } else {
            self.trusted_clock(now, rules).max(self.memory.highest + step(now, rules))
        };
        self.note_own(version);
        version
    }

    /// V1: returns the node's clock or, if it lies too far above every clock that peers reported, the greatest reported
    /// clock.
    fn trusted_clock(&self, now: Time, rules: &Rules) -> Version {
        let Some(told) = self.memory.told else { return self.clock(now) };
        let latest = (now + told).max(BUILT_AT) + rules.max_ahead;
        if now + self.memory.clock_error <= latest || rules.has(Weaker::OwnClockTrusted) {
            return self.clock(now);
        }
        if rules.has(Weaker::OwnClockByHighest) { 0 } else { at(now + told) }
    }

    /// Records a version that this process minted.
    pub(crate) fn note_own(&mut self, version: Version) {
        self.memory.highest = self.memory.highest.max(version);
        let summary = &mut self.memory.summary[self.node];
        *summary = (*summary).max(version);
    }

    /// V1: records a version of this node that a record or a hello contains.
    pub(crate) fn observe(&mut self, now: Time, version: Version, rules: &Rules) {
        let is_foreign = if rules.has(Weaker::IncarnationAndCounter) {
            version > self.memory.incarnation.0 * STEP + self.memory.incarnation.1
        } else {
            version > self.memory.highest
        };
        self.memory.highest = self.memory.highest.max(version);
        if is_foreign {
            self.reissue_all(now, rules);
        }
    }

    /// V1: handles a peer's hello, which contains the greatest version of this node that the peer
    /// knows, and the peer's clock.
    pub(crate) fn hear(&mut self, now: Time, version: Version, error: Time, rules: &Rules) {
        self.memory.told = self.memory.told.max(Some(error));
        self.hear_version(now, version, rules);
    }

    pub(crate) fn hear_version(&mut self, now: Time, version: Version, rules: &Rules) {
        let is_believed = rules.has(Weaker::ImplausibleHelloBelieved);
        if is_believed || !self.is_implausible(now, version, rules) {
            self.observe(now, version, rules);
        }
    }

    /// The greatest known version of a node, for a hello.
    pub(crate) fn greatest_known(&self, node: usize) -> Version {
        let own = if node == self.node { self.memory.highest } else { 0 };
        self.greatest_entry(node).max(own)
    }

    /// The weaker forms of V5: reissues writes when a version arrives, not when a write was
    /// removed.
    fn reissue_all(&mut self, now: Time, rules: &Rules) {
        let all = rules.has(Weaker::ReissueAllOfNode);
        if !all && !rules.has(Weaker::ReissueAllOfProcess) {
            return;
        }
        for id in 0..IDS {
            let own = *self.own(id);
            if own.live() == 0 || !all && !own.has(self.memory.last_write[id]) {
                continue;
            }
            let version = self.mint(now, rules);
            let dots = members(own.live()).map(|content| Dot { version, content });
            let dots: Vec<_> = dots.collect();
            self.store.records[id].parts[self.node] = Part::new(version, &dots);
            self.memory.last_write[id] = version;
            self.notes.reissued += 1;
        }
    }

    /// Summaries: raises a summary entry, but never above the greatest entry of the records held.
    pub(crate) fn raise_summary(&mut self, node: usize, version: Version) {
        let limit = version.min(self.greatest_entry(node));
        self.memory.summary[node] = self.memory.summary[node].max(limit);
    }
}

/// Draws the random step above the highest known version. The model derives it from the true time, which
/// differs for each step of a history.
fn step(now: Time, rules: &Rules) -> Version {
    if rules.has(Weaker::NextWithoutRandom) { 1 } else { 1 + now.unsigned_abs() as Version % 64 }
}

fn at(time: Time) -> Version {
    Version::try_from(time).expect("time is positive and small") * STEP
}
