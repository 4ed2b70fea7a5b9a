//! The messages of a descent and their encodings. Numbers are little-endian.

use alloc::vec::Vec;

use super::tag::Tag;
use super::{LAST_LEVEL, padded};
use crate::{Digest, Path};

/// The maximum number of nodes in one request.
pub const MAX_PATHS: usize = 1_024;
/// The maximum number of entries in one listing.
pub const MAX_LINES: usize = 4_096;

/// The size of an encoded line in bytes.
const LINE_LEN: usize = 8 + size_of::<Tag>();

const CHILDREN: u8 = 0;
const ENTRIES: u8 = 1;

/// A request for the contents of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) paths: Vec<Path>,
}

/// The answer to a [`Request`]: the contents of the requested nodes, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(super) seen: Vec<Seen>,
}

/// The contents of a node on the answering side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The tags of its sixteen [children](crate::Tree::children); `None` for an empty child.
    Children([Option<Tag>; 16]),
    /// The entries below the node, at most [`MAX_LINES`].
    Entries(Vec<Line>),
}

/// An entry in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The first 8 bytes of the key hash.
    pub key: [u8; 8],
    /// The tag of the value.
    pub tag: Tag,
}

/// The error for bytes that do not encode a message of a descent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message is truncated, or bytes follow its end.
    #[error("the length of the message does not match its content")]
    Length,
    /// The message announces too many nodes or entries.
    #[error("{found} nodes or entries exceed the limit of {limit}")]
    TooMany {
        /// The announced number.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The message contains an invalid node, or contents that are neither children nor a listing.
    #[error("the message contains an invalid node or contents of an unknown form")]
    Invalid,
}

impl Line {
    pub(super) fn new(key_hash: &Digest, tag: Tag) -> Self {
        Self { key: *key_hash.as_bytes().first_chunk().expect("8 of 32 bytes"), tag }
    }

    pub(super) fn path(&self) -> Path {
        Path::leading(&padded(&self.key), LAST_LEVEL)
    }
}

impl Request {
    /// The requested nodes, at most [`MAX_PATHS`].
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Encodes the request: a `u16` count, and for each node a byte with the number of nibbles, followed by the
    /// nibbles, two per byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::from((self.paths.len() as u16).to_le_bytes());
        for path in &self.paths {
            let nibbles = path.level() / 4;
            bytes.push(nibbles as u8);
            bytes.extend_from_slice(&path.bits().as_bytes()[..usize::from(nibbles.div_ceil(2))]);
        }
        bytes
    }

    /// Decodes the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`MessageError`] if `bytes` do not encode a request. Every length is checked before
    /// memory is allocated for it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut r = Reader(bytes);
        let paths = (0..r.count(MAX_PATHS, 1)?).map(|_| r.path()).collect::<Result<_, _>>()?;
        r.end()?;
        Ok(Self { paths })
    }
}

impl Response {
    /// The contents of the requested nodes, in the order of the request.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Encodes the response: a `u16` count and the nodes. The encoding of a node is either a byte 0, a `u16` mask of
    /// the children that are present, and the tags of these children; or a byte 1, a `u16` count of entries, and for
    /// each entry the first 8 bytes of its key hash and the tag of its value.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::from((self.seen.len() as u16).to_le_bytes());
        for seen in &self.seen {
            match seen {
                Seen::Children(children) => {
                    let present = (0..16).filter(|nibble| children[*nibble].is_some());
                    let mask = present.fold(0u16, |mask, nibble| mask | 1 << nibble);
                    bytes.push(CHILDREN);
                    bytes.extend_from_slice(&mask.to_le_bytes());
                    children.iter().flatten().for_each(|tag| bytes.extend_from_slice(tag));
                }
                Seen::Entries(lines) => {
                    bytes.push(ENTRIES);
                    bytes.extend_from_slice(&(lines.len() as u16).to_le_bytes());
                    for line in lines {
                        bytes.extend_from_slice(&line.key);
                        bytes.extend_from_slice(&line.tag);
                    }
                }
            }
        }
        bytes
    }

    /// Decodes the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`MessageError`] if `bytes` do not encode a response. Every length is checked before
    /// memory is allocated for it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut r = Reader(bytes);
        let seen = (0..r.count(MAX_PATHS, 3)?).map(|_| r.seen()).collect::<Result<_, _>>()?;
        r.end()?;
        Ok(Self { seen })
    }
}

/// The unread rest of a message.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(MessageError::Length)?;
        self.0 = rest;
        Ok(*head)
    }

    /// Reads a count of items that take at least `least` bytes each.
    fn count(&mut self, limit: usize, least: usize) -> Result<usize, MessageError> {
        let found = usize::from(u16::from_le_bytes(self.take()?));
        if found > limit {
            return Err(MessageError::TooMany { found, limit });
        }
        if found * least > self.0.len() {
            return Err(MessageError::Length);
        }
        Ok(found)
    }

    fn path(&mut self) -> Result<Path, MessageError> {
        let [nibbles] = self.take()?;
        let level = 4 * u16::from(nibbles);
        if level > LAST_LEVEL {
            return Err(MessageError::Invalid);
        }
        let len = usize::from(nibbles.div_ceil(2));
        let (head, rest) = self.0.split_at_checked(len).ok_or(MessageError::Length)?;
        self.0 = rest;
        let mut key = [0; 8];
        key[..len].copy_from_slice(head);
        let bits = padded(&key);
        let path = Path::leading(&bits, level);
        if *path.bits() == bits { Ok(path) } else { Err(MessageError::Invalid) }
    }

    fn seen(&mut self) -> Result<Seen, MessageError> {
        let [form] = self.take()?;
        match form {
            CHILDREN => {
                let mask = u16::from_le_bytes(self.take()?);
                let mut children = [None; 16];
                for (nibble, child) in children.iter_mut().enumerate() {
                    if mask & 1 << nibble != 0 {
                        *child = Some(self.take()?);
                    }
                }
                Ok(Seen::Children(children))
            }
            ENTRIES => {
                let count = self.count(MAX_LINES, LINE_LEN)?;
                let line = |_| Ok(Line { key: self.take()?, tag: self.take()? });
                Ok(Seen::Entries((0..count).map(line).collect::<Result<_, _>>()?))
            }
            _ => Err(MessageError::Invalid),
        }
    }

    fn end(self) -> Result<(), MessageError> {
        if self.0.is_empty() { Ok(()) } else { Err(MessageError::Length) }
    }
}
