//! The scenarios by name: what happens in them, and what has to come of it.

use engram_gossip_proto::sim::{Adverts, Latency, Schedule};

use crate::run::{Run, Setting};
use crate::{faults, load, pair, spread};

/// A scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) nodes: usize,
    /// How many seeds are run if nothing else is asked for.
    pub(crate) seeds: u64,
    plan: Plan,
    pub(crate) bounds: Bounds,
    /// Whether it is run only if asked for by name, or with `--all`.
    pub(crate) size: Size,
}

/// What 99 of 100 seeds have to reach.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) rounds: Option<u64>,
    pub(crate) seconds: Option<f64>,
}

/// How long a scenario takes to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Quick,
    Large,
}

/// What happens.
enum Plan {
    News(News, Weather),
    Halves(u32, Weather),
    Rush(u32, Weather),
    Load(u32, Weather),
    Pair,
    Faults,
}

/// What is new at the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// One pattern at one node.
    One,
    /// So many patterns at one node.
    Many(u32),
    /// One pattern each at so many nodes.
    Some(usize),
    /// One pattern at each node.
    All,
}

/// Under which circumstances.
pub(crate) struct Weather {
    pub(crate) schedule: Schedule,
    pub(crate) latency: Latency,
    /// The probability that a packet is lost, and that a whole session is.
    pub(crate) loss: f64,
    /// The share of nodes that are dead, which nobody notices.
    pub(crate) dead: f64,
}

impl Weather {
    /// The numbers of the nodes that are dead: every so manieth, never the first.
    pub(crate) fn dead(&self, nodes: usize) -> Vec<usize> {
        let dead = (nodes as f64 * self.dead) as usize;
        (0..dead).map(|n| (n + 1) * nodes / (dead + 1)).collect()
    }
}

impl Scenario {
    /// Runs one seed.
    pub(crate) fn run(&self, setting: Setting) -> Run {
        match &self.plan {
            Plan::News(news, weather) => spread::news(self.nodes, *news, weather, setting),
            Plan::Halves(patterns, weather) => {
                spread::halves(self.nodes, *patterns, weather, setting)
            }
            Plan::Rush(patterns, weather) => spread::rush(self.nodes, *patterns, weather, setting),
            Plan::Load(per_minute, weather) => {
                load::steady(self.nodes, *per_minute, weather, setting)
            }
            Plan::Pair => pair::seed(setting),
            Plan::Faults => faults::seed(setting),
        }
    }
}

const fn rounds(fanout: usize) -> Weather {
    Weather { schedule: Schedule::rounds(fanout), latency: Latency::LAN, loss: 0.0, dead: 0.0 }
}

const fn bad(weather: Weather) -> Weather {
    Weather { loss: 0.2, dead: 0.1, ..weather }
}

/// Root adverts alone, without the timer that would help them.
const fn adverts(adverts: Adverts, latency: Latency) -> Weather {
    let schedule = Schedule { timer: None, adverts: Some(adverts), ..Schedule::product() };
    Weather { schedule, latency, loss: 0.0, dead: 0.0 }
}

const fn product() -> Weather {
    Weather { schedule: Schedule::product(), latency: Latency::LAN, loss: 0.0, dead: 0.0 }
}

const fn timer() -> Weather {
    let schedule = Schedule { adverts: None, ..Schedule::product() };
    Weather { schedule, latency: Latency::LAN, loss: 0.0, dead: 0.0 }
}

const fn in_rounds(rounds: u64) -> Bounds {
    Bounds { rounds: Some(rounds), seconds: None }
}

const fn in_seconds(seconds: f64) -> Bounds {
    Bounds { rounds: None, seconds: Some(seconds) }
}

macro_rules! scenarios {
    ($($name:literal, $nodes:literal nodes, $seeds:literal seeds, $size:ident, $bounds:expr, $plan:expr, $about:literal;)*) => {
        &[$(Scenario {
            name: $name,
            about: $about,
            nodes: $nodes,
            seeds: $seeds,
            plan: $plan,
            bounds: $bounds,
            size: Size::$size,
        }),*]
    };
}

/// All scenarios.
pub(crate) const ALL: &[Scenario] = scenarios! {
    "pair", 2 nodes, 10 seeds, Quick, Bounds { rounds: None, seconds: None }, Plan::Pair,
        "one session between two nodes that differ in 550 patterns makes them equal";
    "rounds_one_3", 3 nodes, 200 seeds, Quick, in_rounds(1), Plan::News(News::One, rounds(3)),
        "one new pattern, synchronous rounds of fanout 3";
    "rounds_one_10", 10 nodes, 200 seeds, Quick, in_rounds(3), Plan::News(News::One, rounds(3)),
        "one new pattern, synchronous rounds of fanout 3";
    "rounds_one_100", 100 nodes, 200 seeds, Quick, in_rounds(5), Plan::News(News::One, rounds(3)),
        "one new pattern, synchronous rounds of fanout 3";
    "rounds_one_1000", 1000 nodes, 10 seeds, Quick, in_rounds(7), Plan::News(News::One, rounds(3)),
        "one new pattern, synchronous rounds of fanout 3";
    "rounds_one_10000", 10000 nodes, 3 seeds, Large, in_rounds(8), Plan::News(News::One, rounds(3)),
        "one new pattern, synchronous rounds of fanout 3";
    "rounds_all_3", 3 nodes, 200 seeds, Quick, in_rounds(1), Plan::News(News::All, rounds(3)),
        "one new pattern at each node";
    "rounds_all_10", 10 nodes, 200 seeds, Quick, in_rounds(3), Plan::News(News::All, rounds(3)),
        "one new pattern at each node";
    "rounds_all_100", 100 nodes, 100 seeds, Quick, in_rounds(5), Plan::News(News::All, rounds(3)),
        "one new pattern at each node";
    "rounds_all_1000", 1000 nodes, 2 seeds, Large, in_rounds(7), Plan::News(News::All, rounds(3)),
        "one new pattern at each node";
    "rounds_some_10000", 10000 nodes, 1 seeds, Large, in_rounds(8),
        Plan::News(News::Some(100), rounds(3)),
        "one new pattern at each of 100 nodes";
    "bad_one_100", 100 nodes, 200 seeds, Quick, in_rounds(7), Plan::News(News::One, bad(rounds(3))),
        "one new pattern; 20 % of the sessions are lost, 10 % of the nodes are dead";
    "bad_all_100", 100 nodes, 100 seeds, Quick, in_rounds(7), Plan::News(News::All, bad(rounds(3))),
        "one new pattern at each node; 20 % of the sessions are lost, 10 % of the nodes are dead";
    "bad_one_1000", 1000 nodes, 5 seeds, Large, in_rounds(9),
        Plan::News(News::One, bad(rounds(3))),
        "one new pattern; 20 % of the sessions are lost, 10 % of the nodes are dead";
    "healed_100", 100 nodes, 100 seeds, Quick, in_rounds(3), Plan::Halves(1, rounds(3)),
        "two halves that were apart, from the moment of healing";
    "many_100", 100 nodes, 5 seeds, Quick, in_rounds(7), Plan::News(News::Many(1_000), rounds(3)),
        "1,000 new patterns at one node: no more than two rounds above one pattern";
    "timer_one_100", 100 nodes, 50 seeds, Quick, in_seconds(150.0), Plan::News(News::One, timer()),
        "one new pattern, three spread sessions a minute and no adverts";
    "adverts_lan_one_100", 100 nodes, 100 seeds, Quick, in_seconds(10.0),
        Plan::News(News::One, adverts(Adverts::PINGS, Latency::LAN)),
        "one new pattern, one root advert a second and nothing else";
    "adverts_lan_all_100", 100 nodes, 30 seeds, Quick, in_seconds(10.0),
        Plan::News(News::All, adverts(Adverts::PINGS, Latency::LAN)),
        "one new pattern at each node, one root advert a second and nothing else";
    "adverts_wan_one_100", 100 nodes, 30 seeds, Quick, in_seconds(10.0),
        Plan::News(News::One, adverts(Adverts::PINGS, Latency::WAN)),
        "one new pattern, one root advert a second, 40 to 60 ms between nodes";
    "adverts_bad_one_100", 100 nodes, 30 seeds, Quick, in_seconds(25.0),
        Plan::News(News::One, bad(adverts(Adverts::PINGS, Latency::LAN))),
        "one new pattern, root adverts; 20 % of packets and sessions lost, 10 % of the nodes dead";
    "adverts_bad_all_100", 100 nodes, 10 seeds, Quick, in_seconds(25.0),
        Plan::News(News::All, bad(adverts(Adverts::PINGS, Latency::LAN))),
        "one new pattern at each node, root adverts; 20 % lost, 10 % of the nodes dead";
    "eager_lan_one_100", 100 nodes, 100 seeds, Quick, in_seconds(4.0),
        Plan::News(News::One, adverts(Adverts::EAGER, Latency::LAN)),
        "one new pattern, adverts that go out at once";
    "eager_lan_one_1000", 1000 nodes, 5 seeds, Quick, in_seconds(4.0),
        Plan::News(News::One, adverts(Adverts::EAGER, Latency::LAN)),
        "one new pattern, adverts that go out at once";
    "eager_wan_one_100", 100 nodes, 30 seeds, Quick, in_seconds(4.0),
        Plan::News(News::One, adverts(Adverts::EAGER, Latency::WAN)),
        "one new pattern, adverts that go out at once, 40 to 60 ms between nodes";
    "storm_100", 100 nodes, 10 seeds, Quick, in_seconds(30.0), Plan::Halves(100, product()),
        "two halves that differ in 200 patterns are joined: the sessions at each node stay bounded";
    "rush_100", 100 nodes, 10 seeds, Quick, in_seconds(30.0), Plan::Rush(100, product()),
        "all nodes call the one with 100 new patterns at once: it serves as many as it has permits";
    "load_100", 100 nodes, 4 seeds, Quick, in_seconds(10.0), Plan::Load(100, product()),
        "100 new patterns a minute for two minutes: the longest time until a pattern is everywhere";
    "faults", 7 nodes, 5000 seeds, Quick, in_seconds(600.0), Plan::Faults,
        "3 to 7 nodes: loss, duplication, reordering, cuts, clogs, crashes, lost disks, skewed clocks";
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
    fn a_tenth_is_dead_but_not_the_writer() {
        let dead = bad(rounds(3)).dead(100);
        assert_eq!(dead.len(), 10);
        assert!(!dead.contains(&0));
    }
}
