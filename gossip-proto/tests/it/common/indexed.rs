//! The clock index of a naive store, updated by comparing contexts.

use std::collections::BTreeMap;

use engram_gossip_proto::{ClockIndex, Clocks, Record};

use super::State;

type Context = BTreeMap<[u8; 32], u64>;

/// An index, and the contexts that it contains.
#[derive(Clone, Default)]
pub(crate) struct Indexed {
    pub(crate) index: ClockIndex,
    contexts: BTreeMap<[u8; 32], Context>,
}

/// The origin of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A node of this store: its write is durable immediately, so the summary covers it.
    Own,
    /// A peer.
    Peer,
}

fn context(record: &Record) -> Context {
    record.parts.iter().map(|part| (part.node, part.entry)).collect()
}

fn short(node: &[u8; 32]) -> [u8; 8] {
    *node.first_chunk().unwrap()
}

impl Indexed {
    /// Updates the index with the changes to the records of these keys.
    pub(crate) fn follow<'a>(
        &mut self,
        state: &State,
        keys: impl Iterator<Item = &'a [u8; 32]>,
        origin: Origin,
    ) {
        let mut own = Vec::new();
        for key in keys {
            let now = state.records.get(key).map(context).unwrap_or_default();
            let known = self.contexts.entry(*key).or_default();
            for (node, entry) in &now {
                let before = known.get(node).copied().unwrap_or_default();
                self.index.change(key, node, before, *entry);
                if before != *entry {
                    own.push((*node, *entry));
                }
            }
            *known = now;
        }
        if origin == Origin::Own {
            own.iter().for_each(|(node, entry)| self.index.raise(short(node), *entry));
        }
    }

    /// Like [`follow`](Self::follow), for all records whose contexts changed; the changes count as
    /// writes of this store itself.
    pub(crate) fn follow_writes(&mut self, state: &State) {
        let changed: Vec<_> = state
            .records
            .iter()
            .filter(|(key, record)| self.contexts.get(*key) != Some(&context(record)))
            .map(|(key, _)| *key)
            .collect();
        self.follow(state, changed.iter(), Origin::Own);
    }
}
