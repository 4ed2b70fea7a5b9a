//! Sessions that send records by version summaries, one at a time, and may descend if the roots then differ.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::Time;
use crate::record::{IDS, NODES, Record, Version};
use crate::rules::Weaker;
use crate::search::Random;
use crate::stream::Stream;
use crate::world::World;

/// The maximum number of consecutive sessions that may leave new records to the next one instead of
/// descending.
const MAX_LEFT: u8 = 4;

/// A running session between two machines.
pub(crate) struct Session {
    pub(crate) ends: [usize; 2],
    streams: [Stream; 2],
    /// Whether the session changed a record.
    moved: bool,
    /// The records that the descent has yet to send: receiver, id, record.
    descent: Option<Vec<(usize, usize, Record)>>,
    /// The number of records that the descent may still send.
    budget: usize,
    /// The records of both ends after the last step of the session.
    expected: [[Record; IDS]; 2],
    /// Whether a side refused a record.
    refused: bool,
    /// Whether another event changed a record during the session.
    is_disturbed: bool,
    /// The number of reissues before the session. A reissue during the session counts as a write, like a
    /// submission from an engine.
    reissued: u32,
}

/// The costs of sessions, and `unequal`, which must remain 0.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// The number of sessions whose roots differed at the start.
    pub(crate) differed: u64,
    pub(crate) equal: u64,
    pub(crate) descents: u64,
    /// The number of sessions that left records to the next one because of a budget or a claim.
    pub(crate) left: u64,
    /// The number of sessions that left records to the next one because new records had arrived
    /// meanwhile.
    pub(crate) left_as_news: u64,
    pub(crate) apart_by_refusal: u64,
    /// The number of records sent by version summaries.
    pub(crate) sent: u64,
    /// The number of records sent by version summaries that had no effect at the receiver, without
    /// those in `refused`.
    pub(crate) in_vain: u64,
    pub(crate) refused: u64,
    pub(crate) sent_by_descent: u64,
    pub(crate) broken: u64,
    /// The number of descents that ended unequal although nothing disturbed the session and nothing was refused,
    /// reissued or left out. It must be 0.
    pub(crate) unequal: u64,
}

pub(crate) struct Sessions {
    pub(crate) world: World,
    pub(crate) open: Vec<Session>,
    /// For each machine, the id that it refuses, and the time at which the refusal ends.
    pub(crate) refusals: Vec<Option<(usize, Time)>>,
    left_in_row: BTreeMap<[usize; 2], u8>,
    pub(crate) counts: Counts,
    /// Draws the order of each descent, which the session key determines in the protocol.
    random: Random,
}

/// Whether a session continues after a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    Ended,
}

impl Sessions {
    pub(crate) fn new(world: World, seed: u64) -> Self {
        let refusals = vec![None; world.nodes + 2];
        Self {
            world,
            open: Vec::new(),
            refusals,
            left_in_row: BTreeMap::new(),
            counts: Counts::default(),
            random: Random::new(seed),
        }
    }

    fn records(&self, ends: [usize; 2]) -> [[Record; IDS]; 2] {
        ends.map(|m| self.world.machines[m].store.records)
    }

    fn is_equal(&self, ends: [usize; 2]) -> bool {
        let [a, b] = self.records(ends);
        a == b
    }

    fn refuses(&self, m: usize, id: usize) -> bool {
        self.refusals[m].is_some_and(|(refused, until)| refused == id && until > self.world.now)
    }

    /// The nodes whose ranges a running session is delivering to `m`; other sessions do not request
    /// them.
    fn claimed(&self, m: usize) -> BTreeSet<usize> {
        let streams = self.open.iter().flat_map(|session| &session.streams);
        streams.filter(|stream| stream.to == m).flat_map(Stream::on_its_way).collect()
    }

    /// Opens a session; if the records are equal, only raises the summaries. `budget` limits the
    /// records that each side sends by version summaries, and the records of the descent.
    pub(crate) fn open(&mut self, ends: [usize; 2], budget: usize) {
        let [i, j] = ends;
        self.world.exchange_hellos(i, j);
        if self.is_equal(ends) {
            return self.raise_to_maximum(ends);
        }
        self.counts.differed += 1;
        let streams = [
            Stream::open(&self.world, i, j, budget, &self.claimed(j)),
            Stream::open(&self.world, j, i, budget, &self.claimed(i)),
        ];
        // Empty ranges are already complete.
        streams.iter().for_each(|stream| stream.raise(&mut self.world));
        let expected = self.records(ends);
        let reissued = self.world.ledger.counts.reissued;
        let session = Session {
            ends,
            streams,
            moved: false,
            descent: None,
            budget,
            expected,
            refused: false,
            is_disturbed: false,
            reissued,
        };
        self.open.push(session);
    }

    /// Sends one record, or ends a phase. `way` is the direction to try first.
    pub(crate) fn step(&mut self, n: usize, way: usize) -> Progress {
        let ends = self.open[n].ends;
        self.open[n].is_disturbed |= self.open[n].expected != self.records(ends);
        let progress = if let Some((way, id, record)) = self.open[n].next_by_clocks(way) {
            self.send_by_clocks(n, way, id, &record);
            Progress::Open
        } else if self.open[n].descent.is_none() {
            self.end_streams(n)
        } else {
            self.descend(n)
        };
        if progress == Progress::Open {
            self.open[n].expected = self.records(ends);
        }
        progress
    }

    fn send_by_clocks(&mut self, n: usize, way: usize, id: usize, record: &Record) {
        let to = self.open[n].streams[way].to;
        self.counts.sent += 1;
        if self.refuses(to, id) {
            self.counts.refused += 1;
            self.open[n].refused = true;
        } else {
            let changed = self.deliver(n, to, id, record);
            self.counts.in_vain += u64::from(!changed);
        }
        self.open[n].streams[way].sent += 1;
        self.open[n].streams[way].raise(&mut self.world);
    }

    fn deliver(&mut self, n: usize, to: usize, id: usize, record: &Record) -> bool {
        let before = self.world.machines[to].store.records[id];
        let refused = self.world.ledger.counts.refused;
        self.world.join(to, id, record);
        self.open[n].refused |= self.world.ledger.counts.refused > refused;
        let changed = self.world.machines[to].store.records[id] != before;
        self.open[n].moved |= changed;
        changed
    }

    /// Compares the roots after the records were sent by version summaries, and decides whether the
    /// session descends.
    fn end_streams(&mut self, n: usize) -> Progress {
        let session = &self.open[n];
        let (ends, moved) = (session.ends, session.moved);
        let is_whole = session.streams.iter().all(|stream| stream.is_whole);
        if self.is_equal(ends) {
            return self.end(n);
        }
        if !is_whole {
            self.counts.left += 1;
            return self.end(n);
        }
        let pair = [ends[0].min(ends[1]), ends[0].max(ends[1])];
        let in_row = self.left_in_row.entry(pair).or_default();
        let has_news =
            self.world.has_news(ends[0], ends[1]) || self.world.has_news(ends[1], ends[0]);
        let leaves = has_news && moved && *in_row < MAX_LEFT;
        if leaves && !self.world.rules.has(Weaker::DescendAlways) {
            *in_row += 1;
            self.counts.left_as_news += 1;
            return self.end(n);
        }
        *in_row = 0;
        self.counts.descents += 1;
        self.open[n].descent = Some(self.list(n));
        Progress::Open
    }

    /// Lists the records that the descent sends: whole records in both directions, in random order.
    /// A refused record is not sent again before its back-off ends.
    fn list(&mut self, n: usize) -> Vec<(usize, usize, Record)> {
        let ends = self.open[n].ends;
        let [a, b] = self.records(ends);
        let mut listed = Vec::new();
        for id in (0..IDS).filter(|id| a[*id] != b[*id]) {
            listed.push((ends[1], id, a[id]));
            listed.push((ends[0], id, b[id]));
        }
        let all = listed.len();
        listed.retain(|(to, id, _)| !self.refuses(*to, *id));
        self.open[n].refused |= listed.len() < all;
        listed.retain(|(_, _, record)| record.is_held());
        if !self.world.rules.has(Weaker::DescentInFixedOrder) {
            for last in (1..listed.len()).rev() {
                listed.swap(last, self.random.below(last + 1));
            }
        }
        listed.reverse();
        listed
    }

    fn descend(&mut self, n: usize) -> Progress {
        let next = self.open[n].descent.as_mut().and_then(Vec::pop);
        let Some((to, id, record)) = next.filter(|_| self.open[n].budget > 0) else {
            self.judge_end(n, next.is_some());
            return self.end(n);
        };
        self.open[n].budget -= 1;
        self.counts.sent_by_descent += 1;
        self.deliver(n, to, id, &record);
        Progress::Open
    }

    /// Counts the outcome of a descent. If it left nothing out, only refusals, reissues and changes from elsewhere may
    /// leave the ends unequal.
    fn judge_end(&mut self, n: usize, left_some: bool) {
        let ends = self.open[n].ends;
        if self.is_equal(ends) || left_some {
            return;
        }
        if self.open[n].refused {
            self.counts.apart_by_refusal += 1;
        } else if !self.open[n].is_disturbed
            && self.open[n].reissued == self.world.ledger.counts.reissued
        {
            self.counts.unequal += 1;
        }
    }

    fn end(&mut self, n: usize) -> Progress {
        let session = self.open.remove(n);
        if self.is_equal(session.ends) {
            self.raise_to_maximum(session.ends);
        }
        Progress::Ended
    }

    /// Breaks a session at any point.
    pub(crate) fn break_off(&mut self, n: usize) {
        self.counts.broken += 1;
        self.open.remove(n);
    }

    /// When the roots are equal, raises each entry of both summaries to the greater of the two values, but never
    /// above the greatest entry of the records held.
    fn raise_to_maximum(&mut self, [i, j]: [usize; 2]) {
        self.counts.equal += 1;
        let summaries = [i, j].map(|m| self.world.machines[m].memory.summary);
        for (node, (a, b)) in summaries[0].into_iter().zip(summaries[1]).enumerate() {
            self.world.machines[i].raise_summary(node, b);
            self.world.machines[j].raise_summary(node, a);
        }
    }

    /// Runs all open sessions to their end.
    pub(crate) fn run_all(&mut self) {
        while !self.open.is_empty() {
            self.step(0, 0);
        }
    }

    /// Ends all refusals, sessions and clock errors.
    fn end_faults(&mut self) {
        self.refusals.iter_mut().for_each(|refusal| *refusal = None);
        self.open.clear();
        self.world.end_refusals();
    }

    /// Whether two machines are still unequal after 400 sessions with a budget of one record.
    /// The descent is cut after its first record.
    pub(crate) fn stalls(mut self, ends: [usize; 2]) -> bool {
        self.end_faults();
        for _ in 0..400 {
            if self.is_equal(ends) {
                return false;
            }
            self.open(ends, 1);
            self.run_all();
        }
        !self.is_equal(ends)
    }

    /// Whether two machines still differ after six rounds of whole sessions between all pairs.
    pub(crate) fn stays_apart(mut self) -> bool {
        self.end_faults();
        let all = self.world.machines.len();
        for _ in 0..6 {
            for i in 0..all {
                for j in i + 1..all {
                    self.open([i, j], usize::MAX);
                    self.run_all();
                }
            }
        }
        (1..all).any(|m| !self.is_equal([0, m]))
    }
}

impl Session {
    fn next_by_clocks(&self, way: usize) -> Option<(usize, usize, Record)> {
        let next = |way: usize| {
            let (id, record) = self.streams[way].next()?;
            Some((way, id, record))
        };
        next(way).or_else(|| next(1 - way))
    }
}

impl World {
    /// Whether `a` holds a record above the summary of `b`, but not above the summary of `a`.
    fn has_news(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.machines[a], &self.machines[b]);
        (0..NODES).any(|node| {
            let above: Version = b.memory.summary[node];
            let entries = a.store.records.iter().map(|record| record.parts[node].entry);
            entries.into_iter().any(|entry| above < entry && entry <= a.memory.summary[node])
        })
    }
}
