//! The answer to `/cluster/consolidation`: the node, its spaces, and the states that need an operator's
//! attention.

use serde::Serialize;

use crate::node::telemetry::{Telemetry, Warning};
use crate::replica::caps::CapUsage;
use crate::spaces::space::Space;
use crate::spaces::stats::WriteStats;

/// The answer to `/cluster/consolidation`.
#[derive(Serialize)]
pub(in crate::node::http) struct Node {
    name: String,
    id: String,
    version: &'static str,
    uptime_seconds: f64,
    /// The reason why the node is not ready; `None` if it is ready.
    unready: Option<String>,
    warnings: Vec<Warned>,
    /// Seconds until the certificate expires; negative once it has expired.
    certificate_seconds: f64,
    root: String,
    parameters: Parameters,
    spaces: Vec<SpaceOf>,
    /// Spaces whose state is stored but that the node does not host.
    unhosted: Vec<String>,
    /// The state in which the node found its store.
    recovery: String,
    /// Bytes of the store; `None` if the state is only in memory, or if the size is unknown.
    stored_bytes: Option<u64>,
    caps: Vec<CapOf>,
    writes: Writes,
    sessions: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

#[derive(Serialize)]
struct Parameters {
    hash: String,
    depth: u8,
    dimension: usize,
    precision: String,
    strategy: String,
}

#[derive(Serialize)]
struct SpaceOf {
    name: String,
    root: String,
    visible: u64,
    /// Records in the tree, including those of deleted patterns.
    records: u64,
    conflicts: u64,
    deletions: u64,
    /// Digests that records suppress or once suppressed.
    suppressed: u64,
    context_entries: u64,
    /// Context entries of nodes that the roster does not list.
    unlisted_entries: u64,
    /// Submissions that wait for the first contact.
    waiting: u64,
    /// The number of changes since this node started; not comparable between nodes.
    generation: u64,
}

/// A state that needs an operator's attention.
#[derive(Serialize)]
pub(in crate::node::http) struct Warned {
    /// A stable code, as in the events.
    code: &'static str,
    /// The severity: `critical` or `warning`.
    severity: &'static str,
    reason: String,
    next_step: String,
}

/// The current states of a node that need an operator's attention, critical ones first.
pub(in crate::node::http) fn warnings(node: &Telemetry) -> Vec<Warned> {
    node.warnings().iter().map(Warned::of).collect()
}

impl Warned {
    fn of(warning: &Warning) -> Self {
        Self {
            code: warning.code(),
            severity: if warning.is_critical() { "critical" } else { "warning" },
            reason: warning.to_string(),
            next_step: warning.next_step(),
        }
    }
}

/// The usage of a cap.
#[derive(Serialize)]
struct CapOf {
    /// The configuration key that sets the cap.
    key: &'static str,
    used: u64,
    limit: u64,
}

impl CapOf {
    fn of(CapUsage { cap, used, limit }: CapUsage) -> Self {
        Self { key: cap.key(), used, limit }
    }
}

/// Writes and faults of this node since its process started.
#[derive(Serialize)]
struct Writes {
    written: u64,
    reissued: u64,
    given_up: u64,
    clashes: u64,
    dots_dropped: u64,
    suppressions_dropped: u64,
    implausible: u64,
    /// Members that wrote versions ahead of this node's clock by more than the tolerance.
    members_ahead: u64,
    /// Refused records and parts of records, over all caps.
    over_cap: u64,
    storage_failures: u64,
}

impl Writes {
    fn of(stats: &WriteStats) -> Self {
        Self {
            written: stats.written,
            reissued: stats.reissued,
            given_up: stats.given_up,
            clashes: stats.clashes,
            dots_dropped: stats.dots_dropped,
            suppressions_dropped: stats.suppressions_dropped,
            implausible: stats.implausible,
            members_ahead: stats.members_ahead,
            over_cap: stats.over_cap.values().sum(),
            storage_failures: stats.storage_failures,
        }
    }
}

impl Node {
    pub(in crate::node::http) fn of(node: &Telemetry) -> Self {
        let (store, stats) = (node.store(), node.gossip().stats());
        let (parameters, writes) = (store.parameters(), store.write_stats());
        Self {
            name: node.name().to_owned(),
            id: node.gossip().node_id().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: node.uptime().as_secs_f64(),
            unready: node.unready().map(|reason| reason.to_string()),
            warnings: warnings(node),
            certificate_seconds: certificate_seconds(node),
            root: store.root().to_string(),
            parameters: Parameters {
                hash: parameters.hash().to_owned(),
                depth: parameters.depth(),
                dimension: store.shape().dimension,
                precision: store.shape().precision.to_string(),
                strategy: store.strategy(),
            },
            spaces: store.iter().map(|space| SpaceOf::of(&space)).collect(),
            unhosted: store.unhosted().iter().map(|space| space.to_string()).collect(),
            recovery: store.recovery().to_string(),
            stored_bytes: writes.stored_bytes,
            caps: store.cap_usage().into_iter().map(CapOf::of).collect(),
            writes: Writes::of(&writes),
            sessions: stats.sessions.values().sum(),
            bytes_sent: stats.session_bytes_sent + stats.advert_bytes_sent,
            bytes_received: stats.session_bytes_received + stats.advert_bytes_received,
        }
    }
}

fn certificate_seconds(node: &Telemetry) -> f64 {
    let (until, now) = (node.gossip().certificate_validity().until, node.now());
    match until.duration_since(now) {
        Ok(left) => left.as_secs_f64(),
        Err(over) => -over.duration().as_secs_f64(),
    }
}

impl SpaceOf {
    fn of(space: &Space) -> Self {
        let stats = space.stats();
        Self {
            name: space.id().to_string(),
            root: stats.root.to_string(),
            visible: stats.visible,
            records: stats.records,
            conflicts: stats.conflicting,
            deletions: stats.deletions,
            suppressed: stats.suppressed,
            context_entries: stats.context_entries,
            unlisted_entries: stats.unlisted_entries,
            waiting: space.waiting_len(),
            generation: stats.generation,
        }
    }
}
