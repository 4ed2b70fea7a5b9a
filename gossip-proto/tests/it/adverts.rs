//! Root adverts: their size, their spaces, and their version.

use crate::common::space;
use engram_gossip_proto::{
    ADVERT_VERSION, AdvertisedRoot, DecodeError, RootAdvert, SpaceId, Summary,
};

fn spaces(count: usize) -> Vec<(SpaceId, Summary)> {
    let summary = |i: usize| Summary { root: [i as u8 + 1; 32], count: 10_000, generation: 300 };
    (0..count).map(|i| (space(&format!("topic-{i:02}")), summary(i))).collect()
}

fn told(spaces: &[(SpaceId, Summary)], room: usize) -> RootAdvert {
    let bytes = RootAdvert::encode(spaces, room);
    assert!(bytes.len() <= room.max(4));
    RootAdvert::decode(&bytes).unwrap()
}

#[test]
fn a_space_takes_twenty_bytes() {
    let one = [(space("default"), spaces(1)[0].1)];
    assert_eq!(RootAdvert::encode(&one, 1_100).len(), 24);
    let advert = told(&one, 24);
    assert_eq!(advert.get(&one[0].0), Some(AdvertisedRoot { root: [1; 8], count: 10_000 }));
    assert_eq!(advert.get(&space("another")), None);
}

#[test]
fn record_count_saturates() {
    let summary = Summary { root: [1; 32], count: 1 << 40, generation: 1 };
    assert_eq!(AdvertisedRoot::of(&summary).count, u32::MAX);
}

#[test]
fn advert_takes_the_first_spaces_that_fit() {
    let many = spaces(90);
    assert_eq!(RootAdvert::capacity(1_100), 54);
    for room in [0, 4, 24, 100, 1_000, 1_100, 5_000] {
        let advert = told(&many, room);
        let fit = RootAdvert::capacity(room).min(90);
        for (at, (space, summary)) in many.iter().enumerate() {
            let expected = (at < fit).then(|| AdvertisedRoot::of(summary));
            assert_eq!(advert.get(space), expected, "{room}: {at}");
        }
    }
}

#[test]
fn the_error_names_the_version_of_the_advert() {
    let mut bytes = RootAdvert::encode(&spaces(1), 100);
    bytes[2] = ADVERT_VERSION + 1;
    let error = RootAdvert::decode(&bytes).unwrap_err();
    assert_eq!(
        error,
        DecodeError::AdvertVersion { ours: ADVERT_VERSION, theirs: ADVERT_VERSION + 1 }
    );
    assert!(error.to_string().starts_with("advert version 2 is not supported"), "{error}");
}
