//! Explanations of visible patterns.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use engram_conflict::Strategy;
use engram_conflict::pattern::{Explanation, explain};
use engram_gossip_net::NodeId;
use engram_merkle::Digest;
use engram_vclock::{Dot, VectorClock};

use crate::engram::pattern::SemanticPattern;
use crate::replica::across_ids::ComparedPattern;
use crate::replica::content::{Contents, Introducer};
use crate::replica::entry::Entry;
use crate::replica::record::Record;
use crate::replica::visible::versions;

/// Everything that a node knows about one pattern id: the live versions, their writers, and the
/// rule that selects the visible one. `Display` summarizes it in a few lines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PatternExplanation {
    /// The visible pattern; `None` if no version is live, or if all are suppressed.
    pub visible: Option<Arc<SemanticPattern>>,
    /// The live versions, ascending by digest. If more than one of them is not suppressed, they
    /// conflict.
    pub versions: Vec<LiveVersion>,
    /// The digests of forgotten contents, ascending.
    pub suppressed: Vec<Digest>,
    /// The context: for each node the greatest version that the record covers.
    pub context: VectorClock,
    /// The content that this node's own engine submitted last.
    pub last_submitted: Option<Digest>,
    /// The decision of the strategy, its margin, and the contribution of each version that is not
    /// suppressed, ascending by digest; `None` if there is no such version.
    pub resolution: Option<Explanation>,
    /// The role of the visible pattern among those of other ids; `None` if it was not compared.
    pub compared: Option<ComparedPattern>,
}

/// A live version.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LiveVersion {
    /// The digest of its content.
    pub digest: Digest,
    /// Its content.
    pub pattern: Arc<SemanticPattern>,
    /// The dots that name its content. Several nodes may have written the same content.
    pub writes: Vec<Dot>,
    /// Whether its content is suppressed and therefore not shown.
    pub suppressed: bool,
    /// The source from which its content first reached this node.
    pub introduced: Introduced,
}

/// The source from which a content first reached this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Introduced {
    /// The engine of this node.
    ByEngine,
    /// The peer that sent the content first.
    By(NodeId),
    /// A peer; the store does not record which one.
    BySomePeer,
}

impl From<&Introducer> for Introduced {
    fn from(introducer: &Introducer) -> Self {
        match introducer {
            Introducer::Engine => Self::ByEngine,
            Introducer::Peer(Some(peer)) => Self::By(**peer),
            Introducer::Peer(None) => Self::BySomePeer,
        }
    }
}

impl PatternExplanation {
    pub(crate) fn new(
        entry: &Entry,
        contents: &Contents,
        strategy: &dyn Strategy<Arc<SemanticPattern>>,
    ) -> Self {
        let Entry { record, last_submitted, .. } = entry;
        let resolution = versions(record, contents).map(|versions| explain(strategy, &versions));
        let suppressed = record.suppression.iter().map(|(digest, _)| *digest);
        let suppressed = suppressed.filter(|digest| record.suppression.is_suppressed(digest));
        Self {
            visible: entry.visible().cloned(),
            versions: live_versions(record, contents),
            suppressed: suppressed.collect(),
            context: record.siblings.context().clone(),
            last_submitted: *last_submitted,
            resolution,
            compared: None,
        }
    }
}

impl fmt::Display for PatternExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.resolution {
            Some(resolution) => write!(f, "{resolution}")?,
            None => f.write_str("not visible")?,
        }
        self.versions.iter().try_for_each(|version| write!(f, "\n  {version}"))?;
        let forgotten = |digest| write!(f, "\n  {}: forgotten", short(digest));
        self.suppressed.iter().try_for_each(forgotten)?;
        match &self.compared {
            Some(compared) => write!(f, "\nacross ids: {compared}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for LiveVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |dot: &Dot| format!("{} (version {})", NodeId::from(dot.node), dot.version);
        let writers: Vec<_> = self.writes.iter().map(written).collect();
        let digest = short(&self.digest);
        write!(f, "{digest}: written by {}; {}", writers.join(", "), self.introduced)?;
        f.write_str(if self.suppressed { "; not shown" } else { "" })
    }
}

impl fmt::Display for Introduced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByEngine => f.write_str("submitted here"),
            Self::By(peer) => write!(f, "sent by {peer}"),
            Self::BySomePeer => f.write_str("sent by a peer"),
        }
    }
}

/// The beginning of a digest, as [`Explanation`] writes it.
fn short(digest: &Digest) -> String {
    format!("{:.8}", digest.to_string())
}

fn live_versions(record: &Record, contents: &Contents) -> Vec<LiveVersion> {
    let live: BTreeSet<Digest> = record.live();
    let version = |digest: Digest| {
        let held = &contents[&digest];
        let writes = record.siblings.iter().filter(|(_, live)| **live == digest);
        LiveVersion {
            digest,
            pattern: Arc::clone(&held.pattern),
            writes: writes.map(|(dot, _)| *dot).collect(),
            suppressed: record.suppression.is_suppressed(&digest),
            introduced: Introduced::from(&held.introducer),
        }
    };
    live.into_iter().map(version).collect()
}
