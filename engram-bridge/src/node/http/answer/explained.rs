//! The answer to `/cluster/consolidation/explain`.

use engram_conflict::pattern::Contribution;
use engram_gossip_net::NodeId;
use engram_vclock::Dot;
use serde::Serialize;

use super::across_ids::Compared;
use super::name_of;
use crate::engram::pattern::SemanticPattern;
use crate::node::http::limits::MAX_IDS;
use crate::node::telemetry::Telemetry;
use crate::replica::explain::{Introduced, LiveVersion, PatternExplanation};
use crate::spaces::space::Space;

/// The explanation of a pattern.
#[derive(Serialize)]
pub(in crate::node::http) struct Explained {
    id: String,
    space: String,
    /// The visible pattern; `None` if no version is shown.
    visible: Option<Shown>,
    strategy: Option<String>,
    /// The rule that decided, in words.
    reason: Option<String>,
    citations_lost: usize,
    versions_total: usize,
    /// The first versions, ascending by digest.
    versions: Vec<Version>,
    suppressed_total: usize,
    /// The first digests of suppressed contents, ascending.
    suppressed: Vec<String>,
    context_total: usize,
    /// The greatest covered version of each node, for the first nodes.
    context: Vec<Write>,
    /// The role of the pattern among the patterns of other ids; `None` if it was not compared.
    across_ids: Option<Compared>,
}

/// A summary of a pattern.
#[derive(Serialize)]
pub(super) struct Shown {
    confidence: f32,
    strength: f32,
    citations: usize,
    /// The time of the last consolidation, as RFC 3339.
    last_consolidated: String,
}

#[derive(Serialize)]
struct Version {
    digest: String,
    #[serde(flatten)]
    content: Shown,
    /// The share of the version in the visible embedding, from 0 to 1.
    share: f64,
    /// Whether the version is the visible pattern, or is visible alongside it.
    kept: bool,
    citations_of_its_own: usize,
    writes_total: usize,
    /// The first writes, ascending by node id and version.
    writes: Vec<Write>,
    /// Whether the content is suppressed and therefore not shown.
    suppressed: bool,
    /// The peer from which this node first received the version; `None` if its own engine submitted
    /// it first, or if the peer is unknown.
    introduced_by: Option<String>,
    /// Whether the version is the last submission of this node's own engine.
    submitted_here: bool,
}

/// A version that a node wrote.
#[derive(Serialize)]
struct Write {
    node: String,
    node_id: String,
    /// The version in decimal, as text, since a JSON number may lose digits.
    version: String,
}

impl Explained {
    pub(in crate::node::http) fn of(
        node: &Telemetry,
        space: &Space,
        id: &str,
        known: &PatternExplanation,
    ) -> Self {
        let resolution = known.resolution.as_ref();
        let versions = known.versions.iter().map(|version| Version::of(node, known, version));
        let context = known.context.iter().map(|(of, version)| Write::of(node, of, version));
        Self {
            id: id.to_owned(),
            space: space.id().to_string(),
            visible: known.visible.as_deref().map(Shown::of),
            strategy: resolution.map(|resolution| resolution.strategy.to_string()),
            reason: resolution.map(|resolution| resolution.reason.to_string()),
            citations_lost: resolution.map_or(0, |resolution| resolution.citations_lost),
            versions_total: known.versions.len(),
            versions: versions.take(MAX_IDS).collect(),
            suppressed_total: known.suppressed.len(),
            suppressed: known.suppressed.iter().map(ToString::to_string).take(MAX_IDS).collect(),
            context_total: known.context.len(),
            context: context.take(MAX_IDS).collect(),
            across_ids: known.compared.as_ref().map(Compared::of),
        }
    }
}

impl Shown {
    pub(super) fn of(pattern: &SemanticPattern) -> Self {
        Self {
            confidence: pattern.schema_confidence.raw(),
            strength: pattern.strength,
            citations: pattern.source_episodes.len(),
            last_consolidated: pattern.last_consolidated.to_string(),
        }
    }
}

impl Version {
    fn of(node: &Telemetry, known: &PatternExplanation, version: &LiveVersion) -> Self {
        let LiveVersion { digest, pattern, writes, suppressed, introduced } = version;
        let part = contribution(known, version);
        let write = |dot: &Dot| Write::of(node, &dot.node, dot.version);
        Self {
            digest: digest.to_string(),
            content: Shown::of(pattern),
            share: part.map_or(0.0, |part| part.share),
            kept: part.is_some_and(|part| part.kept),
            citations_of_its_own: part.map_or(0, |part| part.citations_of_its_own),
            writes_total: writes.len(),
            writes: writes.iter().map(write).take(MAX_IDS).collect(),
            suppressed: *suppressed,
            introduced_by: match introduced {
                Introduced::By(peer) => Some(name_of(node, peer)),
                Introduced::ByEngine | Introduced::BySomePeer => None,
            },
            submitted_here: known.last_submitted == Some(*digest),
        }
    }
}

/// Returns the contribution of a version to the resolution; `None` if the version is suppressed and
/// therefore has none.
fn contribution<'k>(
    known: &'k PatternExplanation,
    version: &LiveVersion,
) -> Option<&'k Contribution> {
    let parts = &known.resolution.as_ref()?.contributions;
    parts.iter().find(|part| part.digest == *version.digest.as_bytes())
}

impl Write {
    fn of(node: &Telemetry, of: &[u8; 32], version: u64) -> Self {
        let id = NodeId::from(*of);
        let (node, node_id) = (name_of(node, &id), id.to_string());
        Self { node, node_id, version: version.to_string() }
    }
}
