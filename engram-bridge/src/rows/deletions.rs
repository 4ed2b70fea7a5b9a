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
