//! The view through which a session with a peer reads and changes a space.

use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::{
    Clocks, Delivery, Entry, PatternContent, Prefix, Receipt, Record, Summary, View,
};
use engram_merkle::{AnyHasher, Digest, Path, Tree};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::replica::content;
use crate::spaces::space::Space;
use crate::sync::apply::apply;
use crate::sync::preview::Preview;

/// A space, pinned for one session. The tree does not change until the session pins it again, so that the peer sees one
/// consistent state; records and contents are the current ones. The difference is harmless, because the peer joins all
/// that it receives.
#[derive(Debug)]
pub struct SpaceView {
    space: Arc<Space>,
    tree: Tree<Arc<str>, AnyHasher>,
    pinned: Summary,
    mode: SessionMode,
}

/// The purpose of a session.
#[derive(Clone, Debug)]
pub(crate) enum SessionMode {
    /// A sync, with the id of the peer if it is known.
    Sync(Option<Arc<NodeId>>),
    /// A preview of the changes that a sync would make. No record is joined, and this node sends no content.
    Preview(Arc<Preview>),
}

impl SpaceView {
    /// Pins the current state of a space for one session with a peer. O(1).
    pub fn pin(space: &Arc<Space>) -> Self {
        Self::pin_with(space, SessionMode::Sync(None))
    }

    pub(crate) fn pin_with(space: &Arc<Space>, mode: SessionMode) -> Self {
        let state = space.state();
        let (tree, pinned) = (state.tree().clone(), state.summary());
        Self { space: Arc::clone(space), tree, pinned, mode }
    }
}

fn path(prefix: &Prefix) -> Path {
    Path::of(&Digest::from(*prefix.bits()), prefix.bit_len())
        .expect("a prefix has at most 64 nibbles, which are 256 bits")
}

impl View for SpaceView {
    type Content = PatternContent;

    fn summary(&self) -> Summary {
        self.pinned
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.tree.count(&path(prefix))
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.tree.children(&path(prefix)).map(|child| child.map(<[u8; 32]>::from))
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        let entries = self.tree.entries(&path(prefix));
        let entry = |key: Digest, record: Digest| Entry { key: key.into(), record: record.into() };
        let mut entries: Vec<Entry> =
            entries.map(|found| entry(found.key_hash, found.value)).collect();
        entries.sort_by_key(|entry| entry.key);
        entries
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        let state = self.space.state();
        let id = &state.tree().entry(&Digest::from(*key))?.key;
        if let SessionMode::Preview(preview) = &self.mode {
            return preview.ask(self.space.id(), id);
        }
        state.record(id).map(|record| record.to_wire(id))
    }

    fn content(&self, digest: &[u8; 32]) -> Option<PatternContent> {
        let pattern = self.space.state().content(&Digest::from(*digest)).cloned();
        pattern.map(|pattern| content::to_wire(&pattern))
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.space.state().content(&Digest::from(*digest)).is_some()
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.tree.key_hash(id.as_bytes()).into()
    }

    fn digest(&self, content: &PatternContent) -> [u8; 32] {
        content::wire_digest(content, &self.space.rules().hasher).into()
    }

    fn apply(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        let from = match &self.mode {
            SessionMode::Sync(from) => from.as_ref(),
            SessionMode::Preview(preview) => return preview.take(&self.space, delivery),
        };
        // The session runs on a task, which must not block a worker thread while it waits for the disk.
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(|| apply(&self.space, delivery, from)),
            _ => apply(&self.space, delivery, from),
        }
    }

    fn accepts_records(&self) -> bool {
        match self.mode {
            SessionMode::Sync(_) => self.space.accepts_records(),
            SessionMode::Preview(_) => true,
        }
    }

    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        // A preview joins nothing, so no record that it receives counts as handled.
        let syncs = matches!(self.mode, SessionMode::Sync(_));
        if syncs {
            self.space.with_clocks(work);
        }
        syncs
    }

    fn repin(&mut self) {
        let state = self.space.state();
        (self.tree, self.pinned) = (state.tree().clone(), state.summary());
    }

    fn live_summary(&self) -> Summary {
        self.space.summary()
    }
}
