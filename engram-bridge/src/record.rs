//! The replicated state of one pattern id: who wrote what, and who has seen what.

use std::collections::BTreeSet;
use std::sync::Arc;

use engram_gossip_proto as wire;
use engram_gossip_proto::Rejection;
use engram_merkle::{AnyHasher, Digest};
use engram_vclock::{Actor, Dot, Siblings, VectorClock};

use crate::content::validate_id;
use crate::encoding::{Cursor, hash, put_bytes, put_count};

/// The most live writes of one record.
pub const MAX_DOTS: usize = 1_024;
/// The most different contents of one record.
pub const MAX_CONTENTS: usize = 64;
/// The most digests that one tombstone remembers.
pub const MAX_BURIED: usize = 1_024;

const TAG: &[u8; 8] = b"ecb1reco";
const CONTENT: u8 = 0;
const TOMBSTONE: u8 = 1;
/// What an actor and a counter take.
pub(crate) const WRITE: usize = 32 + 8 + 8;
/// What a live write takes at least: its name, and the kind of its body.
const LEAST_SIBLING: usize = WRITE + 1;

/// What one write left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// A content, by its digest.
    Content(Digest),
    /// A deletion, and what it buried, in ascending order.
    Tombstone(Arc<[Digest]>),
}

/// The siblings of one pattern id with their causal context.
pub(crate) type Record = Siblings<Body>;

/// The different contents that are live, ascending by digest.
pub(crate) fn contents(record: &Record) -> BTreeSet<Digest> {
    let contents = record.values().filter_map(|body| match body {
        Body::Content(digest) => Some(*digest),
        Body::Tombstone(_) => None,
    });
    contents.collect()
}

/// What the live tombstones buried.
pub(crate) fn buried(record: &Record) -> BTreeSet<Digest> {
    let tombstones = record.values().filter_map(|body| match body {
        Body::Content(_) => None,
        Body::Tombstone(buried) => Some(buried),
    });
    tombstones.flat_map(|buried| buried.iter().copied()).collect()
}

/// Whether nothing but deletions lives, or not even they.
pub(crate) fn is_deleted(record: &Record) -> bool {
    record.values().all(|body| matches!(body, Body::Tombstone(_)))
}

/// Whether it is the record of an id of which nothing was ever heard.
pub(crate) fn is_bottom(record: &Record) -> bool {
    record.is_empty() && record.context().is_empty()
}

/// What is left of a record that was reaped: everything that it has seen, and nothing that lives.
pub(crate) fn husk(seen: VectorClock) -> Record {
    Siblings::from_parts(Vec::new(), seen).expect("nothing lives that could be out of order")
}

/// The digest of a record: of its id, its dots with their bodies, and its context.
pub(crate) fn digest(id: &str, record: &Record, hasher: &AnyHasher) -> Digest {
    let mut bytes = Vec::with_capacity(256);
    put_bytes(&mut bytes, id.as_bytes());
    encode(&mut bytes, record);
    hash(hasher, TAG, &bytes)
}

/// The bytes of a record: what is hashed, and what is stored.
pub(crate) fn encode(bytes: &mut Vec<u8>, record: &Record) {
    put_count(bytes, record.len());
    for (dot, body) in record.iter() {
        put_actor(bytes, &dot.actor);
        bytes.extend(dot.counter.to_le_bytes());
        match body {
            Body::Content(digest) => {
                bytes.push(CONTENT);
                bytes.extend(digest.as_bytes());
            }
            Body::Tombstone(buried) => {
                bytes.push(TOMBSTONE);
                put_count(bytes, buried.len());
                bytes.extend(buried.iter().flat_map(|digest| *digest.as_bytes()));
            }
        }
    }
    put_count(bytes, record.context().len());
    for (actor, counter) in record.context().iter() {
        put_actor(bytes, actor);
        bytes.extend(counter.to_le_bytes());
    }
}

/// The inverse of [`encode`]; `None` if these are not the bytes of a record, or not at their begin.
pub(crate) fn decode(bytes: &mut Cursor<'_>) -> Option<Record> {
    let count = bytes.count(LEAST_SIBLING)?;
    let mut live = Vec::with_capacity(count);
    for _ in 0..count {
        let (actor, counter) = take_write(bytes)?;
        let body = match bytes.byte()? {
            CONTENT => Body::Content(bytes.array::<32>()?.into()),
            TOMBSTONE => Body::Tombstone(take_digests(bytes)?),
            _ => return None,
        };
        live.push((Dot::new(actor, counter), body));
    }
    let count = bytes.count(WRITE)?;
    let mut context = Vec::with_capacity(count);
    for _ in 0..count {
        context.push(take_write(bytes)?);
    }
    Siblings::from_parts(live, VectorClock::from_sorted(context).ok()?).ok()
}

pub(crate) fn take_write(bytes: &mut Cursor<'_>) -> Option<(Actor, u64)> {
    let actor = Actor { node: bytes.array()?, incarnation: bytes.number()? };
    Some((actor, bytes.number()?))
}

fn take_digests(bytes: &mut Cursor<'_>) -> Option<Arc<[Digest]>> {
    let count = bytes.count(32)?;
    let (digests, _) = bytes.take(32 * count)?.as_chunks::<32>();
    Some(digests.iter().map(|digest| Digest::from(*digest)).collect())
}

pub(crate) fn put_actor(bytes: &mut Vec<u8>, actor: &Actor) {
    bytes.extend(actor.node);
    bytes.extend(actor.incarnation.to_le_bytes());
}

/// A record as it travels.
pub(crate) fn to_wire(id: &str, record: &Record) -> wire::Record {
    let body = |body: &Body| match body {
        Body::Content(digest) => wire::Body::Content((*digest).into()),
        Body::Tombstone(buried) => {
            wire::Body::Tombstone { buried: buried.iter().map(|digest| (*digest).into()).collect() }
        }
    };
    wire::Record {
        id: id.to_owned(),
        siblings: record
            .iter()
            .map(|(dot, value)| {
                let actor = actor_to_wire(&dot.actor);
                (wire::Dot { actor, counter: dot.counter }, body(value))
            })
            .collect(),
        context: record
            .context()
            .iter()
            .map(|(actor, counter)| (actor_to_wire(actor), counter))
            .collect(),
    }
}

/// Takes a record as it came from a peer, if it is canonical and within the limits.
pub(crate) fn from_wire(record: wire::Record) -> Result<(String, Record), Rejection> {
    validate_id(&record.id).map_err(|_| Rejection::InvalidRecord)?;
    if record.siblings.len() > MAX_DOTS {
        return Err(Rejection::OverLimit);
    }
    let context = record.context.into_iter();
    let context = context.map(|(actor, counter)| (actor_from_wire(&actor), counter));
    let context = VectorClock::from_sorted(context).map_err(|_| Rejection::InvalidRecord)?;
    let live: Result<Vec<_>, Rejection> = record
        .siblings
        .into_iter()
        .map(|(dot, body)| {
            Ok((Dot::new(actor_from_wire(&dot.actor), dot.counter), body_from_wire(body)?))
        })
        .collect();
    let siblings = Siblings::from_parts(live?, context).map_err(|_| Rejection::InvalidRecord)?;
    if contents(&siblings).len() > MAX_CONTENTS {
        return Err(Rejection::OverLimit);
    }
    Ok((record.id, siblings))
}

fn body_from_wire(body: wire::Body) -> Result<Body, Rejection> {
    let buried = match body {
        wire::Body::Content(digest) => return Ok(Body::Content(digest.into())),
        wire::Body::Tombstone { buried } => buried,
    };
    if buried.len() > MAX_BURIED {
        return Err(Rejection::OverLimit);
    }
    if !buried.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(Rejection::InvalidRecord);
    }
    Ok(Body::Tombstone(buried.into_iter().map(Digest::from).collect()))
}

/// The join of what is held and what arrived; `None` if it holds nothing new.
///
/// How far counters leap is not judged here: they count all writes of a node, so that they leap
/// from record to record. The writer judges it, by all that this node has ever seen.
pub(crate) fn join(held: Option<&Record>, arrived: &Record) -> Result<Option<Record>, Rejection> {
    let mut joined = held.cloned().unwrap_or_default();
    // One dot with two bodies is a forgery or a counter used twice: joining it would leave the
    // replicas different for ever.
    if joined.disputed(arrived).is_some() {
        return Err(Rejection::InvalidRecord);
    }
    if !joined.join(arrived) {
        return Ok(None);
    }
    if joined.len() > MAX_DOTS || contents(&joined).len() > MAX_CONTENTS {
        return Err(Rejection::OverLimit);
    }
    Ok(Some(joined))
}

fn actor_to_wire(actor: &Actor) -> wire::Actor {
    wire::Actor { node: actor.node, incarnation: actor.incarnation }
}

fn actor_from_wire(actor: &wire::Actor) -> Actor {
    Actor { node: actor.node, incarnation: actor.incarnation }
}

#[cfg(test)]
mod tests {
    use engram_vclock::MAX_COUNTER;

    use super::*;

    const A: Actor = Actor { node: [0xaa; 32], incarnation: 1 };
    const B: Actor = Actor { node: [0xbb; 32], incarnation: 0x5eed };

    fn record() -> Record {
        let mut record = Record::new();
        record.submit(Dot::new(A, 3), Body::Content(Digest::from([1; 32]))).unwrap();
        let buried = [Digest::from([2; 32]), Digest::from([3; 32])];
        record.submit(Dot::new(B, 9), Body::Tombstone(Arc::from(buried))).unwrap();
        record
    }

    /// Changing one of these means that old and new nodes can never agree: it needs a new tag.
    #[test]
    fn golden_digests() {
        let digest = |hasher| digest("pattern_7", &record(), &hasher).to_string();
        assert_eq!(
            digest(AnyHasher::Sha256),
            "ab22804f181f3da595af972b6ed329bebdb5fe0072c7aa27cd9d316c03e089f7"
        );
        assert_eq!(
            digest(AnyHasher::Blake3),
            "c3f35f79be7a497b9bd5275fb7d4e4bdd023f2922afe9b42b9241caff97755ea"
        );
    }

    #[test]
    fn the_wire_form_round_trips() {
        let wire = to_wire("p", &record());
        assert_eq!(from_wire(wire.clone()), Ok(("p".to_owned(), record())));
        assert_eq!(to_wire("p", &record()), wire);
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        let refused = |change: fn(&mut wire::Record)| {
            let mut wire = to_wire("p", &record());
            change(&mut wire);
            from_wire(wire).map(|(_, record)| record)
        };
        for change in [
            (|r| r.id.clear()) as fn(&mut wire::Record),
            |r| r.siblings.reverse(),
            |r| r.context.reverse(),
            |r| r.siblings[1].0 = r.siblings[0].0,
            |r| _ = r.context.remove(1),
            |r| r.context[0].1 = 2,
            |r| r.context[0].1 = 0,
            |r| r.context[0].1 = MAX_COUNTER + 1,
            |r| r.siblings[0].0.counter = 0,
            |r| r.siblings[1].1 = wire::Body::Tombstone { buried: vec![[3; 32], [2; 32]] },
            |r| r.siblings[1].1 = wire::Body::Tombstone { buried: vec![[2; 32]; 2] },
        ] {
            assert_eq!(refused(change), Err(Rejection::InvalidRecord));
        }
    }

    /// A record with `dots` live writes, the first `contents` of them of different contents.
    fn crowded(dots: u64, contents: u64) -> Record {
        let live = (1..=dots).map(|n| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.min(contents).to_be_bytes());
            let actor = Actor { node: [7; 32], incarnation: n };
            (Dot::new(actor, 1), Body::Content(digest.into()))
        });
        let context = (1..=dots).map(|n| (Actor { node: [7; 32], incarnation: n }, 1));
        Siblings::from_parts(live.collect(), VectorClock::from_sorted(context).unwrap()).unwrap()
    }

    #[test]
    fn limits_are_reached_and_not_passed() {
        let (dots, contents) = (MAX_DOTS as u64, MAX_CONTENTS as u64);
        assert!(from_wire(to_wire("p", &crowded(dots, contents))).is_ok());
        for record in [crowded(dots + 1, 1), crowded(dots, contents + 1)] {
            assert_eq!(from_wire(to_wire("p", &record)), Err(Rejection::OverLimit));
        }
        let mut wire = to_wire("p", &record());
        let buried = (0..=MAX_BURIED).map(|n| Digest::from([n as u8; 32]).into()).collect();
        wire.siblings[1].1 = wire::Body::Tombstone { buried };
        assert_eq!(from_wire(wire), Err(Rejection::OverLimit));
    }

    #[test]
    fn a_join_stays_within_the_limits_too() {
        let mut other = Record::new();
        other.submit(Dot::new(A, 1), Body::Content(Digest::from([9; 32]))).unwrap();
        let full = crowded(MAX_CONTENTS as u64, MAX_CONTENTS as u64);
        assert_eq!(join(Some(&full), &other), Err(Rejection::OverLimit));
    }

    #[test]
    fn a_dot_with_two_bodies_is_refused() {
        let mut forged = Record::new();
        forged.submit(Dot::new(A, 3), Body::Content(Digest::from([4; 32]))).unwrap();
        assert_eq!(join(Some(&record()), &forged), Err(Rejection::InvalidRecord));
    }
}
