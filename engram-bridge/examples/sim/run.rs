//! One run of a scenario: its measurements.

use std::time::Duration;

use engram_gossip_proto::sim::World;

use crate::replica::Replica;

/// The seed of a run, and whether it keeps a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) trace: Tracing,
}

/// Whether a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    On,
    Off,
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// When all nodes agreed, counted from when they could; `None` if they never did.
    pub(crate) agreed: Option<Duration>,
    /// Bytes that a node sent on average until then.
    pub(crate) bytes_per_node: u64,
    /// Sessions in all until then.
    pub(crate) sessions: u64,
    /// Bytes of records that all nodes together received.
    pub(crate) payload: u64,
    /// Bytes of them that their receivers knew already.
    pub(crate) wasted: u64,
    /// How many records came.
    pub(crate) records: u64,
    /// Acknowledged writes that are gone.
    pub(crate) lost: u64,
    /// Every other rule that was broken.
    pub(crate) faults: Vec<String>,
    /// Seconds since the beginning, and how many records all nodes held together.
    pub(crate) curve: Vec<(f64, u64)>,
    pub(crate) trace: String,
}

impl Run {
    /// Whether the nodes agreed and no rule was broken.
    pub(crate) fn passed(&self) -> bool {
        self.agreed.is_some() && self.lost == 0 && self.faults.is_empty()
    }
}

/// How long nodes may take to agree.
const TIME_LIMIT: Duration = Duration::from_secs(600);
/// How exactly curves and lags are seen.
pub(crate) const SAMPLE: Duration = Duration::from_millis(50);

/// Runs `world` from now until all nodes agree, at most for [`TIME_LIMIT`].
pub(crate) fn until_agreed(world: &mut World<Replica>) -> Run {
    let begin = world.now();
    let before = world.tally().clone();
    let mut curve = vec![(0.0, world.records())];
    let mut agreed = None;
    while agreed.is_none() && world.now() < begin + TIME_LIMIT {
        agreed = world.run_until_agreed(world.now() + SAMPLE);
        curve.push(((world.now() - begin).as_secs_f64(), world.records()));
    }
    let after = world.tally();
    Run {
        agreed: agreed.map(|at| at - begin),
        bytes_per_node: (after.bytes() - before.bytes()) / world.len() as u64,
        sessions: after.sessions - before.sessions,
        payload: (after.record_bytes - before.record_bytes) / 2,
        wasted: after.wasted_bytes - before.wasted_bytes,
        records: after.records - before.records,
        curve,
        ..Run::default()
    }
}
