//! Checks what a single session between two nodes must achieve.

use std::collections::BTreeSet;

use engram_gossip_proto::sim::{Host, Random};
use engram_gossip_proto::{Entry, Prefix, SessionConfig, View};

use crate::conversation::Conversation;
use crate::replica::{Replica, default_space, pattern};
use crate::run::{Run, Setting};
use crate::scenario::LAN;
use crate::spread;

/// Number of patterns that each of the two nodes has and the other lacks; more than fit into one
/// message.
const OWN: u32 = 250;
/// Number of patterns with a different version on each side.
const COMMON: u32 = 50;
/// Number of patterns that differ between the two nodes.
const ALL: u32 = 2 * OWN + COMMON;

/// Checks that two nodes of a cluster agree, that one undisturbed session makes two nodes equal,
/// and that each session with a small budget reduces their difference.
pub(crate) fn seed(setting: Setting) -> Run {
    let mut world = spread::settled(2, &LAN, setting);
    diverge([world.host(0), world.host(1)]);
    (0..2).for_each(|node| world.touch(node));
    let mut run = spread::finish(&mut world, setting, u64::from(ALL));
    run.faults.extend(undisturbed(setting.seed));
    run.faults.extend(budgeted(setting.seed));
    run
}

/// Runs an undisturbed session, which must make both nodes equal. Returns a fault if it does not.
fn undisturbed(seed: u64) -> Option<String> {
    let [left, right] = diverged(seed);
    let before = difference(&left, &right);
    let talk = Conversation::hold(&left, &right, SessionConfig::default());
    let after = difference(&left, &right);
    (before != ALL as usize || after > 0)
        .then(|| format!("a session ({:?}) left {after} of {before} differences", talk.ending))
}

/// Runs sessions with a small budget. Each session must reduce the difference; returns a fault at
/// the first that does not.
fn budgeted(seed: u64) -> Option<String> {
    let [left, right] = diverged(seed);
    let mut before = difference(&left, &right);
    while before > 0 {
        let config = SessionConfig { send_budget: 1_000, ..SessionConfig::default() };
        Conversation::hold(&left, &right, config);
        let after = difference(&left, &right);
        if after >= before {
            return Some(format!("a session with a budget left {after} of {before} differences"));
        }
        before = after;
    }
    None
}

fn diverged(seed: u64) -> [Replica; 2] {
    let mut random = Random::new(seed);
    let nodes = [0, 1].map(|node| Replica::new(node, &[default_space()], random.fork()));
    diverge(nodes.each_ref());
    nodes
}

fn diverge(nodes: [&Replica; 2]) {
    let space = default_space();
    for (replica, node) in nodes.into_iter().zip(0..) {
        for n in 0..OWN {
            replica.submit(&space, &pattern(&format!("pattern_{node}_{n}"), n));
        }
        for n in 0..COMMON {
            replica.submit(&space, &pattern(&format!("pattern_{n}"), 1_000 * (node + 1) + n));
        }
    }
}

/// Number of differing records.
fn difference(left: &Replica, right: &Replica) -> usize {
    let entries = |replica: &Replica| -> BTreeSet<Entry> {
        replica.pin(&default_space()).entries(&Prefix::ROOT).into_iter().collect()
    };
    let keys = |entries: BTreeSet<Entry>| entries.into_iter().map(|entry| entry.key);
    keys(&entries(left) ^ &entries(right)).collect::<BTreeSet<_>>().len()
}
