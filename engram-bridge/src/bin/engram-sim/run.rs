//! One run of a scenario: what is measured of it.

use std::time::Duration;

use engram_gossip_proto::sim::World;

use crate::replica::Replica;

/// What a scenario is run with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) trace: Tracing,
    pub(crate) mutant: Option<crate::mutant::Mutant>,
}

/// Whether a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    On,
    Off,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// When all nodes agreed, counted from when they could; `None` if they never did.
    pub(crate) agreed: Option<Duration>,
    /// The same in rounds, where there are rounds.
    pub(crate) rounds: Option<u64>,
    /// Bytes that a node sent on average until then.
    pub(crate) bytes_per_node: u64,
    /// Sessions in all until then.
    pub(crate) sessions: u64,
    /// Bytes that a node received on average of records that it knew already.
    pub(crate) wasted_per_node: u64,
    /// Acknowledged writes that are gone.
    pub(crate) lost: u64,
    /// Everything else that must not be.
    pub(crate) faults: Vec<String>,
    /// Seconds since the beginning, and how many records all nodes held together.
    pub(crate) curve: Vec<(f64, u64)>,
    pub(crate) trace: String,
}

impl Run {
    /// Whether everything went as it has to.
    pub(crate) fn passed(&self) -> bool {
        self.agreed.is_some() && self.lost == 0 && self.faults.is_empty()
    }
}

/// Runs `world` from now until all agree, at most for `patience`.
pub(crate) fn until_agreed(
    world: &mut World<Replica>,
    patience: Duration,
    sample: Duration,
) -> Run {
    let begin = world.now();
    let before = world.tally().clone();
    let mut curve = vec![(0.0, world.records())];
    let mut agreed = None;
    while agreed.is_none() && world.now() < begin + patience {
        let next = world.now() + sample;
        agreed = world.run_until_agreed(next.min(begin + patience));
        curve.push(((world.now() - begin).as_secs_f64(), world.records()));
    }
    let after = world.tally();
    Run {
        agreed: agreed.map(|at| at - begin),
        bytes_per_node: (after.bytes() - before.bytes()) / world.len() as u64,
        sessions: after.sessions - before.sessions,
        wasted_per_node: (after.wasted_bytes - before.wasted_bytes) / world.len() as u64,
        curve,
        ..Run::default()
    }
}
