use super::varint::read_varint;
use crate::DecodeError;

/// A strict reader over received bytes. Every method either takes what it promises or fails; none
/// allocates.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the start.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedEnd`] if fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedEnd`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedEnd`] if none is left.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    /// The next unsigned integer, as [`write_varint`](crate::write_varint) wrote it.
    ///
    /// The first byte tells the length: up to 240 it is the value; 241 to 248 and one more byte
    /// reach 2,288; 249 and two bytes reach 67,824; 250 to 255 announce a big-endian integer of 3
    /// to 8 bytes. Each value has one form. After the variable-length integers of SQLite 4.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedEnd`], and [`DecodeError::NotCanonical`] if a shorter form exists.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        read_varint(self)
    }

    /// The next integer as a count of items of at least `item_len` bytes each (0 counts as 1).
    ///
    /// # Errors
    ///
    /// Those of [`varint`](Self::varint), and [`DecodeError::UnexpectedEnd`] if so many items
    /// cannot follow: a count can be trusted with an allocation.
    pub fn count(&mut self, item_len: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.varint()?).map_err(|_| DecodeError::UnexpectedEnd)?;
        if count > self.rest.len() / item_len.max(1) {
            return Err(DecodeError::UnexpectedEnd);
        }
        Ok(count)
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TrailingBytes`] if anything is left.
    pub const fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }
}
