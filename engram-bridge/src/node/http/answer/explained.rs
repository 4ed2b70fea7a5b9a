//! `/cluster/consolidation/explain`.

use engram_gossip_net::NodeId;
use engram_vclock::{Actor, Dot};
use serde::Serialize;

use super::name_of;
use crate::{Introduced, LiveVersion, PatternExplanation, SemanticPattern, Space, Telemetry};

/// Why a pattern looks as it does.
#[derive(Serialize)]
pub(in crate::http) struct Explained {
    id: String,
    space: String,
    /// What is shown; nothing, if it was deleted.
    visible: Option<Shown>,
    strategy: Option<String>,
    /// The rule that decided, for people.
    reason: Option<String>,
    citations_lost: usize,
    versions: Vec<Version>,
    deletions: Vec<Deletion>,
    /// Which writes are known: of each life of a node all up to the counter.
    seen: Vec<Write>,
}

/// A pattern in numbers.
#[derive(Serialize)]
pub(super) struct Shown {
    confidence: f32,
    strength: f32,
    citations: usize,
    /// RFC 3339.
    last_consolidated: String,
}

#[derive(Serialize)]
struct Version {
    digest: String,
    #[serde(flatten)]
    content: Shown,
    /// Its share of the visible embedding, 0 to 1.
    share: f64,
    /// Whether it is what is shown, or stays visible beside it.
    kept: bool,
    citations_of_its_own: usize,
    writes: Vec<Write>,
    /// The peer that brought it here first; nothing if the own engine found it, or if it is not known.
    introduced_by: Option<String>,
    /// Whether this node's own engine submitted it last.
    submitted_here: bool,
}

#[derive(Serialize)]
struct Deletion {
    write: Write,
    buried: usize,
}

/// One write, or all up to it.
#[derive(Serialize)]
struct Write {
    node: String,
    node_id: String,
    /// Which life of the node, in hexadecimal.
    incarnation: String,
    counter: u64,
}

impl Explained {
    pub(in crate::http) fn of(
        node: &Telemetry,
        space: &Space,
        id: &str,
        known: &PatternExplanation,
    ) -> Self {
        let resolution = known.resolution.as_ref();
        let write = |dot: &Dot| Write::of(node, &dot.actor, dot.counter);
        let deletions = known.deletions.iter();
        Self {
            id: id.to_owned(),
            space: space.id().to_string(),
            visible: known.visible.as_deref().map(Shown::of),
            strategy: resolution.map(|resolution| resolution.strategy.to_string()),
            reason: resolution.map(|resolution| resolution.reason.to_string()),
            citations_lost: resolution.map_or(0, |resolution| resolution.citations_lost),
            versions: (0..known.versions.len()).map(|at| Version::of(node, known, at)).collect(),
            deletions: deletions
                .map(|(dot, buried)| Deletion { write: write(dot), buried: *buried })
                .collect(),
            seen: known.seen.iter().map(|(actor, n)| Write::of(node, actor, n)).collect(),
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
    fn of(node: &Telemetry, known: &PatternExplanation, at: usize) -> Self {
        let LiveVersion { digest, pattern, writes, introduced } = &known.versions[at];
        let resolution = known.resolution.as_ref();
        let part = resolution.and_then(|resolution| resolution.contributions.get(at));
        Self {
            digest: digest.to_string(),
            content: Shown::of(pattern),
            share: part.map_or(0.0, |part| part.share),
            kept: part.is_some_and(|part| part.kept),
            citations_of_its_own: part.map_or(0, |part| part.citations_of_its_own),
            writes: writes.iter().map(|dot| Write::of(node, &dot.actor, dot.counter)).collect(),
            introduced_by: match introduced {
                Introduced::By(peer) => Some(name_of(node, peer)),
                Introduced::ByEngine | Introduced::BySomePeer => None,
            },
            submitted_here: known.last_submitted == Some(*digest),
        }
    }
}

impl Write {
    fn of(node: &Telemetry, actor: &Actor, counter: u64) -> Self {
        let id = NodeId::from(actor.node);
        Self {
            node: name_of(node, &id),
            node_id: id.to_string(),
            incarnation: format!("{:016x}", actor.incarnation),
            counter,
        }
    }
}
