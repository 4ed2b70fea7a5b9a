//! Why a pattern looks as it does.

use std::sync::Arc;

use engram_conflict::{Explanation, Strategy};
use engram_gossip_net::NodeId;
use engram_merkle::Digest;
use engram_vclock::{Dot, VectorClock};

use crate::SemanticPattern;
use crate::content::{Contents, Introducer};
use crate::record::{self, Body, Record};
use crate::visible::versions;

/// All that a node knows of one pattern id: which versions live, who wrote them, and by which rule
/// one of them is shown.
#[derive(Clone, Debug)]
pub struct PatternExplanation {
    /// What is shown; `None` if nothing but deletions live.
    pub visible: Option<Arc<SemanticPattern>>,
    /// The versions that live, ascending by digest. More than one is a conflict.
    pub versions: Vec<LiveVersion>,
    /// The writes that deleted something, each with how many contents it remembers.
    pub deletions: Vec<(Dot, usize)>,
    /// Which writes the record has seen: of each life of a node all up to the number.
    pub seen: VectorClock,
    /// The content that this node's own engine submitted last.
    pub last_submitted: Option<Digest>,
    /// What the strategy decided, by how much, and what each version contributed, in the order of
    /// `versions`; `None` if none lives.
    pub resolution: Option<Explanation>,
}

/// A version that lives.
#[derive(Clone, Debug)]
pub struct LiveVersion {
    /// Names its content.
    pub digest: Digest,
    /// The content.
    pub pattern: Arc<SemanticPattern>,
    /// The writes that hold it: several nodes may have found the same.
    pub writes: Vec<Dot>,
    /// How it came here.
    pub introduced: Introduced,
}

/// From whom this node has a version, whoever wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Introduced {
    /// From its own engine.
    ByEngine,
    /// From this peer, which sent it first.
    By(NodeId),
    /// From a peer, of which the store does not say which one.
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
        record: &Record,
        contents: &Contents,
        strategy: &dyn Strategy,
        visible: Option<Arc<SemanticPattern>>,
        last_submitted: Option<Digest>,
    ) -> Self {
        let version = |digest: Digest| {
            let holds =
                |(dot, body): (&Dot, &Body)| (*body == Body::Content(digest)).then_some(*dot);
            let held = &contents[&digest];
            LiveVersion {
                digest,
                pattern: Arc::clone(&held.pattern),
                introduced: Introduced::from(&held.introducer),
                writes: record.iter().filter_map(holds).collect(),
            }
        };
        let deletion = |(dot, body): (&Dot, &Body)| match body {
            Body::Tombstone(buried) => Some((*dot, buried.len())),
            Body::Content(_) => None,
        };
        let resolution = versions(record, contents).map(|versions| {
            Explanation::new(strategy.id(), &versions, &strategy.resolve(&versions))
        });
        Self {
            visible,
            versions: record::contents(record).into_iter().map(version).collect(),
            deletions: record.iter().filter_map(deletion).collect(),
            seen: record.context().clone(),
            last_submitted,
            resolution,
        }
    }
}
