//! Builds a running node from a configuration.

mod folder;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engram_gossip_net::{
    BindError, ConfigError, Gossip, Identity, IdentityChange, IdentityError, Member, Membership,
    NetConfig, NodeId, Roster, RosterError, RotateError, StaticSeeds,
};
#[cfg(feature = "swim")]
use engram_gossip_net::{Swim, SwimConfig};
use engram_gossip_proto::{Compression, SpaceId};
use toml::Table;

use self::folder::check_folder;
use crate::durable::migrate::{MigrateError, Migration};
use crate::durable::recovery::OpenError;
use crate::durable::storage::{StateStore, StorageError};
use crate::engram::precision::Precision;
use crate::node::config::{ClusterConfig, MembershipConfig, PeerConfig};
use crate::replica::environment::Environment;
use crate::service::binding::Binding;
use crate::service::gossiper::{ConsolidationGossiper, UnknownSpace};
use crate::spaces::error::AddSpaceError;
use crate::spaces::store::{Store, StoreConfig};

/// A running node, configured by `cluster.toml`: its state and its network. Keep this value, or a clone, for as long as
/// the node runs; [`stop`](Self::stop) stops it cleanly.
#[derive(Clone, Debug)]
pub struct Node {
    /// The state of the node's memory spaces.
    pub store: Arc<Store>,
    /// The node's network.
    pub gossip: Gossip,
    binding: Binding,
}

/// The reason why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file that `[tls]` names is missing or invalid.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A peer with a different name has this node's own id.
    #[error(
        "peers.{index}.node_id is this node's own ({node}), under a different name; every node needs its \
         own key and certificate"
    )]
    OwnPeer {
        /// The index of the peer, from 0.
        index: usize,
        /// The id of this node.
        node: NodeId,
    },
    /// The peers do not form a valid roster.
    #[error("[[peers]]: {0}")]
    Roster(#[from] RosterError),
    /// The store at `store.path` cannot be opened. Nothing in it was changed.
    #[error("store.path: {0}")]
    Store(#[from] OpenError),
    /// The store that was passed to [`Node::start_with`] cannot be used. Nothing in it was changed.
    #[error("cannot open the given store: {0}")]
    GivenStore(OpenError),
    /// `store.path` is set, but the program was built without the feature `redb`.
    #[error(
        "store.path is set, but this program was built without the feature redb; rebuild it with \
         `--features redb`, or remove store.path"
    )]
    NothingToStoreIn,
    /// The times of SWIM contradict each other.
    #[cfg(feature = "swim")]
    #[error("membership: {0}")]
    Swim(#[from] ConfigError),
    /// `membership.kind` is `swim`, but the program was built without the feature `swim`.
    #[error(
        "membership.kind is swim, but this program was built without the feature swim; rebuild it with `--features swim`, or set membership.kind to \"static\""
    )]
    NoSwim,
    /// The network cannot start with this configuration.
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl Node {
    /// Starts a node on the current tokio runtime, with the state stored under `store.path`;
    /// [`Store::recovery`] reports the condition of that state. Waits for the disk. Does not serve
    /// `[http]`: the program starts an `http::Server` for it.
    ///
    /// # Errors
    /// [`StartError`] states what prevents the start.
    pub fn start(config: &ClusterConfig) -> Result<Self, StartError> {
        Self::start_in(config, stored(config)?)
    }

    /// Like [`start`](Self::start), with a given state store. Ignores `store.path`.
    ///
    /// # Errors
    /// [`StartError`] states what prevents the start.
    pub fn start_with(
        config: &ClusterConfig,
        store: Arc<dyn StateStore>,
    ) -> Result<Self, StartError> {
        Self::start_in(config, Some(store)).map_err(|error| match error {
            StartError::Store(error) => StartError::GivenStore(error),
            error => error,
        })
    }

    fn start_in(
        config: &ClusterConfig,
        stored: Option<Arc<dyn StateStore>>,
    ) -> Result<Self, StartError> {
        let identity = identity(config)?;
        let node = identity.node_id();
        let roster = roster(config, node)?;
        let (rules, environment) = (store_config(config, node), Environment::system());
        let store = Arc::new(match stored {
            None => Store::new(rules, environment),
            Some(stored) => Store::open(rules, environment, stored)?,
        });
        let (network, parameters) = (net_config(config), store.parameters());
        let (replicas, membership) = (Arc::clone(&store), membership(config)?);
        let gossip =
            Gossip::bind_with(network, identity, roster, parameters, replicas, membership)?;
        let settle = config.store.settle;
        let binding = Binding::with_settle(Arc::clone(&store), gossip.clone(), settle);
        Ok(Self { store, gossip, binding })
    }

    /// Stops the node cleanly: ends the sessions, waits until the snapshots that its services received are durable, and
    /// closes the store, so that the next start can open it immediately. See [`Binding::stop`]. Stop the engine first:
    /// a snapshot that arrives later is not stored, and the service reports [`StorageError::Stopped`].
    ///
    /// # Errors
    /// [`StorageError`] if snapshots could not be stored. The node has stopped nevertheless.
    pub async fn stop(&self) -> Result<(), StorageError> {
        self.binding.stop().await
    }

    /// Hosts `space` from now on, announces it to the peers, and returns its gossiper. Adding a
    /// space that is already hosted is cheap, so a program may call this method wherever it creates
    /// or opens Engram's store of a space. See [`Binding::add_space`].
    ///
    /// # Errors
    /// [`AddSpaceError`] if there are too many spaces, if the stored state cannot be read, or if
    /// the node has stopped. Nothing was changed.
    pub fn add_space(&self, space: &SpaceId) -> Result<ConsolidationGossiper, AddSpaceError> {
        self.binding.add_space(space)
    }

    /// Returns the gossiper of a memory space that this node hosts.
    ///
    /// # Errors
    /// [`UnknownSpace`] if this node does not host the space.
    pub fn gossiper(&self, space: &SpaceId) -> Result<ConsolidationGossiper, UnknownSpace> {
        self.binding.gossiper(space)
    }
}

/// The keys whose values differ between two tables.
fn differing<'t>(old: &'t Table, new: &'t Table) -> impl Iterator<Item = &'t String> {
    let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
    keys.filter(|key| old.get(*key) != new.get(*key))
}

/// The outcome of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reload {
    /// The keys of `[tls]` whose files have changed since they were last loaded.
    pub loaded: Vec<String>,
    /// The keys with a changed value that takes effect at the next start.
    pub waiting: Vec<String>,
}

/// A changed configuration did not take effect. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The peers or the files of `[tls]` are invalid.
    #[error(transparent)]
    Config(#[from] StartError),
    /// The certificate cannot be used.
    #[error("tls.certificate: {0}")]
    Identity(#[from] RotateError),
    /// The limits are invalid.
    #[error("limits: {0}")]
    Limits(#[from] ConfigError),
}

/// The sections that, like the peers, take effect on a reload.
const AT_ONCE: [&str; 2] = ["tls", "limits"];

impl Node {
    /// Applies the settings that can change while the node runs: the peers, `[limits]`, and the
    /// files of `[tls]`, which are read again. Other differences take effect at the next start.
    ///
    /// # Errors
    /// [`ReloadError`] if the peers, the files or the limits are invalid. Nothing was changed.
    pub fn reload(
        &self,
        before: &ClusterConfig,
        after: &ClusterConfig,
    ) -> Result<Reload, ReloadError> {
        let roster = roster(after, self.gossip.node_id())?;
        let identity = identity(after).map_err(StartError::from)?;
        after.limits.check()?;
        let change = self.gossip.set_identity(identity)?;
        self.gossip.set_roster(roster);
        self.gossip.set_limits(after.limits)?;
        let mut waiting = Vec::new();
        for ((section, old), (_, new)) in before.sections().into_iter().zip(after.sections()) {
            if !AT_ONCE.contains(&section) {
                waiting.extend(differing(&old, &new).map(|key| format!("{section}.{key}")));
            }
        }
        let replaced = |config: &ClusterConfig| replaced_by_peers(config, self.gossip.node_id());
        if replaced(before) != replaced(after) {
            waiting.push("peers.replaces".to_owned());
        }
        Ok(Reload { loaded: loaded(change), waiting })
    }
}

/// The keys of `[tls]` whose files differ from those of the previous identity.
fn loaded(change: IdentityChange) -> Vec<String> {
    let parts = [
        ("tls.ca", change.authority),
        ("tls.certificate", change.certificate),
        ("tls.key", change.key),
    ];
    parts.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key.to_owned()).collect()
}

impl ClusterConfig {
    /// Returns the settings that differ in `after` and take effect on a reload: keys of `[tls]` and
    /// `[limits]`, and `peers`. A reload always reads the files of `[tls]` again.
    pub fn changed_at_once(&self, after: &Self) -> Vec<String> {
        let mut changed = Vec::new();
        for ((section, old), (_, new)) in self.sections().into_iter().zip(after.sections()) {
            if AT_ONCE.contains(&section) {
                changed.extend(differing(&old, &new).map(|key| format!("{section}.{key}")));
            }
        }
        let member = |peer: &PeerConfig| (peer.node_id, peer.name.clone(), peer.address.clone());
        if !self.peers.iter().map(member).eq(after.peers.iter().map(member)) {
            changed.push("peers".to_owned());
        }
        changed
    }

    /// Checks everything that [`Node::start`] checks, except the contents of the store and whether
    /// the addresses are free: the certificates (at the time `now`, as a peer would), the roster,
    /// the settings of the network and of the membership, and whether `store.path` is, or can
    /// become, a folder for the state. Starts nothing.
    ///
    /// # Errors
    /// [`StartError`] states what would prevent the start.
    pub fn check(&self, now: SystemTime) -> Result<Identity, StartError> {
        let identity = identity(self)?;
        identity.check(now).map_err(BindError::from)?;
        roster(self, identity.node_id())?;
        net_config(self).check().map_err(BindError::from)?;
        membership(self)?;
        stored(self)?;
        self.store.path.as_deref().map_or(Ok(()), check_folder)?;
        Ok(identity)
    }
}

impl ClusterConfig {
    /// Converts the state under `store.path` to `precision`, while no node runs on it. See
    /// [`Store::migrate`]. Then set the precision in `[merkle_tree]` on all nodes.
    ///
    /// # Errors
    /// [`MigrateStoreError`]; nothing in the store was changed.
    pub fn migrate(&self, precision: Precision) -> Result<Migration, MigrateStoreError> {
        let node = identity(self).map_err(StartError::from)?.node_id();
        let stored = stored(self)?.ok_or(MigrateStoreError::NothingStored)?;
        let config = StoreConfig { precision, ..store_config(self, node) };
        Ok(Store::migrate(&config, &*stored)?)
    }
}

/// The store of a configuration was not migrated. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateStoreError {
    /// The certificate or the store of the configuration cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The configuration names no store.
    #[error("store.path is not set; the state of this node ends with its process")]
    NothingStored,
    /// The store cannot be migrated.
    #[error("store.path: {0}")]
    Migrate(#[from] MigrateError),
}

fn identity(config: &ClusterConfig) -> Result<Identity, IdentityError> {
    let tls = &config.tls;
    Identity::from_files(&tls.ca, &tls.certificate, &tls.key)
}

fn roster(config: &ClusterConfig, node: NodeId) -> Result<Roster, StartError> {
    // All nodes may share one list of peers: skip this node's own entry.
    let is_own = |peer: &PeerConfig| peer.node_id == node;
    let stranger = |peer: &PeerConfig| is_own(peer) && peer.name != config.node.name;
    if let Some(index) = config.peers.iter().position(stranger) {
        return Err(StartError::OwnPeer { index, node });
    }
    let members = config.peers.iter().filter(|peer| !is_own(peer)).map(|peer| Member {
        id: peer.node_id,
        name: peer.name.clone(),
        address: peer.address.clone(),
    });
    Ok(Roster::new(members)?)
}

/// Creates the store for `store.path`; `None` if the state is only in memory.
fn stored(config: &ClusterConfig) -> Result<Option<Arc<dyn StateStore>>, StartError> {
    match &config.store.path {
        None => Ok(None),
        #[cfg(feature = "redb")]
        Some(path) => {
            let cache = usize::try_from(config.store.cache_bytes).unwrap_or(usize::MAX);
            let store = crate::durable::storage::RedbStateStore::new(path).with_cache(cache);
            Ok(Some(Arc::new(store)))
        }
        #[cfg(not(feature = "redb"))]
        Some(_) => Err(StartError::NothingToStoreIn),
    }
}

/// Returns the previous keys of this node, from `[node]` and from its own entry in `[[peers]]`.
fn replaced(config: &ClusterConfig, node: NodeId) -> Vec<NodeId> {
    let listed = replaced_by_peers(config, node);
    config.node.replaces.iter().copied().chain(listed).collect()
}

fn replaced_by_peers(config: &ClusterConfig, node: NodeId) -> Vec<NodeId> {
    let own = config.peers.iter().filter(|peer| peer.node_id == node);
    own.flat_map(|peer| peer.replaces.iter().copied()).collect()
}

fn store_config(config: &ClusterConfig, node: NodeId) -> StoreConfig {
    StoreConfig {
        hash: config.merkle_tree.hash,
        depth: config.merkle_tree.depth,
        precision: config.merkle_tree.precision,
        strategy: config.conflict.strategy.strategy(),
        across_ids: config.conflict.across_ids,
        retention: config.retention,
        learn_spaces: config.node.learn_spaces,
        replaces: replaced(config, node),
        caps: config.store.caps,
        ..StoreConfig::new(node, config.node.spaces.iter().cloned())
    }
}

fn membership(config: &ClusterConfig) -> Result<Arc<dyn Membership>, StartError> {
    match config.membership {
        MembershipConfig::Static => Ok(Arc::new(StaticSeeds)),
        #[cfg(feature = "swim")]
        MembershipConfig::Swim(times) => {
            let mut swim = SwimConfig::default();
            swim.probe_interval = times.probe_interval;
            swim.probe_timeout = times.probe_timeout;
            swim.suspicion = times.suspicion;
            Ok(Arc::new(Swim::new(swim)?))
        }
        #[cfg(not(feature = "swim"))]
        MembershipConfig::Swim(_) => Err(StartError::NoSwim),
    }
}

/// The longest time that a stopping node waits for its sessions to end and, after that, for its peers to learn of the
/// stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

fn net_config(config: &ClusterConfig) -> NetConfig {
    let mut network = NetConfig::new(config.node.listen);
    network.schedule.interval = config.gossip.interval;
    network.schedule.fanout = config.gossip.fanout;
    network.schedule.limits = config.limits;
    network.session.learn_spaces = config.node.learn_spaces;
    network.shutdown_grace = SHUTDOWN_GRACE;
    network.session.max_patterns_per_sync = config.gossip.max_patterns_per_sync;
    network.session.compression = match config.gossip.enable_compression {
        true => Compression::Lz4,
        false => Compression::Off,
    };
    network
}
