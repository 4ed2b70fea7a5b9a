//! What a session with a peer sees of a space.

use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::{Content, Delivery, Entry, Prefix, Receipt, Record, Summary, View};
use engram_merkle::{AnyHasher, Digest, Path, Tree};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::content;
use crate::deletions::{Husk, Husks, below};
use crate::record;
use crate::rehearsal::Rehearsal;
use crate::space::Space;
use crate::state::SpaceState;

/// A space, pinned for one session: the tree stays as it was, so that the peer is shown one
/// consistent picture, while records and contents are those of now. Joins make that harmless.
#[derive(Debug)]
pub struct SpaceView {
    space: Arc<Space>,
    tree: Tree<Arc<str>, AnyHasher>,
    /// What was reaped. It is in no root, so nobody looks for it; but a walk that comes by meets it, so
    /// that a peer that still has the deletion, or less, learns of it.
    husks: Arc<Husks>,
    pinned: Summary,
    with: With,
}

/// What for a session is.
#[derive(Clone, Debug)]
pub(crate) enum With {
    /// To sync, with somebody in particular or not.
    Sync(Option<Arc<NodeId>>),
    /// To find out what a sync would change. Nothing is taken, and nothing given.
    Rehearsal(Arc<Rehearsal>),
}

/// What a walk is shown where there are husks and nothing else.
const HUSKS: [u8; 8] = *b"husks   ";

impl SpaceView {
    pub(crate) fn new(space: Arc<Space>, state: &SpaceState, with: With) -> Self {
        let (tree, husks) = (state.tree().clone(), Arc::clone(state.deletions().husks()));
        Self { space, tree, husks, pinned: state.summary(), with }
    }

    fn husks(&self, prefix: &Prefix) -> impl Iterator<Item = (&Digest, &Husk)> {
        below(&self.husks, prefix.bits(), prefix.bit_len())
    }
}

fn path(prefix: &Prefix) -> Path {
    Path::of(&Digest::from(*prefix.bits()), prefix.bit_len())
        .expect("a prefix has at most 64 nibbles, which are 256 bits")
}

impl View for SpaceView {
    fn summary(&self) -> Summary {
        self.pinned
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.tree.count(&path(prefix)) + self.husks(prefix).count() as u64
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 8]>; 16] {
        let leading = |digest: Digest| {
            let mut leading = [0; 8];
            leading.copy_from_slice(&digest.as_bytes()[..8]);
            leading
        };
        let mut children = self.tree.children(&path(prefix)).map(|child| child.map(leading));
        if !self.husks.is_empty() {
            for (nibble, child) in (0..).zip(&mut children).filter(|(_, child)| child.is_none()) {
                let below = prefix.child(nibble);
                let any = below.is_some_and(|below| self.husks(&below).next().is_some());
                *child = any.then_some(HUSKS);
            }
        }
        children
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        let entries = self.tree.entries(&path(prefix));
        let entries = entries.map(|entry| (entry.key_hash, entry.value));
        let husks = self.husks(prefix).map(|(key, husk)| (*key, husk.digest));
        let entry =
            |(key, record): (Digest, Digest)| Entry { key: key.into(), record: record.into() };
        let mut entries: Vec<Entry> = entries.chain(husks).map(entry).collect();
        entries.sort_by_key(|entry| entry.key);
        entries
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        let state = self.space.state();
        let key = Digest::from(*key);
        let live = state.tree().entry(&key).map(|entry| &entry.key);
        let id = live.or_else(|| Some(&state.deletions().husks().get(&key)?.id))?;
        if let With::Rehearsal(rehearsal) = &self.with {
            return rehearsal.ask(self.space.id(), id);
        }
        state.record(id).map(|record| record::to_wire(id, record))
    }

    fn content(&self, digest: &[u8; 32]) -> Option<Content> {
        let pattern = self.space.state().content(&Digest::from(*digest)).cloned();
        pattern.map(|pattern| content::to_wire(&pattern))
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.space.state().content(&Digest::from(*digest)).is_some()
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.tree.key_hash(id.as_bytes()).into()
    }

    fn apply(&mut self, delivery: Delivery) -> Receipt {
        let from = match &self.with {
            With::Sync(from) => from.as_ref(),
            With::Rehearsal(rehearsal) => return rehearsal.take(&self.space, delivery),
        };
        // A session is driven by a task, and a disk may take its time.
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(|| self.space.apply(delivery, from)),
            _ => self.space.apply(delivery, from),
        }
    }

    fn live_summary(&self) -> Summary {
        self.space.summary()
    }
}
