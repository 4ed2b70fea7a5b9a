//! Root adverts: small, and honest about what they do not say.

mod common;

use common::space;
use engram_gossip_proto::{RootAdvert, SpaceId, Summary};

fn spaces(count: usize) -> Vec<(SpaceId, Summary)> {
    let summary = |i: usize| Summary { root: [i as u8 + 1; 32], count: 10_000, generation: 300 };
    (0..count).map(|i| (space(&format!("topic-{i:02}")), summary(i))).collect()
}

fn told(spaces: &[(SpaceId, Summary)], room: usize) -> RootAdvert {
    let bytes = RootAdvert::encode(spaces, room);
    assert!(bytes.len() <= room.max(5));
    RootAdvert::decode(&bytes).unwrap()
}

#[test]
fn one_space_is_told_in_full() {
    let one = [(space("default"), spaces(1)[0].1)];
    assert_eq!(RootAdvert::encode(&one, 1_100).len(), 48);
    let advert = told(&one, 1_100);
    let full = advert.full().unwrap();
    assert_eq!((full.root, full.count, full.generation), ([1; 32], 10_000, 300));
    assert_eq!(advert.root_of(&one[0].0), Some([1; 8]));
    assert_eq!(advert.root_of(&space("another")), None);
}

#[test]
fn one_space_without_room_is_told_in_short() {
    let one = spaces(1);
    let advert = told(&one, 30);
    assert!(advert.full().is_none());
    assert_eq!(advert.root_of(&one[0].0), Some([1; 8]));
}

#[test]
fn as_many_spaces_as_fit_the_first_ones_first() {
    let many = spaces(90);
    assert_eq!(RootAdvert::capacity(1_100), 68);
    for room in [0, 5, 22, 100, 1_000, 1_100, 5_000] {
        let advert = told(&many, room);
        let fit = RootAdvert::capacity(room).min(90);
        for (at, (space, summary)) in many.iter().enumerate() {
            let short = *summary.root.first_chunk().unwrap();
            assert_eq!(advert.root_of(space), (at < fit).then_some(short), "{room}: {at}");
        }
    }
}

#[test]
fn only_roots_of_common_spaces_differ() {
    let mut ours = spaces(5);
    let advert = told(&spaces(3), 1_100);
    assert!(advert.differing(&ours).is_empty());
    ours[1].1.root = [99; 32];
    ours[4].1.root = [99; 32];
    assert_eq!(advert.differing(&ours), [[2; 8]]);
}
