use crate::Tree;
use crate::block::{Node, SPAN};

/// The size of a tree, for display.
///
/// Created by [`Tree::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The number of entries.
    pub entries: usize,
    /// The level of the deepest leaf. A change to an entry in that leaf hashes this many nodes in
    /// addition to the key and the leaf. The level is at least the base depth, unless the tree is
    /// empty.
    pub deepest_level: u16,
    /// The number of storage blocks, each a separate allocation.
    pub blocks: usize,
    /// The number of allocated bytes, including those that a clone shares. Heap memory owned by the keys is not
    /// counted.
    pub bytes: usize,
}

impl<K, H> Tree<K, H> {
    /// Measures the size of the tree. Visits every block, which takes O(n) steps.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        if let Some(top) = &self.top {
            stats.visit(top, 0);
        }
        stats
    }
}

impl Stats {
    fn visit<K>(&mut self, node: &Node<K>, level: u16) {
        self.blocks += 1;
        // An `Arc` puts two counters before its value.
        self.bytes += 2 * size_of::<usize>() + node.digests().bytes();
        self.deepest_level = self.deepest_level.max(level + node.digests().deepest());
        match node {
            Node::LeafBlock(block) => {
                self.entries += block.body.entries().len();
                self.bytes += size_of_val(&**block) + block.body.bytes();
            }
            Node::Branch(block) => {
                self.bytes += size_of_val(&**block);
                let nodes = block.body.slots().iter().filter_map(|slot| slot.node.as_ref());
                nodes.for_each(|node| self.visit(node, level + SPAN));
            }
        }
    }
}
