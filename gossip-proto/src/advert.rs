//! Root adverts: a datagram that says how this node's spaces stand.
//!
//! An advert is a hint. It may be lost, repeated or late; a node that receives a root which differs from
//! its own opens a session, and only the session decides anything. It has a version of its own,
//! since it travels beside the messages of a membership protocol and not in a session.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::limits::MAX_ADVERT;
use crate::message::SpaceRoot;
use crate::wire::{Reader, put_count};
use crate::{DecodeError, SpaceId, Summary, short};

/// The version of the layout of adverts.
pub const ADVERT_VERSION: u8 = 1;

const MAGIC: [u8; 2] = *b"EA";
/// One space, in full.
const FULL: u8 = 0;
/// Many spaces, as pairs of short hashes.
const PAIRS: u8 = 1;
/// Magic, version, form, and a count of at most two bytes.
const PAIRS_OVERHEAD: usize = 6;
const PAIR: usize = 16;

/// The first 8 bytes of SHA-256 of a space's name, and of its root.
type Pair = ([u8; 8], [u8; 8]);

/// The roots of a node's spaces, as far as they fit into a datagram.
///
/// One space is told in full, 48 bytes for a short name. Several are told as pairs of 8 bytes each:
/// of SHA-256 of the name, and of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootAdvert(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Full(SpaceRoot),
    /// Strictly ascending by space.
    Pairs(Vec<Pair>),
}

impl RootAdvert {
    /// How many spaces are told in at most `room` bytes, if there are several.
    pub fn capacity(room: usize) -> usize {
        room.min(MAX_ADVERT).saturating_sub(PAIRS_OVERHEAD) / PAIR
    }

    /// Encodes the roots of `spaces` into at most `room` bytes.
    ///
    /// If not all fit, the first [`capacity`](Self::capacity) are told: put those first that changed,
    /// and let the others take turns. Without room for anything the advert is empty.
    pub fn encode(spaces: &[(SpaceId, Summary)], room: usize) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(ADVERT_VERSION);
        if let [(space, summary)] = spaces {
            let mut full = out.clone();
            full.push(FULL);
            SpaceRoot::new(space, summary).encode(&mut full);
            if full.len() <= room {
                return full;
            }
        }
        let told = spaces.iter().take(Self::capacity(room));
        let mut pairs: Vec<_> =
            told.map(|(space, summary)| (tag(space), short(&summary.root))).collect();
        pairs.sort_unstable();
        pairs.dedup_by_key(|(tag, _)| *tag);
        out.push(PAIRS);
        put_count(&mut out, pairs.len());
        for (space, root) in &pairs {
            out.extend_from_slice(space);
            out.extend_from_slice(root);
        }
        out
    }

    /// Reads an advert.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but the one encoding of an advert of this version; ignore it then.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_ADVERT {
            let (value, cap) = (bytes.len() as u64, MAX_ADVERT as u64);
            return Err(DecodeError::OverLimit { what: "bytes of an advert", value, cap });
        }
        let mut r = Reader::new(bytes);
        let magic = r.array("an advert")?;
        if magic != MAGIC {
            return Err(DecodeError::Magic(magic));
        }
        let version: u8 = r.take("the version of an advert")?;
        if version != ADVERT_VERSION {
            return Err(DecodeError::Version { ours: ADVERT_VERSION, theirs: version });
        }
        let form = match r.take::<u8>("the form of an advert")? {
            FULL => Form::Full(SpaceRoot::decode(&mut r)?),
            PAIRS => Form::Pairs(take_pairs(&mut r)?),
            _ => return Err(DecodeError::Invalid("the form of an advert")),
        };
        r.end()?;
        Ok(Self(form))
    }

    /// The first 8 bytes of the root that is told for `space`; `None` if it is not mentioned.
    pub fn root_of(&self, space: &SpaceId) -> Option<[u8; 8]> {
        match &self.0 {
            Form::Full(told) => (told.space == *space).then(|| short(&told.root)),
            Form::Pairs(pairs) => {
                let at = pairs.binary_search_by_key(&tag(space), |(tag, _)| *tag).ok()?;
                Some(pairs[at].1)
            }
        }
    }

    /// The told roots, cut to 8 bytes, that differ from these of the same space.
    pub fn differing(&self, ours: &[(SpaceId, Summary)]) -> Vec<[u8; 8]> {
        let told = ours.iter().filter_map(|(space, summary)| {
            let theirs = self.root_of(space)?;
            (theirs != short(&summary.root)).then_some(theirs)
        });
        told.collect()
    }

    /// The one space that is told in full, with its count and generation.
    pub fn full(&self) -> Option<&SpaceRoot> {
        match &self.0 {
            Form::Full(told) => Some(told),
            Form::Pairs(_) => None,
        }
    }
}

fn take_pairs(r: &mut Reader<'_>) -> Result<Vec<Pair>, DecodeError> {
    let cap = RootAdvert::capacity(MAX_ADVERT);
    let pairs = r.list("spaces of an advert", cap, PAIR, |r| {
        Ok((r.array("a space of an advert")?, r.array("a root of an advert")?))
    })?;
    if pairs.is_sorted_by(|(a, _), (b, _)| a < b) {
        Ok(pairs)
    } else {
        Err(DecodeError::NotCanonical("the order of an advert"))
    }
}

fn tag(space: &SpaceId) -> [u8; 8] {
    short(&Sha256::digest(space.as_str().as_bytes()).into())
}
