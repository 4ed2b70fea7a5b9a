//! Root adverts: datagrams with the roots of a node's spaces.
//!
//! An advert is only a hint: it may be lost, repeated or late. If an advertised root differs from
//! the receiver's root of the same space, the receiver opens a session; only the session changes
//! state. Adverts have a separate version, because they travel alongside the messages of a
//! membership protocol and not in a session.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::limits::MAX_ADVERT;
use crate::wire::{Reader, put_count};
use crate::{DecodeError, SpaceId, Summary, short};

/// The version of the layout of adverts.
pub const ADVERT_VERSION: u8 = 1;

const MAGIC: [u8; 2] = *b"EA";
/// Size of the magic, the version, and a count of one byte.
const OVERHEAD: usize = 4;
/// Size of an entry: a short name, a short root, and a number of records.
const ENTRY: usize = 8 + 8 + 4;

/// The roots of as many of a node's spaces as fit into a datagram.
///
/// A space takes 20 bytes: the first 8 bytes of its name's SHA-256, the first 8 bytes of its root,
/// and the number of its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootAdvert {
    /// Strictly ascending by space.
    spaces: Vec<([u8; 8], AdvertisedRoot)>,
}

/// The root and the record count of one space, as an advert carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvertisedRoot {
    /// The first 8 bytes of the root.
    pub root: [u8; 8],
    /// Number of records in the space; saturates at [`u32::MAX`].
    pub count: u32,
}

impl AdvertisedRoot {
    /// Abbreviates a summary for an advert.
    pub fn of(summary: &Summary) -> Self {
        let count = u32::try_from(summary.count).unwrap_or(u32::MAX);
        Self { root: short(&summary.root), count }
    }
}

impl RootAdvert {
    /// Returns the number of spaces that fit into `room` bytes.
    pub fn capacity(room: usize) -> usize {
        room.min(MAX_ADVERT).saturating_sub(OVERHEAD) / ENTRY
    }

    /// Encodes the roots of `spaces` into at most `room` bytes. An advert without roots takes 4
    /// bytes, even if `room` is smaller.
    ///
    /// If not all spaces fit, only the first [`capacity`](Self::capacity) spaces are encoded: put
    /// changed spaces first and rotate the others. If there is no room for any space, the advert
    /// names none.
    pub fn encode(spaces: &[(SpaceId, Summary)], room: usize) -> Vec<u8> {
        let told = spaces.iter().take(Self::capacity(room));
        let mut told: Vec<_> =
            told.map(|(space, summary)| (tag(space), AdvertisedRoot::of(summary))).collect();
        told.sort_unstable_by_key(|(tag, _)| *tag);
        told.dedup_by_key(|(tag, _)| *tag);
        let mut out = MAGIC.to_vec();
        out.push(ADVERT_VERSION);
        put_count(&mut out, told.len());
        for (space, AdvertisedRoot { root, count }) in &told {
            out.extend_from_slice(space);
            out.extend_from_slice(root);
            out.extend_from_slice(&count.to_le_bytes());
        }
        out
    }

    /// Decodes an advert.
    ///
    /// # Errors
    /// [`DecodeError`] if `bytes` are not the canonical encoding of an advert of this version.
    /// Ignore such an advert.
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
            return Err(DecodeError::AdvertVersion { ours: ADVERT_VERSION, theirs: version });
        }
        let spaces = r.list("spaces of an advert", Self::capacity(MAX_ADVERT), ENTRY, |r| {
            let space = r.array("a space of an advert")?;
            let root = r.array("a root of an advert")?;
            let count = u32::from_le_bytes(r.array("a number of records of an advert")?);
            Ok((space, AdvertisedRoot { root, count }))
        })?;
        r.end()?;
        match spaces.is_sorted_by(|(a, _), (b, _)| a < b) {
            true => Ok(Self { spaces }),
            false => Err(DecodeError::NotCanonical("the order of an advert")),
        }
    }

    /// Returns the root and the count of `space`; `None` if the advert does not name the space.
    /// Takes O(log n) time for n spaces.
    pub fn get(&self, space: &SpaceId) -> Option<AdvertisedRoot> {
        let at = self.spaces.binary_search_by_key(&tag(space), |(tag, _)| *tag).ok()?;
        Some(self.spaces[at].1)
    }
}

fn tag(space: &SpaceId) -> [u8; 8] {
    short(&Sha256::digest(space.as_str().as_bytes()).into())
}
