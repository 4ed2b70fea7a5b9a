//! Selects the spaces of an advert if not all of them fit into a datagram.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::{RootAdvert, SpaceId, Summary};

/// Advertises changed spaces first, each in several adverts, and rotates the others.
#[derive(Debug)]
pub(super) struct AdvertRotation {
    /// The last advertised root of each space, with the number of adverts that named it. Used only
    /// while not all spaces fit.
    told: BTreeMap<SpaceId, ([u8; 32], usize)>,
    turn: usize,
}

impl AdvertRotation {
    pub(super) const fn new() -> Self {
        Self { told: BTreeMap::new(), turn: 0 }
    }

    /// Encodes the next advert of `spaces` in at most `room` bytes. A space counts as changed until
    /// `repeats` adverts have named its new root; `repeats` must be at least 1.
    pub(super) fn next_advert(
        &mut self,
        spaces: &[(SpaceId, Summary)],
        room: usize,
        repeats: usize,
    ) -> Vec<u8> {
        let capacity = RootAdvert::capacity(room);
        if spaces.len() <= capacity {
            return RootAdvert::encode(spaces, room);
        }
        let times = |(space, now): &(SpaceId, Summary)| match self.told.get(space) {
            Some((root, times)) if *root == now.root => (*times).min(repeats),
            Some(_) => 0,
            None => repeats - 1,
        };
        let mut spaces = spaces.to_vec();
        let len = spaces.len();
        spaces.rotate_left(self.turn % len);
        // The sort is stable, so that unchanged spaces keep their order.
        spaces.sort_by_key(times);
        spaces.truncate(capacity);
        let unchanged = spaces.iter().filter(|space| times(space) == repeats).count();
        self.turn = (self.turn + unchanged) % len;
        let told: Vec<_> = spaces
            .iter()
            .map(|space| (space.0.clone(), (space.1.root, times(space) + 1)))
            .collect();
        self.told.extend(told);
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
        (0..spaces.len()).filter(|i| advert.get(&spaces[*i].0).is_some()).collect()
    }

    #[test]
    fn advert_names_all_spaces_that_fit() {
        let spaces = spaces(5, 5);
        let mut rotation = AdvertRotation::new();
        for _ in 0..3 {
            assert_eq!(told(&rotation.next_advert(&spaces, 1000, 8), &spaces), [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn every_space_has_a_turn_and_changes_go_first() {
        let room = 4 + 20 * 10;
        let quiet = spaces(25, 25);
        let mut rotation = AdvertRotation::new();
        let mut heard: Vec<_> =
            (0..3).flat_map(|_| told(&rotation.next_advert(&quiet, room, 8), &quiet)).collect();
        heard.sort_unstable();
        heard.dedup();
        assert_eq!(heard.len(), 25);
        for changed in [3, 17, 24] {
            let spaces = spaces(25, changed);
            for _ in 0..8 {
                assert!(told(&rotation.next_advert(&spaces, room, 8), &spaces).contains(&changed));
            }
        }
    }
}
