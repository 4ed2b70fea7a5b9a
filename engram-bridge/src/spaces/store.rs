//! All memory spaces of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use engram_conflict::Strategy;
use engram_conflict::pattern::ConfidenceVoting;
use engram_gossip_net::NodeId;
use engram_gossip_proto::limits::MAX_SPACES;
use engram_gossip_proto::{Greeting, Parameters, SpaceId};
use engram_merkle::{AnyHasher, BaseDepth, Digest, Hasher};
use tokio::sync::{broadcast, watch};

use crate::durable::migrate::{MigrateError, Migration, migrate};
use crate::durable::recovery::{OpenError, Recovery};
use crate::durable::restore::{Hosting, Others, Restored, restore, restore_space};
use crate::durable::storage::{StateStore, StorageError};
use crate::engram::pattern::{ENGRAM_DIMENSION, SemanticPattern};
use crate::engram::precision::Precision;
use crate::engram::timestamp::Timestamp;
use crate::replica::across_ids::AcrossIds;
use crate::replica::caps::{Cap, CapUsage, Caps, Usage};
use crate::replica::content::Shape;
use crate::replica::encoding::{hash, put_bytes};
use crate::replica::environment::{Environment, nanoseconds};
use crate::replica::issuer::DotIssuer;
use crate::replica::members::Members;
use crate::replica::retention::Retention;
use crate::replica::rules::Rules;
use crate::replica::state::SpaceState;
use crate::spaces::error::{AddSpaceError, Incomplete, total};
use crate::spaces::event::StateEvent;
use crate::spaces::shared::Shared;
use crate::spaces::space::Space;
use crate::spaces::stats::WriteStats;

/// The name of the default space.
pub const DEFAULT_SPACE: &str = "default";

/// A store is compacted when it is opened, if it exceeds `SPARSE` times the bytes of its rows by more than
/// [`SMALL_STORE`] bytes.
const SPARSE: u64 = 3;
const SMALL_STORE: u64 = 16 << 20;
/// The approximate size of a stored record without its contents, in bytes.
const ROW_BYTES: u64 = 512;

const ROOT_OF_SPACES: &[u8; 8] = b"ecb1root";

/// The configuration of a [`Store`].
#[derive(Clone)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The id of this node.
    pub node: NodeId,
    /// Ids of all previous keys of this node. Its submissions replace the versions written under them, and its
    /// withdrawals remove these versions.
    pub replaces: Vec<NodeId>,
    /// The memory spaces that the node hosts from the start. [`Store::add_space`] adds others.
    pub spaces: Vec<SpaceId>,
    /// Whether the node also hosts the stored spaces and the spaces that peers name, up to [`MAX_SPACES`] in all.
    /// Default: `false`.
    pub learn_spaces: bool,
    /// The hash function for the tree, records and contents. It must be the same on all nodes.
    pub hash: AnyHasher,
    /// The base depth of the Merkle tree. It must be the same on all nodes.
    pub depth: BaseDepth,
    /// The dimension of embeddings. It must be the same on all nodes.
    pub dimension: usize,
    /// The precision of stored embeddings. With [`Precision::F16`], each number is rounded once, when a pattern is
    /// submitted. The precision must be the same on all nodes.
    pub precision: Precision,
    /// The strategy that determines what is visible if a pattern has several versions. Nodes with different strategies
    /// still sync, but may show different patterns.
    pub strategy: Arc<dyn Strategy<Arc<SemanticPattern>>>,
    /// The limit on the patterns that this node shows. It may differ between nodes.
    pub retention: Retention,
    /// The comparison of visible patterns across ids; `None` switches it off. It may differ between nodes.
    pub across_ids: Option<AcrossIds>,
    /// The limits on the state that members can make this node keep.
    pub caps: Caps,
}

/// Prints the strategy by its identity.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("node", &self.node)
            .field("replaces", &self.replaces)
            .field("spaces", &self.spaces)
            .field("learn_spaces", &self.learn_spaces)
            .field("hash", &self.hash)
            .field("depth", &self.depth)
            .field("dimension", &self.dimension)
            .field("precision", &self.precision)
            .field("strategy", &self.strategy.id())
            .field("retention", &self.retention)
            .field("across_ids", &self.across_ids)
            .field("caps", &self.caps)
            .finish()
    }
}

impl StoreConfig {
    /// Creates a configuration with the defaults, such as SHA-256, depth 12, Engram's dimension, the precision
    /// [`Precision::F32`], confidence voting, no limit on the shown patterns, and a comparison across ids.
    pub fn new(node: NodeId, spaces: impl IntoIterator<Item = SpaceId>) -> Self {
        Self {
            node,
            replaces: Vec::new(),
            spaces: spaces.into_iter().collect(),
            learn_spaces: false,
            hash: AnyHasher::Sha256,
            depth: BaseDepth::default(),
            dimension: ENGRAM_DIMENSION,
            precision: Precision::F32,
            strategy: Arc::new(ConfidenceVoting),
            retention: Retention::default(),
            across_ids: Some(AcrossIds::default()),
            caps: Caps::default(),
        }
    }

    fn rules(&self) -> Rules {
        let Self { hash, depth, dimension, precision, strategy, .. } = self;
        let Self { retention, across_ids, .. } = self;
        Rules {
            hasher: *hash,
            depth: *depth,
            shape: Shape { dimension: *dimension, precision: *precision },
            strategy: Arc::clone(strategy),
            retention: *retention,
            across_ids: *across_ids,
        }
    }

    fn hosting(&self) -> Hosting {
        let others = if self.learn_spaces { Others::Learned } else { Others::Unhosted };
        Hosting { spaces: self.spaces.iter().cloned().collect(), others }
    }
}

/// The replicated state of a node: all memory spaces that it hosts.
///
/// Share it in an [`Arc`]: the gossip serves peers from it, and each consolidation service works on one of its
/// spaces.
///
/// The whole state is kept in memory and served from there. An [opened](Self::open) store also keeps it in a
/// [`StateStore`]: a change becomes visible, to peers too, only once it is durable. The state of a [new](Self::new)
/// store ends with the process; the next process gets the shared part back from its peers. A node that keeps its key
/// may start from an older copy of its store, at another path or on another machine: it gets its later writes back from
/// its peers.
pub struct Store {
    node: NodeId,
    replaces: Vec<NodeId>,
    rules: Rules,
    recovery: Recovery,
    shared: Arc<Shared>,
    learns_spaces: bool,
    /// Spaces are only added, never removed.
    spaces: RwLock<BTreeMap<SpaceId, Arc<Space>>>,
    /// Stored spaces that are not hosted. Locked while a space is added.
    unhosted: Mutex<BTreeSet<SpaceId>>,
}

const HELD: &str = "no code panics while it holds this lock";

impl Store {
    /// Creates an empty store in memory.
    pub fn new(config: StoreConfig, environment: Environment) -> Self {
        let rules = config.rules();
        let state = |space| (space, SpaceState::new(rules.clone()));
        let states = config.hosting().spaces.into_iter().map(state).collect();
        Self::with_states(&config, environment, Recovery::InMemory, None, states)
    }

    /// Opens the state in `store`, or creates it. [`recovery`](Self::recovery) describes the state of the store, and
    /// [`write_stats`](Self::write_stats) reports whether it accepts changes. Reads and verifies all rows: O(state).
    ///
    /// # Errors
    /// [`OpenError`] if the store cannot be used. The store is unchanged.
    pub fn open(
        config: StoreConfig,
        environment: Environment,
        store: Arc<dyn StateStore>,
    ) -> Result<Self, OpenError> {
        let restored = restore(&*store, config.node, config.hosting(), &config.rules())?;
        let Restored { recovery, states, unhosted, repairs } = restored;
        let mut opened = Self::with_states(&config, environment, recovery, Some(store), states);
        opened.unhosted = Mutex::new(unhosted);
        opened.shared.journal.repair(repairs)?;
        opened.shared.journal.check();
        opened.compact_if_sparse();
        Ok(opened)
    }

    /// Migrates the state in `store`, which no node may have open, to the precision of `config` in one transaction.
    /// Stop all nodes of the cluster, and migrate each of them. Nodes with equal states still have equal states
    /// afterwards.
    ///
    /// # Errors
    /// [`MigrateError`] if the store already has that precision, is damaged as a whole, cannot be read or written, or
    /// holds a content that does not fit the precision. The store is unchanged.
    pub fn migrate(
        config: &StoreConfig,
        store: &dyn StateStore,
    ) -> Result<Migration, MigrateError> {
        migrate(store, config.node, &config.rules(), config.precision)
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
        let shared = Arc::new(Shared::new(clock, *caps, issuer, stored, usage));
        let space = |(id, state): (SpaceId, SpaceState)| {
            (id.clone(), Arc::new(Space::new(id, Arc::clone(&shared), state)))
        };
        let spaces = RwLock::new(states.into_iter().map(space).collect());
        let (rules, learns_spaces) = (config.rules(), config.learn_spaces);
        let (node, replaces, unhosted) = (*node, replaces.clone(), Mutex::default());
        Self { node, replaces, rules, recovery, shared, learns_spaces, spaces, unhosted }
    }

    /// Compacts a store that takes much more space than its rows need. A failure only wastes disk space.
    fn compact_if_sparse(&self) {
        let needed = self.shared.usage().bytes + ROW_BYTES * self.recovery.records();
        let taken = self.shared.stats().stored_bytes.unwrap_or(0);
        if taken > SPARSE * needed + SMALL_STORE {
            _ = self.compact();
        }
    }

    /// The id of this node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The space `id`, if this node hosts it.
    pub fn space(&self, id: &SpaceId) -> Option<Arc<Space>> {
        self.spaces().get(id).cloned()
    }

    /// The hosted spaces, in ascending order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Arc<Space>> + use<> {
        self.spaces().values().cloned().collect::<Vec<_>>().into_iter()
    }

    fn spaces(&self) -> RwLockReadGuard<'_, BTreeMap<SpaceId, Arc<Space>>> {
        self.spaces.read().expect(HELD)
    }

    /// Whether this node also hosts the spaces that its peers name, up to [`MAX_SPACES`]; see
    /// [`StoreConfig::learn_spaces`].
    pub fn learns_spaces(&self) -> bool {
        self.learns_spaces
    }

    /// The stored spaces that this node does not host, ascending. Their state is kept, and
    /// [`add_space`](Self::add_space) restores it.
    pub fn unhosted(&self) -> Vec<SpaceId> {
        self.unhosted.lock().expect(HELD).iter().cloned().collect()
    }

    /// Hosts `id` from now on, with its stored state, and returns the space. If the space is already hosted,
    /// returns it unchanged.
    ///
    /// [`Node::add_space`](crate::Node::add_space) and [`Binding::add_space`](crate::Binding::add_space) also
    /// announce the space to the peers and hold submissions back until the first contact is over; this method is
    /// for a store without gossip. It affects only this process: add the space to [`StoreConfig::spaces`] to host it
    /// after a restart, too. Reads the whole store if it holds state of the space.
    ///
    /// # Errors
    /// [`AddSpaceError`] if there are too many spaces, if the stored state cannot be read, or if the store is
    /// [closed](Self::close). Nothing was changed.
    pub fn add_space(&self, id: &SpaceId) -> Result<Arc<Space>, AddSpaceError> {
        self.add_space_with(id, |_| ())
    }

    /// Like [`add_space`](Self::add_space), but calls `prepare` on a new space before the space becomes accessible.
    pub(crate) fn add_space_with(
        &self,
        id: &SpaceId,
        prepare: impl FnOnce(&Space),
    ) -> Result<Arc<Space>, AddSpaceError> {
        if self.shared.journal.check_open().is_err() {
            return Err(AddSpaceError::Stopped { space: id.clone() });
        }
        if let Some(space) = self.space(id) {
            return Ok(space);
        }
        let mut unhosted = self.unhosted.lock().expect(HELD);
        if let Some(space) = self.space(id) {
            return Ok(space);
        }
        if self.spaces().len() >= MAX_SPACES {
            return Err(AddSpaceError::TooMany { space: id.clone() });
        }
        let state = match self.shared.journal.store() {
            Some(store) if unhosted.contains(id) => self.load_space(store, id)?,
            _ => SpaceState::new(self.rules.clone()),
        };
        self.shared.replace_usage(Usage::default(), state.usage());
        let greatest = state.tallies().greatest(self.node.as_bytes());
        self.shared.issuer().recall(greatest);
        let space = Arc::new(Space::new(id.clone(), Arc::clone(&self.shared), state));
        prepare(&space);
        self.spaces.write().expect(HELD).insert(id.clone(), Arc::clone(&space));
        unhosted.remove(id);
        Ok(space)
    }

    /// Reports a space that a peer named but this node cannot host.
    pub(crate) fn note_unlearned(&self, space: &SpaceId, error: &AddSpaceError) {
        let (space, error) = (space.clone(), error.clone());
        self.shared.publish(StateEvent::SpaceRefused { space, error });
    }

    fn load_space(&self, store: &dyn StateStore, id: &SpaceId) -> Result<SpaceState, OpenError> {
        let (state, repairs) = restore_space(store, self.node, id, &self.rules)?;
        self.shared.journal.repair(repairs)?;
        Ok(state)
    }

    /// The parameters that a session compares with those of its peer.
    pub fn parameters(&self) -> Parameters {
        let Rules { hasher, depth, shape, strategy, .. } = &self.rules;
        Parameters::new(hasher.name(), depth.levels())
            .require("dimension", shape.dimension.to_string())
            .require("precision", shape.precision.to_string())
            .report("strategy", strategy.id().to_string())
    }

    #[cfg(feature = "http")]
    pub(crate) fn shape(&self) -> Shape {
        self.rules.shape
    }

    /// The id of the strategy, with version and parameters.
    #[cfg(feature = "metrics")]
    pub(crate) fn strategy(&self) -> String {
        self.rules.strategy.id().to_string()
    }

    /// A digest of the whole node: the root of its only space, or the hash of the names and roots of several
    /// spaces. Equal on two nodes that host the same spaces in the same state.
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

    /// The number of ids with a visible pattern, in all spaces.
    pub fn visible_len(&self) -> u64 {
        self.iter().map(|space| space.visible_len()).sum()
    }

    /// The number of submitted patterns that wait for the first contact of their space, in all spaces.
    pub fn waiting_len(&self) -> u64 {
        self.iter().map(|space| space.waiting_len()).sum()
    }

    /// The present time by the store's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// The outcome of opening the store.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The statistics of this node's writes and faults. Does not wait for writers.
    pub fn write_stats(&self) -> WriteStats {
        self.shared.stats()
    }

    /// The usage of each cap, in the order of [`Cap::ALL`].
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

    /// Subscribes to future events of the state: faults of this node, its clock, its disk and its peers. A receiver
    /// that falls behind misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<StateEvent> {
        self.shared.subscribe()
    }

    /// Returns a receiver for the number of changes by this node itself, which are announced to its peers.
    pub(crate) fn local_changes(&self) -> watch::Receiver<u64> {
        self.shared.local_changes()
    }

    /// Returns a receiver for the number of changes to the visible patterns of all spaces.
    pub(crate) fn view_changes(&self) -> watch::Receiver<u64> {
        self.shared.view_changes()
    }

    /// Sets the members of the roster. [`Caps::unlisted_entries`] limits the context entries of other
    /// nodes.
    pub fn set_members(&self, members: impl IntoIterator<Item = NodeId>) {
        let own = self.replaces.iter().copied().chain([self.node]).map(<[u8; 32]>::from);
        let members = Members::new(members.into_iter().map(<[u8; 32]>::from), own);
        self.shared.set_members(Arc::new(members));
        self.iter().for_each(|space| space.set_members());
    }

    /// The greeting for a session with `peer`: the greatest known version of the peer, and this node's time.
    pub fn greeting(&self, peer: &NodeId) -> Greeting {
        let known = self.iter().map(|space| space.greatest(peer)).max().unwrap_or(0);
        Greeting { known, clock: nanoseconds(self.shared.now()) }
    }

    /// Processes the greeting of a peer: the next version of this node exceeds the greatest one that the peer
    /// knows, unless that is implausible.
    pub fn greeted(&self, greeting: Greeting) {
        self.shared.greeted(greeting);
    }

    /// Drops, on this node and in all spaces, the parts of records whose versions are implausibly far in the future.
    /// Peers with a correct clock refuse these parts. Returns the number of changed records. O(records).
    ///
    /// Call this method once this node's clock is correct. This node's own writes and withdrawals among the parts are
    /// reissued under plausible versions. The writes of other nodes are lost here, so call this method first on the
    /// nodes that made them.
    ///
    /// # Errors
    /// [`Incomplete`] if the changes to a space cannot be stored. That space and the later ones are unchanged;
    /// call it again.
    pub fn drop_implausible(&self) -> Result<usize, Incomplete> {
        let spaces: Vec<_> = self.iter().collect();
        // Lock all spaces first, so that none is changed while the versions are relearned.
        let writers: Vec<_> = spaces.iter().map(|space| space.writer()).collect();
        let plausible = spaces.iter().map(|space| space.greatest_plausible(&self.node)).max();
        self.shared.issuer().relearn(plausible.unwrap_or(0));
        let drop = |(space, writer): (&Arc<Space>, _)| {
            space.drop_implausible(writer).map_err(|error| Incomplete::after(0, error))
        };
        let dropped = total(spaces.iter().zip(&writers).map(drop));
        if dropped.is_err() {
            let greatest = spaces.iter().map(|space| space.greatest(&self.node)).max();
            self.shared.issuer().recall(greatest.unwrap_or(0));
        }
        dropped
    }

    /// Withdraws all versions that `node` wrote, in all spaces; see [`Space::withdraw_node`]. Returns the number of
    /// changed patterns.
    ///
    /// # Errors
    /// [`Incomplete`] if a change cannot be made or stored. Earlier commits remain in effect, those of earlier spaces
    /// included; call this method again to withdraw the rest.
    pub fn withdraw_node(&self, node: &NodeId) -> Result<usize, Incomplete> {
        total(self.iter().map(|space| space.withdraw_node(node)))
    }

    /// Writes a copy of the store to `to`, which must not exist, while the node runs. Neither readers nor writers
    /// wait for it.
    ///
    /// To restore the copy, use it as the node's store, at any path and on any machine, and start the node under the
    /// same key. The node gets later writes from its peers.
    ///
    /// # Errors
    /// [`StorageError`] if nothing is stored, if `to` exists, or if `to` cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), StorageError> {
        self.shared.journal.backup(to)
    }

    /// Returns unused space of the store to the file system. Changes wait for it; readers do not. A store that
    /// takes much more space than its rows need is compacted when it is opened.
    ///
    /// # Errors
    /// [`StorageError`] if nothing is stored, if the store cannot be written, or if a backup is running
    /// ([`StorageError::Busy`]). No row was changed.
    pub fn compact(&self) -> Result<(), StorageError> {
        self.shared.journal.compact()
    }

    /// Tries to write again if the last change could not be stored. Until a write succeeds, sessions accept no records
    /// from peers. A [`Binding`](crate::Binding) calls it every ten seconds while writes fail.
    pub fn retry_storage(&self) {
        self.shared.journal.retry();
    }

    /// Checks that the stored data was not removed or replaced. If it was, the store refuses changes until the data is
    /// back in its place. A [`Binding`](crate::Binding) calls it every ten seconds.
    pub fn check_in_place(&self) {
        self.shared.journal.check_in_place();
    }

    /// Closes the store: submits the patterns that wait for a first contact, stores the times of the last
    /// snapshots, and releases the [`StateStore`], so that another [`open`](Self::open) can use it. From then
    /// on, a change fails with [`StorageError::Stopped`]; readers still see the state. Everything else is
    /// durable already, except the snapshots that a service still queues: [`Node::stop`](crate::Node::stop)
    /// and [`Binding::stop`](crate::Binding::stop) wait for them.
    ///
    /// # Errors
    /// [`StorageError`] if these changes cannot be stored. The store is released in any case. A later call does
    /// nothing.
    pub fn close(&self) -> Result<(), StorageError> {
        if self.shared.journal.check_open().is_err() {
            return Ok(());
        }
        let taken_in = self.iter().try_for_each(|space| space.take_in());
        let time = |space: Arc<Space>| (space.id().clone(), space.state().generated_at());
        let times: Vec<_> = self.iter().map(time).collect();
        let stored = self.shared.journal.commit_generated(times.into_iter());
        self.shared.journal.close();
        self.iter().for_each(|space| space.stop_first_contact());
        taken_in.and(stored)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, rules, recovery, .. } = self;
        let spaces = self.spaces();
        f.debug_struct("Store")
            .field("node", node)
            .field("rules", rules)
            .field("recovery", recovery)
            .field("spaces", &*spaces)
            .finish_non_exhaustive()
    }
}
