//! The time until a change reaches all nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use engram_gossip_proto::View;
use engram_gossip_proto::schedule::ScheduleConfig;
use engram_gossip_proto::sim::{Cut, Direction, Host, Link, Random, World, WorldConfig};

use crate::replica::{Replica, default_space, pattern};
use crate::run::{Run, Setting, Tracing, until_agreed};
use crate::scenario::{Change, Conditions, LAN};

/// How long nodes run before the change.
const SETTLING: Duration = Duration::from_secs(3);
/// How long two halves are partitioned: long enough that connections are lost and dials back off.
const APART: Duration = Duration::from_secs(600);

/// Writes patterns at some nodes, and measures the time until all running nodes have them.
pub(crate) fn spread(
    nodes: usize,
    change: Change,
    conditions: &Conditions,
    setting: Setting,
) -> Run {
    let mut world = settled(nodes, conditions, setting);
    let (writers, patterns) = match change {
        Change::One => (1, 1),
        Change::Many(patterns) => (1, patterns),
        Change::All => (nodes, 1),
    };
    let dead = conditions.dead(nodes);
    let mut written = 0;
    for writer in (0..writers).filter(|writer| !dead.contains(writer)) {
        written += write(&mut world, writer, patterns);
    }
    dead.into_iter().for_each(|node| world.crash(node));
    finish(&mut world, setting, written)
}

/// Partitions a cluster into two halves for [`APART`], and measures the time from healing until all
/// nodes agree. Before healing, each half must agree, and differ from the other half.
pub(crate) fn halves(nodes: usize, patterns: u32, setting: Setting) -> Run {
    let mut world = settled(nodes, &LAN, setting);
    let (from, to) = ((0..nodes / 2).collect(), (nodes / 2..nodes).collect());
    world.cut(Cut { from, to, direction: Direction::BothWays, flapping: None });
    let written = [0, nodes / 2].map(|writer| write(&mut world, writer, patterns));
    world.run_until(SETTLING + APART);
    let roots = |half: std::ops::Range<usize>| -> BTreeSet<[u8; 32]> {
        half.map(|node| world.host(node).pin(&default_space()).summary().root).collect()
    };
    let (here, there) = (roots(0..nodes / 2), roots(nodes / 2..nodes));
    world.heal();
    world.reset_peaks();
    let mut run = finish(&mut world, setting, written.into_iter().sum());
    if here.len() != 1 || there.len() != 1 || here == there {
        run.faults.push("before healing, each half should agree, and differ from the other".into());
    }
    let difference = u64::from(patterns) * nodes as u64;
    run.faults.extend(storm(&run, nodes as u64, difference));
    run
}

/// Minimum number of differing records at which their bytes exceed the overhead of the frames.
const LARGE: u64 = 1_000;

/// Returns a fault if a run sends more than 1.5 times the bytes of the `difference` records that
/// nodes lack; `None` for fewer than [`LARGE`] records.
fn storm(run: &Run, nodes: u64, difference: u64) -> Option<String> {
    let (sent, least) = (run.bytes_per_node * nodes, run.payload * difference / run.records.max(1));
    let is_storm = difference >= LARGE && sent * 2 > least * 3;
    is_storm.then(|| format!("{sent} bytes were sent for a difference of {least} bytes"))
}

/// Writes patterns at one node. All other nodes then request a session with it at the same moment.
pub(crate) fn rush(nodes: usize, patterns: u32, setting: Setting) -> Run {
    let mut world = settled(nodes, &LAN, setting);
    let written = write(&mut world, 0, patterns);
    (1..nodes).for_each(|caller| world.request(caller, 0));
    finish(&mut world, setting, written)
}

/// A cluster of empty nodes that have run for [`SETTLING`].
pub(crate) fn settled(nodes: usize, conditions: &Conditions, setting: Setting) -> World<Replica> {
    let mut random = Random::new(setting.seed ^ 0x6e6f_6465_7321);
    let space = [default_space()];
    let hosts = (0..nodes).map(|node| Replica::new(node, &space, random.fork())).collect();
    let link = Link { latency: conditions.latency, loss: conditions.loss, duplication: 0.0 };
    let mut world = World::new(WorldConfig::fair(setting.seed, link), hosts);
    world.run_until(SETTLING);
    if setting.trace == Tracing::On {
        world.record_trace();
    }
    world
}

/// Writes `patterns` patterns at a node. Returns their number.
fn write(world: &mut World<Replica>, node: usize, patterns: u32) -> u64 {
    for n in 0..patterns {
        world.host(node).submit(&default_space(), &pattern(&format!("pattern_{node}_{n}"), n));
    }
    world.touch(node);
    u64::from(patterns)
}

/// Runs until all nodes agree, and checks for lost writes and exceeded permits.
pub(crate) fn finish(world: &mut World<Replica>, setting: Setting, written: u64) -> Run {
    let mut run = until_agreed(world);
    run.seed = setting.seed;
    let alive = (0..world.len()).filter(|node| world.is_up(*node));
    let fewest = alive.map(|node| world.host(node).visible()).min().unwrap_or_default();
    run.lost = written.saturating_sub(fewest);
    let ScheduleConfig { outbound_sessions, inbound_sessions, .. } = ScheduleConfig::default();
    let (most, permits) = (world.tally().most_at_one_node, outbound_sessions + inbound_sessions);
    if most > permits {
        run.faults.push(format!("{most} concurrent sessions at a node; it has {permits} permits"));
    }
    run.trace = world.trace().to_owned();
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_half_more_than_the_difference() {
        let run =
            |bytes_per_node| Run { bytes_per_node, payload: 1_200, records: 12, ..Run::default() };
        assert_eq!(storm(&run(15_000), 10, LARGE), None);
        assert!(storm(&run(15_001), 10, LARGE).is_some());
        assert_eq!(storm(&run(15_001), 10, LARGE - 1), None, "frames outweigh few records");
    }
}
