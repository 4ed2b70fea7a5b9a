//! Contents: the values that a view replicates under its ids, and their codecs.

mod opaque;
mod patterns;

use alloc::vec::Vec;

pub use opaque::OpaqueContent;
pub use patterns::PatternContent;

use crate::check::within;
use crate::limits::MAX_CONTENT_LEN;
use crate::{Compression, DecodeError, TooLarge};

/// A content that travels between views. It is immutable and named by a digest that the view
/// computes.
///
/// The contents of a message are encoded together, so that a codec can exploit their similarities.
/// [`OpaqueContent`] and [`PatternContent`] are ready-made; a codec for a content that converts to
/// and from bytes takes a few lines:
///
/// ```
/// use engram_gossip_proto::{Compression, ContentSize, DecodeError, OpaqueContent, Wire};
///
/// /// A note, as its UTF-8 bytes.
/// #[derive(Clone, Debug, PartialEq)]
/// struct Note(String);
///
/// impl Wire for Note {
///     fn size(&self) -> ContentSize {
///         OpaqueContent::size_of(self.0.len())
///     }
///
///     fn encode(contents: &[&Self], compression: Compression, out: &mut Vec<u8>) {
///         OpaqueContent::encode_bytes(contents.iter().map(|note| note.0.as_bytes()), compression, out);
///     }
///
///     fn decode(bytes: &[u8], count: usize, memory: usize) -> Result<Vec<Self>, DecodeError> {
///         let note = |bytes: OpaqueContent| {
///             let text = core::str::from_utf8(bytes.as_bytes());
///             Ok(Self(text.map_err(|_| DecodeError::Invalid("a note"))?.into()))
///         };
///         OpaqueContent::decode(bytes, count, memory)?.into_iter().map(note).collect()
///     }
/// }
///
/// let notes = [Note("one".into()), Note("two".into())];
/// let mut bytes = Vec::new();
/// Wire::encode(&[&notes[0], &notes[1]], Compression::Lz4, &mut bytes);
/// assert_eq!(Note::decode(&bytes, 2, 1_000)?, notes);
/// # Ok::<(), DecodeError>(())
/// ```
pub trait Wire: Sized {
    /// Upper bounds for the size of the content if it is alone in a message.
    fn size(&self) -> ContentSize;

    /// Appends the encoding of one or more contents.
    ///
    /// Each content adds at most its [`size`](Self::size), regardless of the others.
    fn encode(contents: &[&Self], compression: Compression, out: &mut Vec<u8>);

    /// Decodes exactly `count` contents from all of `bytes`.
    ///
    /// Must allocate at most `memory` bytes, and check this before each allocation, because `bytes`
    /// come from a peer.
    ///
    /// # Errors
    /// [`DecodeError`] if `bytes` are not an encoding of `count` contents. The error ends the
    /// session.
    fn decode(bytes: &[u8], count: usize, memory: usize) -> Result<Vec<Self>, DecodeError>;

    /// Checks the limits of the codec itself. The default checks only [`MAX_CONTENT_LEN`].
    ///
    /// # Errors
    /// [`TooLarge`] names the limit. If a content fails the check, sessions omit the parts of
    /// records that name it.
    fn check(&self) -> Result<(), TooLarge> {
        within("bytes of a content", self.size().wire, MAX_CONTENT_LEN)
    }
}

/// Upper bounds for the size of one content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentSize {
    /// Size of the encoding in bytes, without compression.
    pub wire: usize,
    /// Number of bytes of memory that [`Wire::decode`] counts for the content.
    pub memory: usize,
}
