//! All memory spaces of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use engram_conflict::Strategy;
use engram_conflict::pattern::ConfidenceVoting;
use engram_gossip_net::NodeId;
use engram_gossip_proto::{Greeting, Parameters, Precision, SpaceId};
use engram_merkle::{AnyHasher, BaseDepth, Digest, Hasher};
use tokio::sync::{broadcast, watch};

use crate::durable::journal::{Journal, backup};
use crate::durable::recovery::{OpenError, Recovery};
use crate::durable::restore::{Restored, restore};
use crate::durable::storage::{Batch, StateStore, StorageError};
use crate::engram::pattern::{ENGRAM_DIMENSION, SemanticPattern};
use crate::replica::caps::{Cap, CapUsage, Caps, Usage};
use crate::replica::encoding::{hash, put_bytes};
use crate::replica::environment::{Environment, nanoseconds};
use crate::replica::issuer::DotIssuer;
use crate::replica::report::SubmitError;
use crate::replica::retention::Retention;
use crate::replica::shared::{Shared, StateEvent};
use crate::replica::space::Space;
use crate::replica::state::{Rules, SpaceState};
use crate::replica::stats::WriteStats;

/// The name of the space that is used where none is named.
pub const DEFAULT_SPACE: &str = "default";

const ROOT_OF_SPACES: &[u8; 8] = b"ecb1root";

/// The content of a [`Store`] and the rules by which it is kept.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The id of this node.
    pub node: NodeId,
    /// Ids of all keys that this node had before. Its submissions take over what was written under
    /// them, and its withdrawals remove it.
    pub replaces: Vec<NodeId>,
    /// The memory spaces that it hosts.
    pub spaces: Vec<SpaceId>,
    /// The hash of the tree, of records and of contents. Equal on all nodes.
    pub hash: AnyHasher,
    /// The base depth of the Merkle tree. Equal on all nodes.
    pub depth: BaseDepth,
    /// How many numbers an embedding has. Equal on all nodes.
    pub dimension: usize,
    /// The rule by which one of several versions is shown. Nodes that differ in it still sync, but
    /// show different patterns.
    pub strategy: Arc<dyn Strategy<Arc<SemanticPattern>>>,
    /// The limit of what this node shows. It need not be equal on all nodes.
    pub retention: Retention,
    /// The limits of what members can make this node keep.
    pub caps: Caps,
}

/// The strategy is named by its identity.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, replaces, spaces, hash, depth, dimension, strategy, retention, caps } =
            self;
        f.debug_struct("StoreConfig")
            .field("node", node)
            .field("replaces", replaces)
            .field("spaces", spaces)
            .field("hash", hash)
            .field("depth", depth)
            .field("dimension", dimension)
            .field("strategy", &strategy.id())
            .field("retention", retention)
            .field("caps", caps)
            .finish()
    }
}

impl StoreConfig {
    /// The defaults: SHA-256, depth 12, Engram's dimension, confidence voting, no retention.
    pub fn new(node: NodeId, spaces: impl IntoIterator<Item = SpaceId>) -> Self {
        Self {
            node,
            replaces: Vec::new(),
            spaces: spaces.into_iter().collect(),
            hash: AnyHasher::Sha256,
            depth: BaseDepth::default(),
            dimension: ENGRAM_DIMENSION,
            strategy: Arc::new(ConfidenceVoting),
            retention: Retention::default(),
            caps: Caps::default(),
        }
    }

    fn rules(&self) -> Rules {
        let Self { hash, depth, dimension, strategy, retention, .. } = self;
        Rules {
            hasher: *hash,
            depth: *depth,
            dimension: *dimension,
            strategy: Arc::clone(strategy),
            retention: *retention,
        }
    }

    fn hosted(&self) -> BTreeSet<SpaceId> {
        self.spaces.iter().cloned().collect()
    }
}

/// The replicated state of a node: every memory space that it hosts.
///
/// Share it in an [`Arc`]: the gossip serves its peers from it, and each consolidation service
/// works on one of its spaces.
///
/// All of it is in memory, and is served from there. A store that was [opened](Self::open) is also
/// in a [`StateStore`]: a change is visible, to peers too, only once it is durable. The state of a
/// [new](Self::new) one ends with the process; the next process gets back from its peers what it
/// had shared. A start resumes no identity, so the file of a store may be an older copy, and may be
/// moved to any path and machine under the same key.
pub struct Store {
    node: NodeId,
    replaces: Vec<NodeId>,
    rules: Rules,
    recovery: Recovery,
    stored: Option<Arc<dyn StateStore>>,
    shared: Arc<Shared>,
    spaces: BTreeMap<SpaceId, Arc<Space>>,
}

impl Store {
    /// An empty store in memory.
    pub fn new(config: StoreConfig, environment: Environment) -> Self {
        let rules = config.rules();
        let state = |space| (space, SpaceState::new(rules.clone()));
        let states = config.hosted().into_iter().map(state).collect();
        Self::with_states(&config, environment, Recovery::InMemory, None, states)
    }

    /// The state that is in `store`, or the beginning of one. [`recovery`](Self::recovery) says
    /// what was found there. Reads and checks everything: O(state).
    ///
    /// # Errors
    /// [`OpenError`] if the store cannot be used. Nothing in it was changed.
    pub fn open(
        config: StoreConfig,
        environment: Environment,
        store: Arc<dyn StateStore>,
    ) -> Result<Self, OpenError> {
        let restored = restore(&*store, config.node, config.hosted(), &config.rules())?;
        let Restored { recovery, states, repairs } = restored;
        let opened = Self::with_states(&config, environment, recovery, Some(store), states);
        opened.repair(&repairs)?;
        Ok(opened)
    }

    fn with_states(
        config: &StoreConfig,
        environment: Environment,
        recovery: Recovery,
        stored: Option<Arc<dyn StateStore>>,
        states: Vec<(SpaceId, SpaceState)>,
    ) -> Self {
        let Environment { clock, random } = environment;
        let StoreConfig { node, replaces, caps, .. } = config;
        let mut issuer = DotIssuer::new(*node, replaces, Arc::clone(&clock), random);
        let mut usage = Usage::default();
        for (_, state) in &states {
            issuer.recall(state.tallies().greatest(node.as_bytes()));
            usage.replace(Usage::default(), state.usage());
        }
        let journal = match &stored {
            None => Journal::in_memory(issuer),
            Some(store) => Journal::durable(issuer, Arc::clone(store)),
        };
        let shared = Arc::new(Shared::new(clock, *caps, journal, usage));
        let space = |(id, state): (SpaceId, SpaceState)| {
            (id.clone(), Arc::new(Space::new(id, Arc::clone(&shared), state)))
        };
        let spaces = states.into_iter().map(space).collect();
        let rules = config.rules();
        let (node, replaces) = (*node, replaces.clone());
        Self { node, replaces, rules, recovery, stored, shared, spaces }
    }

    fn repair(&self, repairs: &Batch) -> Result<(), StorageError> {
        if repairs.edits().is_empty() {
            return Ok(());
        }
        let mut journal = self.shared.journal();
        let repaired = journal.commit_batch(repairs);
        self.shared.note_commit(&journal, &repaired);
        repaired
    }

    /// The id of this node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The space called `id`, if this node hosts it.
    pub fn space(&self, id: &SpaceId) -> Option<&Arc<Space>> {
        self.spaces.get(id)
    }

    /// The spaces in ascending order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Space>> {
        self.spaces.values()
    }

    /// The parameters that a session compares with those of its peer.
    pub fn parameters(&self) -> Parameters {
        let Rules { hasher, depth, dimension, strategy, .. } = &self.rules;
        Parameters {
            hash: hasher.name().into(),
            depth: depth.levels(),
            dimension: u32::try_from(*dimension).unwrap_or(u32::MAX),
            precision: Precision::F32,
            strategy: strategy.id().to_string().into(),
        }
    }

    /// One digest for the whole node: the root of its space, or, if it hosts several, the hash of
    /// their names and roots. Equal on two nodes that host the same spaces in the same state.
    pub fn root(&self) -> Digest {
        if let [space] = &*self.iter().collect::<Vec<_>>() {
            return space.root();
        }
        let mut bytes = Vec::new();
        for space in self.iter() {
            put_bytes(&mut bytes, space.id().as_str().as_bytes());
            bytes.extend(space.root().as_bytes());
        }
        hash(&self.rules.hasher, ROOT_OF_SPACES, &bytes)
    }

    /// How many patterns are visible, in all spaces.
    pub fn visible_len(&self) -> u64 {
        self.iter().map(|space| space.visible_len()).sum()
    }

    /// How many submitted patterns wait for the first contact of their space, in all spaces.
    pub fn waiting_len(&self) -> u64 {
        self.iter().map(|space| space.waiting_len()).sum()
    }

    /// The outcome of opening the store.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The figures of this node's writes, and the faults that it met. Waits for no writer.
    pub fn write_stats(&self) -> WriteStats {
        self.shared.stats()
    }

    /// How far each cap is used up, in the order of [`Cap::ALL`].
    pub fn cap_usage(&self) -> [CapUsage; Cap::ALL.len()] {
        let Usage { live_records, deletions, bytes } = self.shared.usage();
        let unlisted = self.iter().map(|space| space.state().tallies().unlisted()).max();
        Cap::ALL.map(|cap| {
            let used = match cap {
                Cap::LiveRecords => live_records,
                Cap::Deletions => deletions,
                Cap::ContentBytes => bytes,
                Cap::UnlistedEntries => unlisted.unwrap_or(0),
            };
            CapUsage { cap, used, limit: self.shared.caps.limit(cap) }
        })
    }

    /// The events of the state from now on: faults of this node, of its clock, its disk and its
    /// peers. A receiver that falls behind misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<StateEvent> {
        self.shared.subscribe()
    }

    /// Counts the changes that this node made itself and its peers should learn of.
    pub(crate) fn local_changes(&self) -> watch::Receiver<u64> {
        self.shared.local_changes()
    }

    /// Takes the members of the roster. Names of other nodes in the records of peers are bounded by
    /// [`Caps::unlisted_entries`].
    pub fn set_members(&self, members: impl IntoIterator<Item = NodeId>) {
        let own = self.replaces.iter().copied().chain([self.node]);
        let members = members.into_iter().chain(own).map(<[u8; 32]>::from);
        self.shared.set_members(Arc::new(members.collect()));
        self.iter().for_each(|space| space.set_members());
    }

    /// The greeting for a session with `peer`: the greatest version of it that is known here, and
    /// the time.
    pub fn greeting(&self, peer: &NodeId) -> Greeting {
        let known = self.iter().map(|space| space.greatest(peer)).max().unwrap_or(0);
        Greeting { known, clock: nanoseconds(self.shared.now()) }
    }

    /// Takes the greeting of a peer: this node's next version is above the one that the peer knows.
    pub fn greeted(&self, greeting: Greeting) {
        self.shared.greeted(greeting);
    }

    /// Drops the parts of records whose versions lie implausibly far in the future, on this node, in
    /// all spaces. Peers with a right clock refuse these parts. Returns of how many records. O(records).
    ///
    /// Call it once the clock of this node is right. This node's own writes and withdrawals among the
    /// parts are written again, under plausible versions. Those of other nodes are gone from here, so
    /// call it on the nodes that wrote them first.
    ///
    /// # Errors
    /// [`SubmitError`] if the changes of a space cannot be stored. That space and those after it are as
    /// they were; call it again.
    pub fn drop_implausible(&self) -> Result<usize, SubmitError> {
        let mut journal = self.shared.journal();
        let plausible = self.iter().map(|space| space.greatest_plausible(&self.node)).max();
        journal.issuer.relearn(plausible.unwrap_or(0));
        let dropped =
            self.iter().map(|space| space.drop_implausible(&mut journal)).sum::<Result<usize, _>>();
        if dropped.is_err() {
            let greatest = self.iter().map(|space| space.greatest(&self.node)).max();
            journal.issuer.recall(greatest.unwrap_or(0));
        }
        dropped
    }

    /// Writes a copy of everything that is stored to the new folder `to`, while the node runs.
    /// Nobody waits for it.
    ///
    /// To restore it, put the copy in the place of the store, at any path and on any machine, and
    /// start the node under the same key: it gets from its peers what was written since.
    ///
    /// # Errors
    /// [`StorageError`] if nothing is stored, if `to` exists, or if it cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), StorageError> {
        backup(self.stored.as_deref(), to)
    }

    /// Ends the node in good order: takes in the submissions that wait for a first contact.
    /// Everything else is durable already.
    ///
    /// # Errors
    /// [`StorageError`] if they cannot be stored.
    pub fn close(&self) -> Result<(), StorageError> {
        self.iter().try_for_each(|space| space.take_in())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, rules, recovery, spaces, .. } = self;
        f.debug_struct("Store")
            .field("node", node)
            .field("rules", rules)
            .field("recovery", recovery)
            .field("spaces", spaces)
            .finish_non_exhaustive()
    }
}
