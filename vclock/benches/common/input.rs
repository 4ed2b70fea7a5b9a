//! Clocks from a fixed seed, the same for every crate: random actors, 1 to 200 events each.

// Each benchmark uses a part.
#![allow(dead_code)]

/// How many inputs a measurement cycles through.
pub(crate) const POOL: usize = 64;

/// A clock as entries, ascending by actor.
pub(crate) type Clock = Vec<(u64, u64)>;

/// How the left clock of a pair relates to the right one.
#[derive(Clone, Copy)]
pub(crate) enum Relation {
    Before,
    Equal,
    Concurrent,
}

/// `POOL` pairs of clocks, both of a pair over the same `actors` actors.
pub(crate) fn pairs(actors: usize, relation: Relation) -> Vec<(Clock, Clock)> {
    let mut random = SplitMix(actors as u64);
    (0..POOL).map(|_| random.pair(actors, relation)).collect()
}

/// `POOL` clocks of `actors` actors each, all different.
pub(crate) fn clocks(actors: usize) -> Vec<Clock> {
    let mut random = SplitMix(actors as u64);
    (0..POOL).map(|_| random.clock(actors)).collect()
}

/// `POOL` clocks of `actors` actors each, all from one cluster of `cluster` actors.
pub(crate) fn frame(actors: usize, cluster: usize) -> Vec<Clock> {
    let mut random = SplitMix(actors as u64);
    let members: Vec<u64> = (0..cluster).map(|_| random.next()).collect();
    (0..POOL).map(|_| random.part(&members, actors)).collect()
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

    fn events(&mut self) -> u64 {
        1 + self.next() % 200
    }

    fn clock(&mut self, actors: usize) -> Clock {
        let mut clock: Clock = (0..actors).map(|_| (self.next(), self.events())).collect();
        clock.sort_unstable();
        clock
    }

    fn part(&mut self, members: &[u64], actors: usize) -> Clock {
        let mut members = members.to_vec();
        members.sort_by_cached_key(|_| self.next());
        let mut clock: Clock =
            members[..actors].iter().map(|&actor| (actor, self.events())).collect();
        clock.sort_unstable();
        clock
    }

    fn pair(&mut self, actors: usize, relation: Relation) -> (Clock, Clock) {
        let mut left = self.clock(actors);
        let mut right = left.clone();
        // Whatever the dice say, the first and the last entry make the relation hold.
        let last = actors - 1;
        match relation {
            Relation::Equal => {}
            Relation::Before => {
                right.iter_mut().for_each(|entry| entry.1 += self.next() % 3);
                right[last].1 = left[last].1 + 1;
            }
            Relation::Concurrent => {
                right.iter_mut().for_each(|entry| entry.1 = self.events());
                right[0].1 = left[0].1 + 1;
                left[last].1 = right[last].1 + 1;
            }
        }
        (left, right)
    }
}
