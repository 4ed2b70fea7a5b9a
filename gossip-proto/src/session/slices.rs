//! Cuts contents that are too large for one frame into parts, and reassembles them.

use alloc::vec::Vec;

use crate::limits::MAX_CONTENT_MEMORY;
use crate::message::ContentPart;
use crate::{Compression, ProtocolViolation, SessionError, Wire};

/// Maximum size of one part in bytes. Other streams of the connection can send between two parts.
const PART: usize = 512 << 10;

/// A content that is being sent in parts.
pub(super) struct Slices {
    space: u32,
    encoded: Vec<u8>,
    sent: usize,
}

impl Slices {
    pub(super) fn of<C: Wire>(space: u32, content: &C, compression: Compression) -> Self {
        let mut encoded = Vec::new();
        C::encode(&[content], compression, &mut encoded);
        Self { space, encoded, sent: 0 }
    }

    /// The next part; `None` after the last one.
    pub(super) fn next(&mut self) -> Option<ContentPart> {
        let rest = &self.encoded[self.sent..];
        let bytes = &rest[..rest.len().min(PART)];
        let number = |bytes| u32::try_from(bytes).expect("a content has far fewer than 2^32 bytes");
        let (total, offset) = (number(self.encoded.len()), number(self.sent));
        self.sent += bytes.len();
        let part = || ContentPart { space: self.space, total, offset, bytes: bytes.into() };
        (!bytes.is_empty()).then(part)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.encoded.len()
    }
}

/// A content that is being received in parts.
pub(super) struct Assembly {
    total: usize,
    encoded: Vec<u8>,
}

impl Assembly {
    pub(super) fn new(part: &ContentPart) -> Self {
        Self { total: part.total as usize, encoded: Vec::new() }
    }

    /// Adds the next part. Allocates for the received bytes only, not for the announced total.
    ///
    /// # Errors
    /// Fails if the part does not follow the previous one, or announces another total.
    pub(super) fn add(&mut self, part: ContentPart) -> Result<(), SessionError> {
        let continues = part.offset as usize == self.encoded.len();
        if part.total as usize != self.total || !continues {
            return Err(SessionError::Violation(ProtocolViolation::PartOutOfOrder));
        }
        self.encoded.extend(part.bytes);
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.encoded.len() == self.total
    }

    /// Decodes the content.
    pub(super) fn finish<C: Wire>(self) -> Result<C, SessionError> {
        let mut contents = C::decode(&self.encoded, 1, MAX_CONTENT_MEMORY)?;
        match (contents.pop(), contents.pop()) {
            (Some(content), None) => Ok(content),
            _ => Err(SessionError::Violation(ProtocolViolation::NotOneContent)),
        }
    }
}
