//! The sync machine under a hostile network, over a naive store.
//!
//! `engram-sim`, a binary of engram-bridge, runs the same world over the real store.

#![cfg(feature = "sim")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Memory, Store, actor, content, key_of};
use engram_gossip_proto::sim::{
    Climate, Cut, Direction, Host, Latency, Link, Random, Schedule, Transport, World,
};
use engram_gossip_proto::{Dot, Parameters, SpaceId, Summary, View};

const MINUTE: Duration = Duration::from_secs(60);

/// A node over a naive store.
#[derive(Clone)]
struct Model {
    node: u8,
    counter: u64,
    store: Store,
}

impl Model {
    fn new(node: usize) -> Self {
        Self { node: node as u8, counter: 0, store: Store::default() }
    }

    fn submit(&mut self, id: &str, version: u32) -> Dot {
        self.counter += 1;
        self.store.0.borrow_mut().submit(self.node, self.counter, content(id, version));
        Dot { actor: actor(self.node), counter: self.counter }
    }

    fn dots(&self, id: &str) -> Vec<Dot> {
        let state = self.store.0.borrow();
        let record = state.records.get(&key_of(id));
        record.iter().flat_map(|record| &record.siblings).map(|(dot, _)| *dot).collect()
    }
}

impl Host for Model {
    type View = Memory;

    fn parameters(&self) -> Parameters {
        common::parameters()
    }

    fn spaces(&self) -> Vec<SpaceId> {
        vec![common::space("default")]
    }

    fn pin(&self, _space: &SpaceId) -> Memory {
        self.store.pin()
    }

    fn summary(&self, _space: &SpaceId) -> Summary {
        self.store.pin().summary()
    }
}

/// A cluster, and every write that it acknowledged.
struct Trial {
    world: World<Model>,
    random: Random,
    /// For each id the dots that were written and not superseded by their own node since.
    written: BTreeMap<String, BTreeMap<usize, Dot>>,
    versions: u32,
}

impl Trial {
    fn new(seed: u64, nodes: usize, link: Link, transport: Transport) -> Self {
        let schedule = Schedule::product();
        let climate = Climate { transport, ..Climate::fair(seed, link, schedule) };
        let mut world = World::new(climate, (0..nodes).map(Model::new).collect());
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

    /// Lets time pass, with a write now and then.
    fn live(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while self.world.now() < until {
            self.write_somewhere();
            let next = self.world.now() + self.random.duration(2 * time / 15);
            self.world.run_until(next.min(until));
        }
    }

    /// Mends everything; the nodes have to agree soon, and nothing may be lost.
    fn heal_and_check(&mut self) {
        self.world.network().heal();
        self.world.set_weather(Link::perfect(Latency::LAN), Transport::STREAM, 0.0);
        let deadline = self.world.now() + 10 * MINUTE;
        let agreed = self.world.run_until_agreed(deadline);
        assert!(agreed.is_some(), "no agreement until the deadline\n{}", self.world.trace());
        for (id, dots) in &self.written {
            let mut expected: Vec<_> = dots.values().copied().collect();
            expected.sort();
            for node in 0..self.world.len() {
                assert_eq!(self.world.host(node).dots(id), expected, "{id} at n{node}");
            }
        }
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

fn one_trial(seed: u64, transport: Transport) -> Trial {
    let mut random = Random::new(seed ^ 0x5eed);
    let nodes = 3 + random.below(4);
    let mut trial = Trial::new(seed, nodes, harsh(&mut random), transport);
    for _ in 0..4 {
        let now = trial.world.now();
        let side = (0..nodes / 2).collect();
        let rest = (nodes / 2..nodes).collect();
        let direction = [Direction::OneWay, Direction::BothWays][random.below(2)];
        let flapping = random.chance(0.3).then(|| Duration::from_secs(7));
        let victim = random.below(nodes);
        match random.below(4) {
            0 => trial.world.network().cut(now, Cut { from: side, to: rest, direction, flapping }),
            1 => trial.world.network().clog(victim, (victim + 1) % nodes, now + MINUTE / 10),
            2 => {
                trial.world.crash(victim);
                trial.live(MINUTE / 4);
                let host = trial.world.host(victim).clone();
                trial.world.restart(victim, host);
            }
            _ => trial.world.network().heal(),
        }
        trial.live(MINUTE / 2);
    }
    trial.heal_and_check();
    trial
}

#[test]
fn nothing_is_lost_over_streams_whatever_the_network_does() {
    (0..12).for_each(|seed| drop(one_trial(seed, Transport::STREAM)));
}

#[test]
fn nothing_is_lost_where_single_frames_are_lost_duplicated_and_reordered() {
    (0..12).for_each(|seed| drop(one_trial(seed, Transport::Frames)));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| one_trial(seed, Transport::Frames).world.trace().to_owned();
    assert!(run(7).lines().count() > 50);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn clocks_that_differ_by_a_day_change_nothing() {
    let run = |skew| {
        let link = Link { latency: Latency::WAN, loss: 0.2, duplication: 0.2 };
        let mut trial = Trial::new(1, 4, link, Transport::STREAM);
        trial.world.set_skew(2, skew);
        trial.live(MINUTE);
        trial.heal_and_check();
        trial.world.trace().to_owned()
    };
    assert_eq!(run(Duration::ZERO), run(Duration::from_secs(86_400)));
}
