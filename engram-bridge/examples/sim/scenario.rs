//! The scenarios by name: their events and their time bounds.

use std::time::Duration;

use engram_gossip_proto::sim::Latency;

use crate::load::Pace;
use crate::run::{Run, Setting};
use crate::silence::Moment;
use crate::{faults, load, pair, silence, spread};

/// A scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) nodes: usize,
    /// Default number of seeds.
    pub(crate) seeds: u64,
    /// The limit on the 99th percentile of the measured time, in virtual seconds.
    pub(crate) seconds: f64,
    /// Large scenarios run only by name or with `--all`.
    pub(crate) size: Size,
    plan: Plan,
}

/// How long a scenario takes to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Quick,
    Large,
}

/// The events of a scenario.
enum Plan {
    Spread(Change, Conditions),
    Halves(u32),
    Rush(u32),
    Load(Pace),
    Faults,
    /// This many of the nodes run, and the others are silent.
    Silence(usize, Moment),
    Pair,
}

/// The change whose spread is measured: the new patterns, and the nodes that write them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// One pattern at one node.
    One,
    /// This number of patterns at one node.
    Many(u32),
    /// One pattern at each node that does not crash.
    All,
}

/// The network and the crashed nodes.
#[derive(Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) latency: Latency,
    /// The probability that a packet is lost.
    pub(crate) loss: f64,
    /// The fraction of nodes that crash at the moment of the change.
    pub(crate) dead: f64,
}

pub(crate) const LAN: Conditions = Conditions { latency: Latency::LAN, loss: 0.0, dead: 0.0 };
/// Latency of 75 to 85 ms between nodes, 2 % loss.
const WAN: Conditions = Conditions {
    latency: Latency { least: Duration::from_millis(75), spread: Duration::from_millis(10) },
    loss: 0.02,
    dead: 0.0,
};
const BAD: Conditions = Conditions { loss: 0.2, dead: 0.1, ..LAN };

impl Conditions {
    /// The crashed nodes, evenly spaced, never node 0.
    pub(crate) fn dead(&self, nodes: usize) -> Vec<usize> {
        let dead = (nodes as f64 * self.dead) as usize;
        (0..dead).map(|n| (n + 1) * nodes / (dead + 1)).collect()
    }
}

impl Scenario {
    /// Runs one seed.
    pub(crate) fn run(&self, setting: Setting) -> Run {
        match &self.plan {
            Plan::Spread(change, conditions) => {
                spread::spread(self.nodes, *change, conditions, setting)
            }
            Plan::Halves(patterns) => spread::halves(self.nodes, *patterns, setting),
            Plan::Rush(patterns) => spread::rush(self.nodes, *patterns, setting),
            Plan::Faults => faults::faults(self.nodes, setting),
            Plan::Load(pace) => load::steady(self.nodes, *pace, setting),
            Plan::Silence(living, moment) => {
                silence::meeting(self.nodes, *living, *moment, setting)
            }
            Plan::Pair => pair::seed(setting),
        }
    }

    /// The maximum fraction of received record bytes that belongs to records that changed nothing.
    /// It is higher under faults: a changed summary hides from a sender which records the receiver
    /// has.
    pub(crate) const fn max_redundant(&self) -> f64 {
        match self.plan {
            Plan::Faults => 0.25,
            _ => 0.2,
        }
    }
}

macro_rules! scenarios {
    ($($name:literal, $nodes:literal nodes, $seeds:literal seeds, $size:ident, $seconds:literal s, $plan:expr, $about:literal;)*) => {
        &[$(Scenario {
            name: $name,
            about: $about,
            nodes: $nodes,
            seeds: $seeds,
            seconds: $seconds,
            size: Size::$size,
            plan: $plan,
        }),*]
    };
}

/// All scenarios.
pub(crate) const ALL: &[Scenario] = scenarios! {
    "pair", 2 nodes, 10 seeds, Quick, 1.0 s, Plan::Pair,
        "two nodes differ in 550 patterns";
    "lan_one_3", 3 nodes, 100 seeds, Quick, 1.0 s, Plan::Spread(Change::One, LAN),
        "one new pattern";
    "lan_one_10", 10 nodes, 100 seeds, Quick, 1.0 s, Plan::Spread(Change::One, LAN),
        "one new pattern";
    "lan_one_100", 100 nodes, 100 seeds, Quick, 1.0 s, Plan::Spread(Change::One, LAN),
        "one new pattern";
    "lan_one_1000", 1000 nodes, 10 seeds, Large, 1.5 s, Plan::Spread(Change::One, LAN),
        "one new pattern";
    "lan_all_10", 10 nodes, 100 seeds, Quick, 1.0 s, Plan::Spread(Change::All, LAN),
        "one new pattern at each node";
    "lan_all_100", 100 nodes, 10 seeds, Large, 1.0 s, Plan::Spread(Change::All, LAN),
        "one new pattern at each node";
    "wan_one_100", 100 nodes, 100 seeds, Quick, 3.0 s, Plan::Spread(Change::One, WAN),
        "one new pattern; 75 to 85 ms between nodes, 2 % of the packets are lost";
    "wan_one_1000", 1000 nodes, 3 seeds, Large, 4.5 s, Plan::Spread(Change::One, WAN),
        "one new pattern; 75 to 85 ms between nodes, 2 % of the packets are lost";
    "wan_all_100", 100 nodes, 3 seeds, Quick, 5.0 s, Plan::Spread(Change::All, WAN),
        "one new pattern at each node; 75 to 85 ms between nodes, 2 % of the packets are lost";
    "bad_one_100", 100 nodes, 100 seeds, Quick, 10.0 s, Plan::Spread(Change::One, BAD),
        "one new pattern; 20 % of the packets are lost, 10 % of the nodes are dead";
    "bad_all_100", 100 nodes, 10 seeds, Large, 10.0 s, Plan::Spread(Change::All, BAD),
        "one new pattern at each node; 20 % of the packets are lost, 10 % of the nodes are dead";
    "bad_one_1000", 1000 nodes, 10 seeds, Large, 15.0 s, Plan::Spread(Change::One, BAD),
        "one new pattern; 20 % of the packets are lost, 10 % of the nodes are dead";
    "many_100", 100 nodes, 2 seeds, Large, 3.0 s, Plan::Spread(Change::Many(1_000), LAN),
        "1,000 new patterns at one node";
    "healed_100", 100 nodes, 3 seeds, Large, 5.0 s, Plan::Halves(1),
        "two halves that were partitioned for ten minutes: the time from healing to agreement";
    "storm_100", 100 nodes, 2 seeds, Large, 5.0 s, Plan::Halves(100),
        "the same, and the halves differ in 200 patterns: the sessions at each node stay bounded";
    "rush_100", 100 nodes, 10 seeds, Quick, 1.0 s, Plan::Rush(100),
        "all others request sessions with one node that has 100 new patterns and stays within its permits";
    "faults_10", 10 nodes, 6 seeds, Quick, 60.0 s, Plan::Faults,
        "about half of the version summaries are changed, sessions break, nodes refuse records, crash \
         and are partitioned: the time from healing to agreement";
    "load_100", 100 nodes, 1 seeds, Large, 3.0 s, Plan::Load(Pace::PerMinute(100)),
        "100 new patterns a minute for two minutes: the longest time until all nodes have a \
         pattern";
    "busy_100", 100 nodes, 1 seeds, Large, 5.0 s, Plan::Load(Pace::EachPerSecond),
        "one pattern per node and second for ten seconds: the longest time until all nodes have a \
         pattern";
    "start_500", 500 nodes, 6 seeds, Large, 5.0 s, Plan::Silence(100, Moment::Start),
        "400 of 500 members are silent: the time until a node is connected to all running ones";
    "return_500", 500 nodes, 2 seeds, Large, 2.0 s, Plan::Silence(100, Moment::Return),
        "the same: the time until a returning member is connected again";
    "start_402", 402 nodes, 9 seeds, Large, 30.0 s, Plan::Silence(2, Moment::Start),
        "400 of 401 other members are silent: the time until the running one is connected";
    "return_402", 402 nodes, 9 seeds, Large, 2.0 s, Plan::Silence(2, Moment::Return),
        "the same: the time until it is connected again after an absence";
};

/// The scenario called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn a_tenth_of_the_nodes_dies_never_the_writer() {
        let dead = BAD.dead(100);
        assert_eq!(dead.len(), 10);
        assert!(!dead.contains(&0));
    }
}
