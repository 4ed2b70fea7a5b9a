//! Pairs of clocks from a fixed seed, the same for every crate.

/// How many pairs a measurement cycles through.
pub(crate) const POOL: usize = 64;

/// How the left clock of a pair relates to the right one.
#[derive(Clone, Copy)]
pub(crate) enum Relation {
    Before,
    Equal,
    Concurrent,
}

/// Two clocks as entries, ascending by actor.
pub(crate) struct Pair {
    pub(crate) left: Vec<(u64, u64)>,
    pub(crate) right: Vec<(u64, u64)>,
}

/// `POOL` pairs of clocks over the same `actors` random actors, with 1 to 200 events each.
pub(crate) fn pairs(actors: usize, relation: Relation) -> Vec<Pair> {
    let mut random = SplitMix(actors as u64);
    (0..POOL).map(|_| random.pair(actors, relation)).collect()
}

/// Steele, Lea, Flood: *Fast splittable pseudorandom number generators* (2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn pair(&mut self, actors: usize, relation: Relation) -> Pair {
        let mut left: Vec<(u64, u64)> =
            (0..actors).map(|_| (self.next(), 1 + self.next() % 200)).collect();
        left.sort_unstable();
        let mut right = left.clone();
        match relation {
            Relation::Equal => {}
            Relation::Before => right.iter_mut().for_each(|entry| entry.1 += self.next() % 3),
            Relation::Concurrent => {
                right.iter_mut().for_each(|entry| entry.1 = 1 + self.next() % 200)
            }
        }
        // Whatever the dice say, the relation holds.
        let last = actors - 1;
        match relation {
            Relation::Equal => {}
            Relation::Before => right[last].1 = left[last].1 + 1,
            Relation::Concurrent => {
                right[0].1 = left[0].1 + 1;
                left[last].1 = right[last].1 + 1;
            }
        }
        Pair { left, right }
    }
}
