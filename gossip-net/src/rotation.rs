//! Whom to talk to next: a shuffled round robin.

use std::collections::VecDeque;

use fastrand::Rng;

use crate::NodeId;

/// Visits every peer once before any peer twice, in an order that is new each time round.
///
/// Random choice would leave a peer out for long stretches by bad luck; a fixed order would make
/// all nodes call on the same peer at the same time.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    queue: VecDeque<NodeId>,
}

impl Rotation {
    /// Up to `count` distinct peers out of `eligible`, those that waited longest first.
    pub(crate) fn next(&mut self, count: usize, eligible: &[NodeId], rng: &mut Rng) -> Vec<NodeId> {
        let mut chosen = Vec::new();
        // Two passes reach every eligible peer: the rest of this turn, then a whole new turn.
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
            self.refill(eligible, rng);
        }
        chosen
    }

    fn refill(&mut self, eligible: &[NodeId], rng: &mut Rng) {
        let mut turn: Vec<_> =
            eligible.iter().filter(|peer| !self.queue.contains(peer)).copied().collect();
        rng.shuffle(&mut turn);
        self.queue.extend(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn peers(n: u8) -> Vec<NodeId> {
        (0..n).map(|n| NodeId::from([n; 32])).collect()
    }

    #[test]
    fn everybody_is_visited_once_a_turn() {
        let (peers, mut rotation, mut rng) = (peers(7), Rotation::default(), Rng::with_seed(3));
        let mut visits = BTreeMap::new();
        for _ in 0..70 {
            let chosen = rotation.next(3, &peers, &mut rng);
            assert_eq!(chosen.len(), 3);
            chosen.into_iter().for_each(|peer| *visits.entry(peer).or_insert(0) += 1);
        }
        assert_eq!(visits.len(), 7);
        assert!(visits.values().all(|n| (29..=31).contains(n)), "{visits:?}");
    }

    #[test]
    fn a_choice_holds_nobody_twice_and_nobody_else() {
        let (peers, mut rotation, mut rng) = (peers(2), Rotation::default(), Rng::with_seed(3));
        for _ in 0..10 {
            let mut chosen = rotation.next(5, &peers, &mut rng);
            chosen.sort();
            assert_eq!(chosen, peers);
        }
        assert_eq!(rotation.next(5, &peers[..1], &mut rng), &peers[..1]);
        assert!(rotation.next(5, &[], &mut rng).is_empty());
    }
}
