//! The rows by which a node remembers how far its deletions are on their way out.

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;
use engram_vclock::VectorClock;

use super::{FLOOR, checked, named, unchecked};
use crate::Timestamp;
use crate::deletions::{Floor, Since};
use crate::encoding::{Cursor, put_count};
use crate::record::{WRITE, put_actor, take_write};

/// A member of the roster, and the moment that it covers.
const MEMBER: usize = 32 + 8;

pub(crate) fn floor_key(space: &SpaceId) -> Vec<u8> {
    [FLOOR, space.as_str().as_bytes()].concat()
}

pub(crate) fn encode_floor(space: &SpaceId, floor: &Floor) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_count(&mut bytes, floor.covered.len());
    for (member, moment) in &floor.covered {
        bytes.extend(member.as_bytes());
        bytes.extend(moment.to_le_bytes());
    }
    put_count(&mut bytes, floor.floor.len());
    for (actor, counter) in floor.floor.iter() {
        put_actor(&mut bytes, actor);
        bytes.extend(counter.to_le_bytes());
    }
    checked(&floor_key(space), bytes)
}

/// Which space it is of, and the floor; without the latter if it is damaged.
pub(crate) fn decode_floor(key: &[u8], bytes: &[u8]) -> Option<(SpaceId, Option<Floor>)> {
    let space = named(key.strip_prefix(FLOOR)?)?;
    Some((space, unchecked(key, bytes).and_then(floor)))
}

fn floor(bytes: &[u8]) -> Option<Floor> {
    let mut bytes = Cursor::new(bytes);
    let mut covered = Vec::new();
    for _ in 0..bytes.count(MEMBER)? {
        covered.push((NodeId::from(bytes.array::<32>()?), bytes.number()?));
    }
    let mut floor = Vec::new();
    for _ in 0..bytes.count(WRITE)? {
        floor.push(take_write(&mut bytes)?);
    }
    let floor = VectorClock::from_sorted(floor).ok()?;
    bytes.end(Floor { covered: covered.into_iter().collect(), floor })
}

pub(crate) fn encode_since(key: &[u8], since: Since) -> Vec<u8> {
    let mut bytes = since.moment.to_le_bytes().to_vec();
    bytes.extend(since.at.as_nanoseconds().to_le_bytes());
    checked(key, bytes)
}

pub(crate) fn decode_since(key: &[u8], bytes: &[u8]) -> Option<Since> {
    let mut bytes = Cursor::new(unchecked(key, bytes)?);
    let moment = bytes.number()?;
    let at = Timestamp::from_nanoseconds(i64::from_le_bytes(bytes.array()?));
    bytes.end(Since { moment, at })
}

#[cfg(test)]
mod tests {
    use engram_merkle::AnyHasher;
    use engram_vclock::Actor;

    use super::*;
    use crate::encoding::hash;

    fn space() -> SpaceId {
        SpaceId::new("default").unwrap()
    }

    fn row() -> (Floor, Since) {
        let actor = Actor { node: [0xaa; 32], incarnation: 3 };
        let covered = [(NodeId::from([1; 32]), 7), (NodeId::from([2; 32]), 0)];
        let floor = VectorClock::from_sorted([(actor, 9)]).unwrap();
        let since = Since { moment: 8, at: Timestamp::from_nanoseconds(1_740_839_569) };
        (Floor { covered: covered.into_iter().collect(), floor }, since)
    }

    /// Changing one of these means that older stores can no longer be read: it needs a new schema.
    #[test]
    fn golden_rows() {
        let (floor, since) = row();
        let digest = |bytes: &[u8]| hash(&AnyHasher::Sha256, b"testrows", bytes).to_string();
        let digests =
            [digest(&encode_floor(&space(), &floor)), digest(&encode_since(b"an id", since))];
        assert_eq!(digests, GOLDEN);
    }

    const GOLDEN: [&str; 2] = [
        "798746231657d63867efce675c3f601dde97caa948545cb1e85f9c7606da9e92",
        "394af7dcb399c3fbe754156ca4ace04f038459217806a30ff45caa00db25b032",
    ];

    #[test]
    fn rows_round_trip_and_a_flipped_bit_or_a_cut_is_noticed() {
        let (floor, since) = row();
        let (key, floors, sinces) =
            (floor_key(&space()), encode_floor(&space(), &floor), encode_since(b"an id", since));
        assert_eq!(decode_floor(&key, &floors), Some((space(), Some(floor))));
        assert_eq!(decode_since(b"an id", &sinces), Some(since));
        assert_eq!(decode_since(b"another", &sinces), None);
        assert_eq!(decode_floor(b"rootdefault", &floors), None);
        for bit in 0..8 * floors.len() {
            let mut flipped = floors.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_floor(&key, &flipped), Some((space(), None)), "bit {bit}");
        }
        for len in 0..floors.len() {
            assert_eq!(decode_floor(&key, &floors[..len]), Some((space(), None)), "{len} bytes");
        }
        for len in 0..sinces.len() {
            assert_eq!(decode_since(b"an id", &sinces[..len]), None, "{len} bytes");
        }
    }
}
