//! Two nodes and nobody else: what one session has to achieve.

use std::time::Duration;

use engram_gossip_proto::sim::{Climate, Host, Latency, Link, Random, Schedule, World};
use engram_gossip_proto::{Prefix, View};

use crate::mutant::Mutant;
use crate::replica::{Replica, default_space, pattern};
use crate::run::{Run, Setting, Tracing};

/// Patterns that only one of the two has, on either side; more than fit into one message.
const OWN: u32 = 250;
/// Patterns of which each has another version.
const COMMON: u32 = 50;

/// One undisturbed session makes both equal; one with a budget makes them less different.
pub(crate) fn seed(setting: Setting) -> Run {
    let mut world = world(setting, u64::MAX);
    let before = difference(&world);
    world.open(0, 1);
    world.run_until(Duration::from_secs(60));
    let mut run = Run {
        seed: setting.seed,
        agreed: world.agrees().then(|| world.now()),
        bytes_per_node: world.tally().bytes() / 2,
        sessions: world.tally().sessions,
        wasted_per_node: world.tally().wasted_bytes / 2,
        ..Run::default()
    };
    let everything = u64::from(2 * OWN + COMMON);
    let fewest = world.host(0).visible().min(world.host(1).visible());
    run.lost = everything.saturating_sub(fewest);
    if world.tally().endings.get("in sync") != Some(&2) {
        run.faults.push(format!("one session did not end in sync: {:?}", world.tally().endings));
    }
    if before != (2 * OWN + COMMON) as usize {
        run.faults.push(format!("{before} differences at the beginning"));
    }
    let bytes = world.tally().bytes();
    world.open(1, 0);
    world.run_until(Duration::from_secs(120));
    let again = world.tally().bytes() - bytes;
    if again > IN_SYNC_BYTES {
        run.faults.push(format!("a contact in sync took {again} bytes"));
    }
    run.trace = world.trace().to_owned();
    run.faults.extend(budgeted(setting));
    run
}

/// The most bytes of a contact that finds both sides equal, both ways.
const IN_SYNC_BYTES: u64 = 200;

/// Sessions that may send next to nothing: each leaves strictly less to do.
fn budgeted(setting: Setting) -> Vec<String> {
    let mut world = world(setting, 1_000);
    let mut left = difference(&world);
    let mut faults = Vec::new();
    while left > 0 {
        world.open(0, 1);
        world.run_until(world.now() + Duration::from_secs(60));
        let now = difference(&world);
        if now >= left {
            faults.push(format!("a session with a budget left {now} of {left} differences"));
            break;
        }
        left = now;
    }
    faults
}

fn world(setting: Setting, send_budget: u64) -> World<Replica> {
    let mut random = Random::new(setting.seed);
    let space = [default_space()];
    let hosts: Vec<_> =
        (0..2).map(|node| Replica::new(node, &space, random.fork(), setting.mutant)).collect();
    for (host, node) in hosts.iter().zip(0..) {
        for n in 0..OWN {
            host.submit(&space[0], &pattern(&format!("pattern_{node}_{n}"), n));
        }
        for n in 0..COMMON {
            host.submit(&space[0], &pattern(&format!("pattern_{n}"), 1_000 * (node + 1) + n));
        }
    }
    let schedule = Schedule { timer: None, ..Schedule::rounds(1) };
    let mut climate = Climate::fair(setting.seed, Link::perfect(Latency::LAN), schedule);
    climate.session.send_budget = send_budget;
    let mut world = World::new(climate, hosts);
    if let Some(tamper) = setting.mutant.and_then(Mutant::tamper) {
        world.set_tamper(tamper);
    }
    if setting.trace == Tracing::On {
        world.record_trace();
    }
    world
}

/// How many records differ.
fn difference(world: &World<Replica>) -> usize {
    let entries = |node| world.host(node).pin(&default_space()).entries(&Prefix::ROOT);
    let (left, right) = (entries(0), entries(1));
    let other = |entry| !right.contains(entry);
    let keys = |entries: &[engram_gossip_proto::Entry]| {
        entries.iter().map(|entry| entry.key).collect::<std::collections::BTreeSet<_>>()
    };
    let only_right = keys(&right).difference(&keys(&left)).count();
    left.iter().filter(|entry| other(entry)).count() + only_right
}
