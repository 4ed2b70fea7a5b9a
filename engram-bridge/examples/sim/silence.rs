//! Measures the time until the first node is connected to other running nodes while most members
//! are silent.

use std::time::Duration;

use engram_gossip_proto::sim::{Link, Random, Startup, World, WorldConfig};

use crate::replica::{Replica, default_space};
use crate::run::{Run, Setting, Tracing};
use crate::scenario::LAN;

/// The connections whose delay is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// From the start until the first node is connected to all other running nodes.
    Start,
    /// From the return of a node until the first node is connected to it.
    Return,
}

/// How long nodes run before one of them leaves: long enough to dial the silent members repeatedly.
const SETTLING: Duration = Duration::from_secs(60);
/// The possible absences of the node that leaves; the seed selects one. A node that is away for longer than
/// [`MET_LATELY`](engram_gossip_proto::schedule::limits::MET_LATELY) is treated as if it had
/// just started.
const ABSENCES: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(100)];
/// Maximum time to wait for the connections.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Interval at which the connections are checked.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the first `living` of `nodes` nodes. [`Run::agreed`] is the measured delay.
pub(crate) fn meeting(nodes: usize, living: usize, moment: Moment, setting: Setting) -> Run {
    let mut random = Random::new(setting.seed ^ 0x7369_6c65_6e63_6521);
    let space = [default_space()];
    let hosts: Vec<_> = (0..nodes).map(|node| Replica::new(node, &space, random.fork())).collect();
    let link = Link { latency: LAN.latency, loss: LAN.loss, duplication: 0.0 };
    let config = WorldConfig { startup: Startup::Apart, ..WorldConfig::fair(setting.seed, link) };
    let mut world = World::new(config, hosts.clone());
    if setting.trace == Tracing::On {
        world.record_trace();
    }
    (living..nodes).for_each(|node| world.crash(node));
    let mut met = until_met(&mut world, 1..living);
    if moment == Moment::Return {
        world.run_until(SETTLING);
        let peer = living - 1;
        world.crash(peer);
        world.run_until(SETTLING + ABSENCES[setting.seed as usize % ABSENCES.len()]);
        world.restart(peer, hosts[peer].clone());
        met = until_met(&mut world, peer..living);
    }
    let tally = world.tally();
    Run {
        seed: setting.seed,
        agreed: met,
        bytes_per_node: tally.bytes() / nodes as u64,
        sessions: tally.sessions,
        trace: world.trace().to_owned(),
        ..Run::default()
    }
}

/// The time until the first node is connected to all of `peers`; `None` after [`TIME_LIMIT`].
fn until_met(world: &mut World<Replica>, peers: std::ops::Range<usize>) -> Option<Duration> {
    let begin = world.now();
    while !peers.clone().all(|peer| world.are_connected(0, peer)) {
        if world.now() >= begin + TIME_LIMIT {
            return None;
        }
        world.run_until(world.now() + LOOK);
    }
    Some(world.now() - begin)
}
