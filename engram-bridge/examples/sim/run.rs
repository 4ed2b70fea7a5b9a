//! The measurements of one run of a scenario.

use std::time::Duration;

use engram_gossip_proto::sim::{Tally, World};

use crate::replica::Replica;

/// The seed of a run, and whether it keeps a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) trace: Tracing,
}

/// Whether the run records a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    On,
    Off,
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// The measured time, in most scenarios until all nodes agreed; `None` if it exceeded its
    /// limit.
    pub(crate) agreed: Option<Duration>,
    /// Mean bytes that a node sent until all nodes agreed.
    pub(crate) bytes_per_node: u64,
    /// Total sessions until all nodes agreed.
    pub(crate) sessions: u64,
    /// Bytes of frames with records that all nodes together received until all nodes agreed.
    pub(crate) payload: u64,
    /// The part of `payload` in records that changed nothing at their receiver.
    pub(crate) wasted: u64,
    /// Number of records received.
    pub(crate) records: u64,
    /// Sessions that found a difference; each counts at both ends.
    pub(crate) differed: u64,
    /// The number of these sessions that needed a descent after the delta by clocks.
    pub(crate) descents: u64,
    /// Counts of the injected faults and of their effects, by name.
    pub(crate) met: Vec<(&'static str, u64)>,
    /// Lost acknowledged writes.
    pub(crate) lost: u64,
    /// All other violated rules.
    pub(crate) faults: Vec<String>,
    /// Samples: seconds since the start, and the number of records on all nodes together.
    pub(crate) curve: Vec<(f64, u64)>,
    pub(crate) trace: String,
}

impl Run {
    /// Sets the costs to those of `world` since `before`.
    pub(crate) fn charge(&mut self, world: &World<Replica>, before: &Tally) {
        let after = world.tally();
        self.bytes_per_node = (after.bytes() - before.bytes()) / world.len() as u64;
        self.sessions = after.sessions - before.sessions;
        self.payload = (after.record_bytes - before.record_bytes) / 2;
        self.wasted = after.wasted_bytes - before.wasted_bytes;
        self.records = after.records - before.records;
        self.differed = after.differed - before.differed;
        self.descents = after.descents - before.descents;
    }

    /// Whether the nodes agreed and no rule was violated.
    pub(crate) fn passed(&self) -> bool {
        self.agreed.is_some() && self.lost == 0 && self.faults.is_empty()
    }
}

/// Maximum time until the nodes agree.
const TIME_LIMIT: Duration = Duration::from_secs(600);
/// Sampling interval of curves and lags.
pub(crate) const SAMPLE: Duration = Duration::from_millis(50);

/// Runs `world` until all nodes agree, but at most for [`TIME_LIMIT`].
pub(crate) fn until_agreed(world: &mut World<Replica>) -> Run {
    let begin = world.now();
    let before = world.tally().clone();
    let mut curve = vec![(0.0, world.records())];
    let mut agreed = None;
    while agreed.is_none() && world.now() < begin + TIME_LIMIT {
        agreed = world.run_until_agreed(world.now() + SAMPLE);
        curve.push(((world.now() - begin).as_secs_f64(), world.records()));
    }
    let mut run = Run { agreed: agreed.map(|at| at - begin), curve, ..Run::default() };
    run.charge(world, &before);
    run
}
