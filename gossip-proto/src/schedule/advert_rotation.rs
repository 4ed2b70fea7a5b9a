//! Selects the spaces of an advert if not all of them fit into a datagram.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::{RootAdvert, SpaceId, Summary};

/// Advertises changed spaces first, each in several adverts, and rotates all spaces of equal rank.
#[derive(Debug)]
pub(super) struct AdvertRotation {
    /// The hosted spaces, advertised or not. Used only while not all spaces fit.
    told: BTreeMap<SpaceId, Told>,
    /// Number of adverts so far that could not name all spaces.
    adverts: u64,
}

/// What the adverts so far announced about a space.
#[derive(Clone, Copy, Debug)]
struct Told {
    root: [u8; 32],
    /// Number of adverts counted for this root; a new space starts with one less than `repeats`.
    times: usize,
    /// The number of the last advert that named the space; 0 if none has named it.
    last: u64,
}

impl AdvertRotation {
    pub(super) const fn new() -> Self {
        Self { told: BTreeMap::new(), adverts: 0 }
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
        self.follow(spaces, repeats);
        let rank = |(space, now): &(SpaceId, Summary)| match self.told[space] {
            told if told.root == now.root => (told.times.min(repeats), told.last),
            told => (0, told.last),
        };
        let mut next: Vec<_> = spaces.iter().map(|space| (rank(space), space)).collect();
        next.sort_by_key(|(rank, _)| *rank);
        next.truncate(capacity);
        self.adverts += 1;
        for ((times, _), (space, now)) in &next {
            let told = Told { root: now.root, times: times + 1, last: self.adverts };
            self.told.insert(space.clone(), told);
        }
        let next: Vec<_> = next.into_iter().map(|(_, space)| space.clone()).collect();
        RootAdvert::encode(&next, room)
    }

    /// Adds new spaces, each of which counts as changed for one advert, and drops those that are no
    /// longer hosted.
    fn follow(&mut self, spaces: &[(SpaceId, Summary)], repeats: usize) {
        for (space, now) in spaces {
            if !self.told.contains_key(space) {
                let told = Told { root: now.root, times: repeats - 1, last: 0 };
                self.told.insert(space.clone(), told);
            }
        }
        if self.told.len() > spaces.len() {
            let hosts = |space: &SpaceId| spaces.binary_search_by(|(id, _)| id.cmp(space)).is_ok();
            self.told.retain(|space, _| hosts(space));
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

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

    /// More spaces change before each advert than fit into it.
    #[test]
    fn spaces_that_always_change_take_turns() {
        let room = 4 + 20 * 10;
        let (mut rotation, mut heard) = (AdvertRotation::new(), BTreeSet::new());
        for root in 0..10 {
            let mut spaces = spaces(25, 25);
            spaces.iter_mut().for_each(|(_, summary)| summary.root = [root; 32]);
            heard.extend(told(&rotation.next_advert(&spaces, room, 8), &spaces));
        }
        assert_eq!(heard.len(), 25, "{heard:?}");
    }

    #[test]
    fn removed_spaces_are_forgotten() {
        let mut rotation = AdvertRotation::new();
        for n in 0..100 {
            let spaces: Vec<_> = spaces(200, 200).split_off(n);
            rotation.next_advert(&spaces, 4 + 20 * 10, 8);
        }
        assert!(rotation.told.len() <= 101, "{}", rotation.told.len());
    }
}
