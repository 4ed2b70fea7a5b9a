//! The order of peers: a shuffled round robin.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::Random;

/// Visits every eligible peer once before any peer twice, in a new order each round.
///
/// Random choice could skip a peer for a long time; a fixed order could make all nodes contact the
/// same peer at the same time.
#[derive(Debug)]
pub(super) struct Rotation<P> {
    queue: VecDeque<P>,
}

impl<P: Copy + Ord> Rotation<P> {
    pub(super) const fn new() -> Self {
        Self { queue: VecDeque::new() }
    }

    /// Returns up to `count` distinct peers from `eligible`; those left in the current round come
    /// first.
    pub(super) fn next(
        &mut self,
        count: usize,
        eligible: &BTreeSet<P>,
        random: &mut Random,
    ) -> Vec<P> {
        let mut chosen = Vec::new();
        // Two passes reach every eligible peer: the rest of this round, then a whole new round.
        for _pass in 0..2 {
            let mut passed_over = VecDeque::new();
            while chosen.len() < count {
                let Some(peer) = self.queue.pop_front() else { break };
                match (eligible.contains(&peer), chosen.contains(&peer)) {
                    (true, false) => chosen.push(peer),
                    (true, true) => passed_over.push_back(peer),
                    (false, _) => {}
                }
            }
            passed_over.append(&mut self.queue);
            self.queue = passed_over;
            if chosen.len() == count {
                break;
            }
            self.refill(eligible, random);
        }
        chosen
    }

    fn refill(&mut self, eligible: &BTreeSet<P>, random: &mut Random) {
        let queued: BTreeSet<P> = self.queue.iter().copied().collect();
        let mut turn: Vec<P> = eligible.difference(&queued).copied().collect();
        random.shuffle(&mut turn);
        self.queue.extend(turn);
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_peer_is_visited_once_a_turn() {
        let peers: BTreeSet<u8> = (0..7).collect();
        let (mut rotation, mut random) = (Rotation::new(), Random::new(3));
        let mut visits = BTreeMap::new();
        for _ in 0..70 {
            let chosen = rotation.next(3, &peers, &mut random);
            assert_eq!(chosen.len(), 3);
            chosen.into_iter().for_each(|peer| *visits.entry(peer).or_insert(0) += 1);
        }
        assert_eq!(visits.len(), 7);
        assert!(visits.values().all(|n| (29..=31).contains(n)), "{visits:?}");
    }

    #[test]
    fn a_choice_holds_eligible_peers_once() {
        let peers: BTreeSet<u8> = [0, 1].into();
        let (mut rotation, mut random) = (Rotation::new(), Random::new(3));
        for _ in 0..10 {
            let mut chosen = rotation.next(5, &peers, &mut random);
            chosen.sort_unstable();
            assert_eq!(chosen, [0, 1]);
        }
        assert_eq!(rotation.next(5, &[0].into(), &mut random), [0]);
        assert!(rotation.next(5, &BTreeSet::new(), &mut random).is_empty());
    }
}
