//! A node of a simulated cluster over a naive store.

use engram_gossip_proto::sim::Host;
use engram_gossip_proto::{Parameters, SpaceId, Summary};

use crate::common::{self, Memory, State, Store, content, node_id, parameters, space, version};

/// A node over a naive store, with one space.
#[derive(Clone)]
pub(crate) struct Replica {
    node: u8,
    versions: u64,
    pub(crate) store: Store,
}

impl Replica {
    pub(crate) fn new(node: usize) -> Self {
        Self { node: node as u8, versions: 0, store: Store::clocked(State::default()) }
    }

    /// Writes another version of a pattern.
    pub(crate) fn submit(&mut self, id: &str) {
        self.versions += 1;
        let (node, version) = (self.node, self.versions);
        self.store.write(|state| state.submit(node, version, content(id, version as u32)));
    }

    /// Refuses the record of a pattern from now on.
    pub(crate) fn refuse(&mut self, id: &str) {
        self.store.write(|state| _ = state.poison.insert(id.into()));
    }

    /// Accepts all records from now on.
    pub(crate) fn refuse_nothing(&mut self) {
        self.store.write(|state| state.poison.clear());
    }

    /// Whether this node has the `count`-th write of `node`, which is a write to the pattern `id`.
    pub(crate) fn knows(&self, id: &str, node: usize, count: u64) -> bool {
        let state = self.store.state.borrow();
        let parts = state.records.get(&common::key_of(id)).map(|record| &record.parts);
        let part = parts.into_iter().flatten().find(|part| part.node == node_id(node as u8));
        part.is_some_and(|part| part.entry >= version(count))
    }

    pub(crate) fn holds(&self, id: &str) -> bool {
        self.store.state.borrow().records.contains_key(&common::key_of(id))
    }
}

impl Host for Replica {
    type View = Memory;

    fn parameters(&self) -> Parameters {
        parameters()
    }

    fn spaces(&self) -> Vec<SpaceId> {
        vec![space("default")]
    }

    fn pin(&self, _space: &SpaceId) -> Memory {
        self.store.pin()
    }

    fn summary(&self, _space: &SpaceId) -> Summary {
        let tree = self.store.tree();
        Summary { root: tree.root(), count: tree.len() as u64, generation: 7 }
    }
}
