//! Which spaces an advert tells, if not all of them fit into a datagram.

use std::collections::BTreeMap;

use engram_gossip_proto::{RootAdvert, SpaceId, Summary};

/// Tells the spaces that changed first, and lets the others take turns.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// The roots that were told last, of spaces that did not all fit.
    told: BTreeMap<SpaceId, [u8; 32]>,
    turn: usize,
}

impl Teller {
    /// An advert of `spaces` in at most `room` bytes.
    pub(crate) fn tell(&mut self, mut spaces: Vec<(SpaceId, Summary)>, room: usize) -> Vec<u8> {
        let capacity = RootAdvert::capacity(room);
        if spaces.len() > capacity {
            let len = spaces.len();
            spaces.rotate_left(self.turn % len);
            // Stable, so that the unchanged ones stay in their turn.
            spaces.sort_by_key(|(space, now)| self.told.get(space) == Some(&now.root));
            spaces.truncate(capacity);
            let unchanged =
                spaces.iter().filter(|(space, now)| self.told.get(space) == Some(&now.root));
            self.turn = (self.turn + unchanged.count()) % len;
            self.told.extend(spaces.iter().map(|(space, now)| (space.clone(), now.root)));
        }
        RootAdvert::encode(&spaces, room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaces(n: usize, changed: usize) -> Vec<(SpaceId, Summary)> {
        let summary = |i| Summary { root: [u8::from(i == changed); 32], count: 1, generation: 1 };
        (0..n).map(|i| (SpaceId::new(format!("space-{i:03}")).unwrap(), summary(i))).collect()
    }

    fn told(advert: &[u8], spaces: &[(SpaceId, Summary)]) -> Vec<usize> {
        let advert = RootAdvert::decode(advert).unwrap();
        (0..spaces.len()).filter(|i| advert.root_of(&spaces[*i].0).is_some()).collect()
    }

    #[test]
    fn what_fits_is_always_told() {
        let spaces = spaces(5, 5);
        let mut teller = Teller::default();
        for _ in 0..3 {
            assert_eq!(told(&teller.tell(spaces.clone(), 1000), &spaces), [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn everybody_has_a_turn_and_changes_go_first() {
        let room = 6 + 16 * 10;
        let quiet = spaces(25, 25);
        let mut teller = Teller::default();
        let mut heard: Vec<_> =
            (0..3).flat_map(|_| told(&teller.tell(quiet.clone(), room), &quiet)).collect();
        heard.sort_unstable();
        heard.dedup();
        assert_eq!(heard.len(), 25);
        for changed in [3, 17, 24] {
            let spaces = spaces(25, changed);
            assert!(told(&teller.tell(spaces.clone(), room), &spaces).contains(&changed));
        }
    }
}
