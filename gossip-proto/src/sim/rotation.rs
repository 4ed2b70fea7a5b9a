//! Whom to talk to next.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::Random;

/// A shuffled round robin: every peer once before any peer twice, each turn in a new order.
///
/// The shuffle (Fisher-Yates) is done as far as it is asked for, so that ten thousand nodes do not
/// hold ten thousand lists of each other.
#[derive(Debug)]
pub(super) struct Rotation {
    us: usize,
    nodes: usize,
    drawn: usize,
    /// Places of the shuffled list that do not hold their own number.
    displaced: BTreeMap<usize, usize>,
    random: Random,
}

impl Rotation {
    pub(super) fn new(us: usize, nodes: usize, random: Random) -> Self {
        Self { us, nodes, drawn: 0, displaced: BTreeMap::new(), random }
    }

    /// Up to `count` distinct peers.
    pub(super) fn choose(&mut self, count: usize) -> Vec<usize> {
        let count = count.min(self.nodes.saturating_sub(1));
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let peer = self.draw();
            if peer != self.us && !chosen.contains(&peer) {
                chosen.push(peer);
            }
        }
        chosen
    }

    fn draw(&mut self) -> usize {
        if self.drawn == self.nodes {
            self.drawn = 0;
            self.displaced.clear();
        }
        let (here, there) = (self.drawn, self.drawn + self.random.below(self.nodes - self.drawn));
        self.drawn += 1;
        let place = |displaced: &BTreeMap<_, _>, n| displaced.get(&n).copied().unwrap_or(n);
        let (own, drawn) = (place(&self.displaced, here), place(&self.displaced, there));
        self.displaced.remove(&here);
        if there != here {
            self.displaced.insert(there, own);
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_visited_once_a_turn() {
        let mut rotation = Rotation::new(3, 10, Random::new(5));
        let mut visits = [0; 10];
        for _ in 0..30 {
            let chosen = rotation.choose(3);
            assert_eq!(chosen.len(), 3);
            chosen.into_iter().for_each(|peer| visits[peer] += 1);
        }
        assert_eq!(visits[3], 0);
        // A peer that a choice held already is passed over, so a turn may be short by one or two.
        assert!(
            visits.iter().enumerate().all(|(n, v)| n == 3 || (8..=12).contains(v)),
            "{visits:?}"
        );
    }

    #[test]
    fn a_choice_is_never_longer_than_the_list() {
        assert!(Rotation::new(0, 1, Random::new(1)).choose(3).is_empty());
        let mut pair = Rotation::new(0, 2, Random::new(1));
        assert_eq!((pair.choose(3), pair.choose(3)), (vec![1], vec![1]));
    }
}
