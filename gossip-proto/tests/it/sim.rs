//! The sync machine on a hostile network, over a naive store.
//!
//! `cargo xtask sim` runs the same world over the store of engram-bridge.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::common::{
    self, LiveDot, Memory, State, Store, content, content_digest, dots, join, key_of, node_id,
    version,
};
use engram_gossip_proto::sim::{
    Cut, Direction, Host, Latency, Link, Random, Sabotage, Transport, World, WorldConfig,
};
use engram_gossip_proto::{
    Clocks, Delivery, Entry, Parameters, PatternContent, Prefix, Receipt, Record, SpaceId, Summary,
    View,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A node over a naive store.
#[derive(Clone)]
struct Model {
    node: u8,
    counter: u64,
    store: Store,
    reads: Reads,
}

/// The state with which a session joins received records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Joins received records with the current state, which is correct.
    Harmless,
    /// Joins received records with the pinned state, and overwrites the current state, which is a
    /// deliberate mistake.
    Trusted,
}

impl Model {
    fn new(node: usize, reads: Reads) -> Self {
        Self { node: node as u8, counter: 0, store: Store::clocked(State::default()), reads }
    }

    fn submit(&mut self, id: &str, seed: u32) -> LiveDot {
        self.counter += 1;
        let content = content(id, seed);
        let dot = (node_id(self.node), version(self.counter), content_digest(&content));
        self.store.change().submit(self.node, self.counter, content);
        dot
    }

    fn dots(&self, id: &str) -> BTreeSet<LiveDot> {
        self.store.state.borrow().records.get(&key_of(id)).map(dots).unwrap_or_default()
    }
}

impl Host for Model {
    type View = Picture;

    fn parameters(&self) -> Parameters {
        common::parameters()
    }

    fn spaces(&self) -> Vec<SpaceId> {
        vec![common::space("default")]
    }

    fn pin(&self, _space: &SpaceId) -> Picture {
        let trusted = (self.reads == Reads::Trusted).then(|| self.store.state());
        Picture { memory: self.store.pin(), store: self.store.clone(), trusted }
    }

    fn summary(&self, _space: &SpaceId) -> Summary {
        self.store.pin().summary()
    }
}

/// A view, and the pinned state that [`Reads::Trusted`] uses.
struct Picture {
    memory: Memory,
    store: Store,
    trusted: Option<State>,
}

impl View for Picture {
    type Content = PatternContent;

    fn summary(&self) -> Summary {
        self.memory.summary()
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.memory.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.memory.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.memory.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.memory.record(key)
    }

    fn content(&self, digest: &[u8; 32]) -> Option<PatternContent> {
        self.memory.content(digest)
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.memory.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.memory.key_of(id)
    }

    fn digest(&self, content: &PatternContent) -> [u8; 32] {
        self.memory.digest(content)
    }

    fn apply(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        let records = delivery.records.clone();
        let receipt = self.memory.apply(delivery);
        if let Some(trusted) = &self.trusted {
            let mut live = self.store.change();
            for record in records {
                let key = key_of(&record.id);
                let read = trusted.records.get(&key);
                let joined = read.map_or_else(|| record.clone(), |read| join(read, &record));
                live.records.insert(key, joined);
            }
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.memory.live_summary()
    }

    fn accepts_records(&self) -> bool {
        self.memory.accepts_records()
    }

    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        self.memory.with_clocks(work)
    }

    fn repin(&mut self) {
        self.memory.repin();
    }
}

/// A cluster, and the writes that its nodes must hold in the end.
struct Trial {
    world: World<Model>,
    random: Random,
    /// For each id, the dots that were written and not since superseded by their own node.
    written: BTreeMap<String, BTreeMap<usize, LiveDot>>,
    versions: u32,
}

impl Trial {
    fn new(seed: u64, nodes: usize, link: Link, transport: Transport, reads: Reads) -> Self {
        let config = WorldConfig { transport, ..WorldConfig::fair(seed, link) };
        let mut world =
            World::new(config, (0..nodes).map(|node| Model::new(node, reads)).collect());
        world.record_trace();
        let random = Random::new(!seed);
        Self { world, random, written: BTreeMap::new(), versions: 0 }
    }

    fn write_somewhere(&mut self) {
        let node = self.random.below(self.world.len());
        if self.world.is_up(node) {
            let id = format!("pattern_{}", self.random.below(12));
            self.versions += 1;
            let dot = self.world.host_mut(node).submit(&id, self.versions);
            self.written.entry(id).or_default().insert(node, dot);
            self.world.touch(node);
        }
    }

    /// Runs the cluster for this time, with occasional writes.
    fn live(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while self.world.now() < until {
            self.write_somewhere();
            let next = self.world.now() + self.random.duration(2 * time / 15);
            self.world.run_until(next.min(until));
        }
    }

    /// Removes all faults, and checks that the nodes soon agree and hold every write that was not
    /// superseded.
    fn heal(&mut self) -> Result<(), String> {
        self.world.heal();
        self.world.set_conditions(Link::perfect(Latency::LAN), Transport::STREAM);
        let deadline = self.world.now() + 10 * MINUTE;
        if self.world.run_until_agreed(deadline).is_none() {
            return Err(format!("no agreement before the deadline\n{}", self.world.trace()));
        }
        for (id, dots) in &self.written {
            let expected: BTreeSet<_> = dots.values().copied().collect();
            for node in 0..self.world.len() {
                let live = self.world.host(node).dots(id);
                if live != expected {
                    return Err(format!("{id} at n{node}: {live:?}, not {expected:?}"));
                }
            }
        }
        Ok(())
    }
}

fn harsh(random: &mut Random) -> Link {
    Link {
        latency: Latency {
            least: random.duration(Duration::from_millis(50)),
            spread: random.duration(Duration::from_millis(500)),
        },
        loss: 0.3 * random.fraction(),
        duplication: 0.5 * random.fraction(),
    }
}

fn one_trial(seed: u64, transport: Transport, reads: Reads) -> Result<Trial, String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let nodes = 3 + random.below(4);
    let mut trial = Trial::new(seed, nodes, harsh(&mut random), transport, reads);
    for _ in 0..4 {
        let now = trial.world.now();
        let side = (0..nodes / 2).collect();
        let rest = (nodes / 2..nodes).collect();
        let direction = [Direction::OneWay, Direction::BothWays][random.below(2)];
        let flapping = random.chance(0.3).then(|| Duration::from_secs(7));
        let victim = random.below(nodes);
        match random.below(4) {
            0 => trial.world.cut(Cut { from: side, to: rest, direction, flapping }),
            1 => trial.world.network().clog(victim, (victim + 1) % nodes, now + MINUTE / 10),
            2 => {
                trial.world.crash(victim);
                trial.live(MINUTE / 4);
                let host = trial.world.host(victim).clone();
                trial.world.restart(victim, host);
            }
            _ => trial.world.heal(),
        }
        trial.live(MINUTE / 2);
    }
    trial.heal()?;
    Ok(trial)
}

#[test]
fn streams_lose_nothing_on_a_faulty_network() {
    for seed in 0..12 {
        one_trial(seed, Transport::STREAM, Reads::Harmless).unwrap();
    }
}

#[test]
fn frames_lose_nothing_on_a_faulty_network() {
    for seed in 0..12 {
        one_trial(seed, Transport::Frames, Reads::Harmless).unwrap();
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let trial = one_trial(seed, Transport::Frames, Reads::Harmless).unwrap();
        trial.world.trace().to_owned()
    };
    assert!(run(7).lines().count() > 50);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn clocks_that_differ_by_a_day_change_nothing() {
    let run = |skew| {
        let link = Link { latency: Latency::WAN, loss: 0.2, duplication: 0.2 };
        let mut trial = Trial::new(1, 4, link, Transport::STREAM, Reads::Harmless);
        trial.world.crash(2);
        trial.world.set_skew(2, skew);
        let host = trial.world.host(2).clone();
        trial.world.restart(2, host);
        trial.live(MINUTE);
        trial.heal().unwrap();
        trial.world.trace().to_owned()
    };
    assert_eq!(run(Duration::ZERO), run(Duration::from_secs(86_400)));
}

#[test]
fn a_heal_keeps_no_connection_to_a_crashed_node() {
    let mut config = WorldConfig::fair(1, Link::perfect(Latency::LAN));
    // With these intervals, no session notices the crash.
    (config.schedule.interval, config.schedule.advert_interval) = (60 * MINUTE, 60 * MINUTE);
    let mut world = World::new(config, (0..3).map(|n| Model::new(n, Reads::Harmless)).collect());
    world.record_trace();
    let apart = Cut { from: vec![0], to: vec![2], direction: Direction::BothWays, flapping: None };
    world.cut(apart);
    world.crash(1);
    world.run_until(MINUTE);
    world.heal();
    world.run_until(4 * MINUTE);
    let lost =
        |node: usize, peer: usize| world.trace().contains(&format!("n{node} loses n{peer} (Lost)"));
    assert!(lost(0, 1) && lost(2, 1), "{}", world.trace());
    assert!(world.are_connected(0, 2), "the cut is too short to end a connection");
}

/// Runs a cluster on a network without faults, with every summary changed by `how`, if given.
fn sabotaged(seed: u64, how: Option<Sabotage>) -> Trial {
    let link = Link::perfect(Latency::LAN);
    let mut trial = Trial::new(seed, 4, link, Transport::STREAM, Reads::Harmless);
    let mut random = Random::new(seed);
    trial.world.set_tamper(Box::new(move |_, _, frame| {
        how.and_then(|how| how.change(&frame, &mut random)).unwrap_or(frame)
    }));
    trial.live(MINUTE);
    trial.heal().unwrap();
    trial
}

#[test]
fn summaries_that_are_too_high_need_the_descent() {
    let descents = |how| -> u64 {
        let trials = (0..4).map(|seed| sabotaged(seed, how));
        trials.map(|trial| trial.world.tally().descents).sum()
    };
    assert_eq!(descents(None), 0);
    assert!(descents(Some(Sabotage::High)) > 0);
    assert!(descents(Some(Sabotage::Garbage)) > 0);
}

#[test]
fn a_store_that_trusts_stale_reads_is_noticed() {
    let noticed = |seed| one_trial(seed, Transport::STREAM, Reads::Trusted).is_err();
    assert!((0..12).any(noticed));
}
