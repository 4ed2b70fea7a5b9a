//! A cluster under constant load: the lag of the slowest node.

use std::collections::BTreeSet;
use std::time::Duration;

use engram_gossip_proto::View;
use engram_gossip_proto::sim::{Host, Random, Tally, World};

use crate::replica::{Replica, default_space, pattern};
use crate::run::{Run, SAMPLE, Setting};
use crate::scenario::LAN;
use crate::spread;

/// The rate of new patterns, and the nodes that create them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// This many patterns per minute in the whole cluster, each at a random node.
    PerMinute(u32),
    /// One pattern per second at each node.
    EachPerSecond,
}

impl Pace {
    /// Duration of the load.
    fn time(self) -> Duration {
        Duration::from_secs(match self {
            Self::PerMinute(_) => 120,
            Self::EachPerSecond => 10,
        })
    }

    /// Number of patterns that are due once the load has lasted for `age`.
    fn due(self, nodes: usize, age: Duration) -> u32 {
        let per_second = match self {
            Self::PerMinute(count) => f64::from(count) / 60.0,
            Self::EachPerSecond => nodes as f64,
        };
        (age.min(self.time()).as_secs_f64() * per_second) as u32
    }
}

/// A pattern that has not reached all nodes.
struct Spreading {
    born: Duration,
    key: [u8; 32],
    missing: BTreeSet<usize>,
}

/// Creates patterns at a constant rate. [`Run::agreed`] is the longest lag: the time from the
/// creation of a pattern until every node has it.
pub(crate) fn steady(nodes: usize, pace: Pace, setting: Setting) -> Run {
    let mut world = spread::settled(nodes, &LAN, setting);
    let (begin, busy) = (world.now(), pace.time());
    let mut random = Random::new(!setting.seed);
    let mut fresh: Vec<Spreading> = Vec::new();
    let mut lags = Vec::new();
    let mut made = 0;
    let mut age = Duration::ZERO;
    while age < busy || !fresh.is_empty() && age < 10 * busy {
        while made < pace.due(nodes, age) {
            let node = match pace {
                Pace::PerMinute(_) => random.below(nodes),
                Pace::EachPerSecond => made as usize % nodes,
            };
            fresh.push(make(&mut world, made, node));
            made += 1;
        }
        age += SAMPLE;
        world.run_until(begin + age);
        look(&world, &mut fresh);
        let spread = |pattern: &Spreading| pattern.missing.is_empty();
        lags.extend(
            fresh
                .iter()
                .filter(|pattern| spread(pattern))
                .map(|pattern| world.now() - pattern.born),
        );
        fresh.retain(|pattern| !spread(pattern));
    }
    let mut run = Run {
        seed: setting.seed,
        agreed: fresh.is_empty().then(|| lags.iter().max().copied().unwrap_or_default()),
        lost: fresh.len() as u64,
        trace: world.trace().to_owned(),
        ..Run::default()
    };
    run.charge(&world, &Tally::default());
    run
}

fn make(world: &mut World<Replica>, number: u32, node: usize) -> Spreading {
    let (space, id) = (default_space(), format!("pattern_{number}"));
    world.host(node).submit(&space, &pattern(&id, number));
    world.touch(node);
    let key = world.host(node).pin(&space).key_of(&id);
    let missing = (0..world.len()).filter(|other| *other != node).collect();
    Spreading { born: world.now(), key, missing }
}

/// Removes, from each pattern's missing nodes, those that have received the pattern.
fn look(world: &World<Replica>, fresh: &mut [Spreading]) {
    let space = default_space();
    for node in 0..world.len() {
        let view = world.host(node).pin(&space);
        for pattern in fresh.iter_mut() {
            if pattern.missing.contains(&node) && view.record(&pattern.key).is_some() {
                pattern.missing.remove(&node);
            }
        }
    }
}
