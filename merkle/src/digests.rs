//! The digests inside one block: a sparse binary tree of four levels, whose nodes are numbered as in
//! a heap.

use alloc::vec::Vec;
use core::ops::Range;

use crate::Digest;

/// One node of a block: 1 is the block itself, `2 * i` and `2 * i + 1` are the halves of `i`, and
/// 16 to 31 are the sixteen slots, four levels below the block.
pub(crate) type Heap = u32;

/// The first of the slots.
pub(crate) const SLOTS: Heap = 16;

/// A set of nodes of a block, one bit each.
pub(crate) type Mask = u32;

/// All nodes of a block except the block itself, whose digest is stored above the block.
pub(crate) const ALL: Mask = !0b11;

/// The nodes on the path from the block to the slot `nibble`, from depth 1 down.
fn way_to(nibble: u8) -> impl Iterator<Item = Heap> {
    let slot = SLOTS + Heap::from(nibble);
    (0..4).rev().map(move |height| slot >> height)
}

/// The nodes on the path from the block to the slot `nibble`, as a set.
pub(crate) fn mask_to(nibble: u8) -> Mask {
    way_to(nibble).fold(0, |mask, node| mask | 1 << node)
}

/// The slots below `node`, counted from 0.
pub(crate) fn slots_below(node: Heap) -> Range<usize> {
    let height = SLOTS.ilog2() - node.ilog2();
    let first = ((node << height) - SLOTS) as usize;
    first..first + (1 << height)
}

/// The nodes below `node`.
fn below(node: Heap) -> Mask {
    let mut mask = 0;
    let (mut first, mut width) = (2 * node, 2);
    while first <= 31 {
        mask |= ((1 << width) - 1) << first;
        (first, width) = (2 * first, 2 * width);
    }
    mask
}

/// The stored digests of the nodes 2 to 31, in ascending order.
#[derive(Clone, Default)]
pub(crate) struct Digests {
    stored: Mask,
    list: Vec<Digest>,
}

impl Digests {
    pub(crate) fn get(&self, node: Heap) -> Option<Digest> {
        self.has(node).then(|| self.list[self.rank(node)])
    }

    /// Whether no digest is stored, as in a block that is a single leaf.
    pub(crate) fn is_empty(&self) -> bool {
        self.stored == 0
    }

    /// Appends the digest of the sibling of each node on the path to the slot `nibble`, down to the
    /// first node that is a leaf or empty. Returns that node, or the slot if there is no such node
    /// above it.
    #[inline]
    pub(crate) fn append_beside(&self, nibble: u8, siblings: &mut Vec<Digest>) -> Heap {
        for node in way_to(nibble) {
            siblings.push(self.get(node ^ 1).unwrap_or(Digest::EMPTY));
            if node < SLOTS && !self.has(2 * node) && !self.has(2 * node + 1) {
                return node;
            }
        }
        SLOTS + Heap::from(nibble)
    }

    /// Replaces the stored digests on the path to the slot `nibble` with the next ones from
    /// `digests`.
    pub(crate) fn replace_way<'a>(
        &mut self,
        nibble: u8,
        digests: &mut impl Iterator<Item = &'a Digest>,
    ) {
        let stored = self.stored;
        for (node, digest) in way_to(nibble).filter(|node| stored >> node & 1 == 1).zip(digests) {
            let rank = self.rank(node);
            self.list[rank] = *digest;
        }
    }

    pub(crate) fn set(&mut self, node: Heap, digest: Digest) {
        let rank = self.rank(node);
        if self.has(node) {
            self.list[rank] = digest;
        } else {
            self.list.reserve_exact(1);
            self.list.insert(rank, digest);
            self.stored |= 1 << node;
        }
    }

    /// Reserves room for the digests of `nodes`.
    pub(crate) fn reserve(&mut self, nodes: Mask) {
        self.list.reserve_exact((nodes & !self.stored).count_ones() as usize);
    }

    pub(crate) fn shrink(&mut self) {
        self.list.shrink_to_fit();
    }

    /// Removes the digest of `node` and all digests below it.
    pub(crate) fn forget(&mut self, node: Heap) {
        self.keep(!(1 << node | below(node)));
    }

    /// Removes all digests below `node`.
    pub(crate) fn forget_below(&mut self, node: Heap) {
        self.keep(!below(node));
    }

    fn keep(&mut self, nodes: Mask) {
        if self.stored & !nodes == 0 {
            return;
        }
        let mut left = self.stored;
        self.list.retain(|_| {
            let node = left.trailing_zeros();
            left &= left - 1;
            nodes >> node & 1 == 1
        });
        self.list.shrink_to_fit();
        self.stored &= nodes;
    }

    /// The deepest stored level of the heap: 1 to 4, or 0 if nothing is stored.
    pub(crate) fn deepest(&self) -> u16 {
        self.stored.checked_ilog2().map_or(0, |node| node.ilog2() as u16)
    }

    /// The number of allocated bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Digest>()
    }

    fn has(&self, node: Heap) -> bool {
        self.stored >> node & 1 == 1
    }

    /// The number of stored nodes before `node`, which is its index in the list.
    fn rank(&self, node: Heap) -> usize {
        // Most blocks on a path through a large tree are complete, and counting bits is slow on old
        // processors.
        match self.stored {
            ALL => node as usize - 2,
            stored => (stored & ((1 << node) - 1)).count_ones() as usize,
        }
    }
}
