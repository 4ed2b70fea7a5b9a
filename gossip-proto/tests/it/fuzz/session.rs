//! A whole session, driven by a list of operations.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use engram_gossip_proto::{Compression, Ending, Intake, Session, SessionConfig, limits};

use crate::common::{self, Memory, State, Store, content, parameters, space};

/// Two nodes in a session, over a wire that an attacker controls.
struct Attack<'a> {
    input: &'a [u8],
    stores: [Store; 2],
    ends: [Session<Memory>; 2],
    /// Frames sent by each end and not delivered yet.
    wires: [VecDeque<Vec<u8>>; 2],
    now: Duration,
    /// Whether a frame was damaged, truncated or injected.
    forged: bool,
    writes: u64,
    /// The kinds of all frames that were delivered.
    kinds: BTreeSet<u8>,
}

/// Sets up two nodes from the first four bytes of `input`, and disturbs their session with the
/// operations in the rest.
///
/// Whatever happens to the frames, nothing panics and both ends finish. If no frame was forged, an
/// undisturbed session afterwards makes the nodes equal. Returns the kinds of the delivered frames.
pub(crate) fn run(input: &[u8]) -> BTreeSet<u8> {
    let Some((setup, operations)) = input.split_first_chunk::<4>() else { return BTreeSet::new() };
    let stores = [0, 1].map(|node| store(node, setup));
    let mut attack = Attack {
        input: operations,
        ends: open(&stores, config(setup[3]), 1),
        stores,
        wires: [VecDeque::new(), VecDeque::new()],
        now: Duration::ZERO,
        forged: false,
        writes: 0,
        kinds: BTreeSet::new(),
    };
    while let Some(operation) = attack.take() {
        attack.collect();
        attack.operate(operation);
    }
    attack.finish()
}

/// The setup bit that makes the nodes keep clocks.
const CLOCKED: u8 = 64;
/// The setup bit that makes the nodes expect a difference, so that their summaries travel early,
/// and ask for offers.
const EARLY: u8 = 128;

fn store(node: u8, setup: &[u8; 4]) -> Store {
    let clocked = setup[3] & CLOCKED != 0;
    let store = if clocked { Store::clocked(State::default()) } else { Store::default() };
    let own = few(setup[usize::from(node)]);
    let common = few(setup[2] & 127);
    for n in 0..common {
        // Each node holds a different version of every fourth record, and the same version of
        // the others.
        let writer = if n % 4 == 0 { node } else { 7 };
        let seed = u32::from(n) + 1_000 * u32::from(writer);
        let content = content(&format!("common-{n}"), seed);
        store.change().submit(writer, u64::from(n) + 1, content);
    }
    // Crowded keys begin with the same bytes, so that the descent has several levels. They are few:
    // among many, two keys may agree in 6 bytes, and their transfer may take a second session.
    let crowded = (128..255).contains(&setup[usize::from(node)]);
    for n in 0..own {
        let name = if crowded { "crowd-one" } else { "own" };
        let content = content(&format!("{name}-{node}-{n}"), u32::from(n));
        store.change().submit(node, 1_000 + u64::from(n), content);
    }
    store
}

/// Turns a byte into a number of records: usually three or fewer, which is enough for nearly every
/// case and keeps runs short. 255 gives so many that they are offered first.
fn few(byte: u8) -> u8 {
    match byte {
        255 => limits::MAX_NEWS as u8 + 2,
        byte if byte % 16 == 15 => 12,
        byte => byte % 4,
    }
}

fn config(byte: u8) -> SessionConfig {
    SessionConfig {
        max_patterns_per_sync: 1 + u32::from(byte % 16),
        compression: if byte & 16 == 0 { Compression::Lz4 } else { Compression::Off },
        send_budget: if byte & 32 == 0 { 1 << 20 } else { 200 },
        suspects: if byte & EARLY == 0 { vec![] } else { vec![space("default")] },
        intake: if byte & 128 == 0 { Intake::AtOnce } else { Intake::Offered },
        ..SessionConfig::default()
    }
}

fn open(stores: &[Store; 2], config: SessionConfig, key: u8) -> [Session<Memory>; 2] {
    let [a, b] = stores.clone().map(|store| vec![(space("default"), store.pin())]);
    let now = Duration::ZERO;
    [
        Session::open(config.clone(), parameters(), [key; 8], a, now)
            .expect("a valid configuration"),
        Session::accept(config, parameters(), [2; 8], b, now).expect("a valid configuration"),
    ]
}

impl Attack<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.input.split_first()?;
        self.input = rest;
        Some(*first)
    }

    fn number(&mut self) -> usize {
        usize::from(self.take().unwrap_or_default()) << 8
            | usize::from(self.take().unwrap_or_default())
    }

    /// Polls both ends, and puts their frames on the wires.
    fn collect(&mut self) {
        for (end, wire) in self.ends.iter_mut().zip(&mut self.wires) {
            while let Some(frame) = end.poll_frame(self.now) {
                wire.push_back(frame);
            }
        }
    }

    fn operate(&mut self, operation: u8) {
        let from = usize::from(operation & 1);
        let wire = &mut self.wires[from];
        match operation >> 1 {
            0..64 => self.deliver(from),
            64..72 => drop(wire.pop_front()),
            72..80 => {
                if let Some(frame) = wire.front().cloned() {
                    wire.push_front(frame);
                }
            }
            80..88 => {
                if wire.len() > 1 {
                    wire.swap(0, 1);
                }
            }
            88..96 => {
                let bit = self.number();
                if let Some(frame) = self.wires[from].front_mut() {
                    let at = bit / 8 % frame.len().max(1);
                    frame.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
                    self.forged = true;
                }
            }
            96..102 => {
                let len = self.number();
                if let Some(frame) = self.wires[from].front_mut() {
                    frame.truncate(len % frame.len().max(1));
                    self.forged = true;
                }
            }
            102..112 => self.inject(from),
            112..120 => self.write(from),
            _ => {
                self.now += Duration::from_secs(3);
                self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
            }
        }
    }

    fn deliver(&mut self, from: usize) {
        if let Some(frame) = self.wires[from].pop_front() {
            self.kinds.extend(frame.get(3));
            let _ = self.ends[1 - from].handle_frame(&frame, self.now);
        }
    }

    /// Injects a frame of any kind that the end never sent.
    fn inject(&mut self, from: usize) {
        let kind = self.take().unwrap_or_default() % common::kinds().count() as u8;
        let len = usize::from(self.take().unwrap_or_default()).min(self.input.len());
        let (body, rest) = self.input.split_at(len);
        self.input = rest;
        let mut frame = vec![b'E', b'G', engram_gossip_proto::WIRE_VERSION, kind, kind & 1];
        frame.extend((body.len() as u32).to_le_bytes());
        frame.extend(body);
        self.wires[from].push_back(frame);
        self.forged = true;
    }

    /// Writes to a node while the session runs.
    fn write(&mut self, node: usize) {
        self.writes += 1;
        let id = format!("common-{}", self.writes % 5);
        let content = content(&id, 5_000 + self.writes as u32);
        self.stores[node].change().submit(node as u8, 5_000 + self.writes, content);
    }

    /// Delivers the remaining frames, lets the deadlines pass, and checks that both ends finish. If
    /// no frame was forged, checks that another session makes the nodes equal.
    fn finish(mut self) -> BTreeSet<u8> {
        loop {
            self.collect();
            if self.wires.iter().all(VecDeque::is_empty) {
                break;
            }
            self.deliver(0);
            self.deliver(1);
        }
        for end in &mut self.ends {
            if let Some(deadline) = end.poll_timeout() {
                end.handle_timeout(deadline);
            }
            assert!(end.outcome().is_some(), "a session did not end");
            assert!(end.poll_timeout().is_none(), "a finished session still has a deadline");
        }
        if !self.forged {
            self.reconcile();
        }
        self.kinds
    }

    fn reconcile(&self) {
        // The short tags of two digests may be equal under one key, but hardly under two.
        let is_equal = [1, 3].into_iter().any(|key| self.ends_in_sync(key));
        assert!(is_equal, "an undisturbed session leaves a difference");
    }

    /// Runs an undisturbed session between copies of the nodes; returns whether both ends report
    /// that they are in sync.
    fn ends_in_sync(&self, key: u8) -> bool {
        let stores = self.stores.each_ref().map(Store::fork);
        let mut ends = open(&stores, SessionConfig::default(), key);
        let mut idle = 0;
        let mut from = 0;
        while idle < 2 {
            idle += 1;
            while let Some(frame) = ends[from].poll_frame(self.now) {
                ends[1 - from].handle_frame(&frame, self.now).expect("both obey the protocol");
                idle = 0;
            }
            from = 1 - from;
        }
        let result = |end: &Session<Memory>| end.outcome().map(|outcome| outcome.result.clone());
        let in_sync = ends.iter().all(|end| result(end) == Some(Ending::InSync));
        let [a, b] = stores.each_ref().map(Store::state);
        assert!(!in_sync || a.essence() == b.essence(), "in sync, but different");
        in_sync
    }
}
