//! Clocks from fixed seeds, the same for all crates, with random nodes and with versions within
//! one year.

/// The number of inputs that a measurement cycles through.
pub(crate) const POOL: usize = 64;

/// The entries of a clock in ascending order of node.
pub(crate) type Clock = Vec<(u64, u64)>;

/// The relation of the left clock of a pair to the right one.
#[derive(Clone, Copy)]
pub(crate) enum Relation {
    Before,
    Equal,
    Concurrent,
}

/// `POOL` pairs of clocks; both clocks of a pair have the same `nodes` nodes.
pub(crate) fn pairs(nodes: usize, relation: Relation) -> Vec<(Clock, Clock)> {
    let mut random = SplitMix(nodes as u64);
    (0..POOL).map(|_| random.pair(nodes, relation)).collect()
}

/// The SplitMix64 generator (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*,
/// 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A version: a time within one year, in nanoseconds.
    fn version(&mut self) -> u64 {
        1_800_000_000_000_000_000 + self.next() % 31_557_600_000_000_000
    }

    fn clock(&mut self, nodes: usize) -> Clock {
        let mut clock: Clock = (0..nodes).map(|_| (self.next(), self.version())).collect();
        clock.sort_unstable();
        clock
    }

    fn pair(&mut self, nodes: usize, relation: Relation) -> (Clock, Clock) {
        let mut left = self.clock(nodes);
        let mut right = left.clone();
        // The first and the last entry ensure the relation, regardless of the random ones.
        let last = nodes - 1;
        match relation {
            Relation::Equal => {}
            Relation::Before => {
                right.iter_mut().for_each(|entry| entry.1 += self.next() % 3);
                right[last].1 = left[last].1 + 1;
            }
            Relation::Concurrent => {
                right.iter_mut().for_each(|entry| entry.1 = self.version());
                right[0].1 = left[0].1 + 1;
                left[last].1 = right[last].1 + 1;
            }
        }
        (left, right)
    }
}
