//! All memory spaces of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engram_conflict::{ConfidenceVoting, Strategy};
use engram_gossip_net::{NodeId, Replicas};
use engram_gossip_proto::{Parameters, Precision, SpaceId, Summary};
use engram_merkle::{AnyHasher, BaseDepth, Digest, Hasher};

use crate::encoding::{hash, put_bytes};
use crate::journal::Journal;
use crate::opening::{OpenError, Opening};
use crate::rehearsal::Rehearsals;
use crate::restore::{Restored, restore};
use crate::space::Space;
use crate::state::{Rules, SpaceState};
use crate::storage::{StateStore, StorageError};
use crate::view::{SpaceView, With};
use crate::writer::Writer;
use crate::{ENGRAM_DIMENSION, Retention, Timestamp, WriteStats};

/// The space of whoever names none.
pub const DEFAULT_SPACE: &str = "default";

/// How long a deletion is kept at least, unless the configuration says otherwise: ten days.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10 * 24 * 60 * 60);

const ROOT_OF_SPACES: &[u8; 8] = b"ecb1root";

/// What a [`Store`] is to hold, and by which rules.
#[derive(Clone)]
pub struct StoreConfig {
    /// Who this node is.
    pub node: NodeId,
    /// The memory spaces that it hosts.
    pub spaces: Vec<SpaceId>,
    /// The hash of the tree, of records and of contents. Equal on all nodes.
    pub hash: AnyHasher,
    /// The base depth of the Merkle tree. Equal on all nodes.
    pub depth: BaseDepth,
    /// How many numbers an embedding has. Equal on all nodes.
    pub dimension: usize,
    /// Which of several versions is shown. Nodes that differ in it still sync, but show different
    /// patterns.
    pub strategy: Arc<dyn Strategy>,
    /// What this node shows of what it holds. Each node's own affair.
    pub retention: Retention,
    /// How long this node keeps a deletion at least, though everybody has it. A backup that is older,
    /// or a node that was away for longer, may not come back with what it has.
    pub grace: Duration,
}

impl StoreConfig {
    /// The defaults: SHA-256, depth 12, Engram's dimension, confidence voting.
    pub fn new(node: NodeId, spaces: impl IntoIterator<Item = SpaceId>) -> Self {
        Self {
            node,
            spaces: spaces.into_iter().collect(),
            hash: AnyHasher::Sha256,
            depth: BaseDepth::default(),
            dimension: ENGRAM_DIMENSION,
            strategy: Arc::new(ConfidenceVoting),
            retention: Retention::default(),
            grace: DEFAULT_GRACE,
        }
    }
}

impl StoreConfig {
    fn into_parts(self) -> (NodeId, BTreeSet<SpaceId>, Rules) {
        let Self { node, spaces, hash: hasher, depth, dimension, strategy, retention, grace } =
            self;
        let rules = Rules { hasher, depth, dimension, strategy, retention, grace };
        (node, spaces.into_iter().collect(), rules)
    }
}

/// What a store asks of the world around it.
pub struct Environment {
    clock: Arc<Clock>,
    entropy: Box<dyn FnMut() -> u64 + Send>,
}

pub(crate) type Clock = dyn Fn() -> Timestamp + Send + Sync;

impl Environment {
    /// A world of one's own, for tests and simulations. `clock` dates reports and nothing else;
    /// `entropy` names the lives of the node, and must not repeat a number for ever.
    pub fn new(
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        entropy: impl FnMut() -> u64 + Send + 'static,
    ) -> Self {
        Self { clock: Arc::new(clock), entropy: Box::new(entropy) }
    }

    /// The system's clock and the system's randomness.
    ///
    /// # Panics
    /// If the system has no random numbers, when one is needed.
    pub fn system() -> Self {
        let entropy = || getrandom::u64().expect("the operating system gives random numbers");
        Self::new(Timestamp::now, entropy)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// The replicated state of a node: every memory space that it hosts.
///
/// Share it in an [`Arc`]: the gossip serves its peers from it, and each consolidation service
/// works on one of its spaces.
///
/// All of it is in memory, and is served from there. A store that was [opened](Self::open) is also
/// in a [`StateStore`]: a change is visible, to peers too, only once it is durable. A
/// [new](Self::new) one ends with the process, and the next process is a new life of the node that
/// gets back from its peers what it had shared.
#[derive(Debug)]
pub struct Store {
    node: NodeId,
    rules: Rules,
    opening: Opening,
    journal: Arc<Mutex<Journal>>,
    spaces: BTreeMap<SpaceId, Arc<Space>>,
    pub(crate) rehearsals: Rehearsals,
}

impl Store {
    /// An empty store in memory.
    pub fn new(config: StoreConfig, environment: Environment) -> Self {
        let (node, hosted, rules) = config.into_parts();
        let writer = Writer::new(node.into(), environment.entropy);
        let state = |space| (space, SpaceState::new(rules.clone()));
        let states = hosted.into_iter().map(state).collect();
        let journal = Journal::in_memory(writer);
        Self::of(node, rules, Opening::InMemory, journal, states, &environment.clock)
    }

    /// The state that is in `store`, or the beginning of one. What is found there is told by
    /// [`opening`](Self::opening). Reads and checks everything: O(state).
    ///
    /// # Errors
    /// [`OpenError`] if the store cannot be used as it is. Nothing in it was changed.
    pub fn open(
        config: StoreConfig,
        environment: Environment,
        store: Box<dyn StateStore>,
    ) -> Result<Self, OpenError> {
        let (node, hosted, rules) = config.into_parts();
        let writer = Writer::new(node.into(), environment.entropy);
        let now = (environment.clock)();
        let restored = restore(store, writer, node, hosted, &rules, now)?;
        let Restored { opening, journal, states } = restored;
        Ok(Self::of(node, rules, opening, journal, states, &environment.clock))
    }

    fn of(
        node: NodeId,
        rules: Rules,
        opening: Opening,
        journal: Journal,
        states: Vec<(SpaceId, SpaceState)>,
        clock: &Arc<Clock>,
    ) -> Self {
        let journal = Arc::new(Mutex::new(journal));
        let spaces = states.into_iter().map(|(id, state)| {
            let (clock, journal) = (Arc::clone(clock), Arc::clone(&journal));
            (id.clone(), Arc::new(Space::new(id, rules.clone(), clock, journal, state)))
        });
        let spaces = spaces.collect();
        Self { node, rules, opening, journal, spaces, rehearsals: Rehearsals::default() }
    }

    /// Who this node is.
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

    /// What was found when the store was opened.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// How many versions this node wrote since it started, or since its present life began if that
    /// was later.
    pub fn written(&self) -> u64 {
        self.journal().writer.written()
    }

    /// How often the node took a new incarnation because a peer knew a write of its present life
    /// that it had not made: somebody runs a copy of it, or an old state of it came back.
    pub fn incarnations_rolled(&self) -> u64 {
        self.journal().writer.rolled()
    }

    /// What this node writes, and whether it can be stored. Waits for whoever writes at the moment.
    pub fn write_stats(&self) -> WriteStats {
        self.journal().stats()
    }

    /// Writes a copy of everything that is stored to `to`, while the node runs. Writers wait
    /// meanwhile, readers do not.
    ///
    /// Start a node on the copy to restore it: it notices that the place is another one, begins a
    /// new life, and gets from its peers what was written since.
    ///
    /// # Errors
    /// [`StorageError`] if nothing is stored, if `to` exists, or if it cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), StorageError> {
        self.journal().backup(to)
    }

    /// Notes that the node ends on purpose, so that it goes on in the same life even if the machine
    /// is started anew. Nothing else is left to be written: every change is durable already.
    ///
    /// # Errors
    /// [`StorageError`] if that cannot be noted, which costs no more than a new life.
    pub fn close(&self) -> Result<(), StorageError> {
        self.journal().close()
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("no code panics while it holds this lock")
    }
}

impl Replicas for Store {
    type View = SpaceView;

    fn spaces(&self) -> Vec<SpaceId> {
        self.spaces.keys().cloned().collect()
    }

    fn pin(&self, space: &SpaceId) -> Option<SpaceView> {
        self.space(space).map(|space| space.pin())
    }

    fn pin_for(&self, space: &SpaceId, peer: NodeId) -> Option<SpaceView> {
        let with = match self.rehearsals.with(&peer) {
            Some(rehearsal) => With::Rehearsal(rehearsal),
            None => With::Sync(Some(Arc::new(peer))),
        };
        self.space(space).map(|space| space.pin_with(with))
    }

    fn summary(&self, space: &SpaceId) -> Option<Summary> {
        self.space(space).map(|space| space.summary())
    }
}
