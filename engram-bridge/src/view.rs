//! What a session with a peer sees of a space.

use std::sync::Arc;

use engram_gossip_proto::{Content, Delivery, Entry, Prefix, Receipt, Record, Summary, View};
use engram_merkle::{AnyHasher, Digest, Path, Tree};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::content;
use crate::record;
use crate::space::Space;

/// A space, pinned for one session: the tree stays as it was, so that the peer is shown one
/// consistent picture, while records and contents are those of now. Joins make that harmless.
#[derive(Debug)]
pub struct SpaceView {
    space: Arc<Space>,
    tree: Tree<Arc<str>, AnyHasher>,
    pinned: Summary,
}

impl SpaceView {
    pub(crate) fn new(space: Arc<Space>, tree: Tree<Arc<str>, AnyHasher>, pinned: Summary) -> Self {
        Self { space, tree, pinned }
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
        self.tree.count(&path(prefix))
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 8]>; 16] {
        let leading = |digest: Digest| {
            let mut leading = [0; 8];
            leading.copy_from_slice(&digest.as_bytes()[..8]);
            leading
        };
        self.tree.children(&path(prefix)).map(|child| child.map(leading))
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        let entries = self.tree.entries(&path(prefix));
        let entries =
            entries.map(|entry| Entry { key: entry.key_hash.into(), record: entry.value.into() });
        entries.collect()
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        let state = self.space.state();
        let id = &state.tree().entry(&Digest::from(*key))?.key;
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
        // A session is driven by a task, and a disk may take its time.
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(|| self.space.apply(delivery)),
            _ => self.space.apply(delivery),
        }
    }

    fn live_summary(&self) -> Summary {
        self.space.summary()
    }
}
