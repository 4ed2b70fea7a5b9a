//! Reads and writes the values of message bodies, adverts, contents and records.
//!
//! Postcard encodes plain values and small structs. Lists, strings and byte strings have postcard's
//! layout but are read here, because their length must be checked against a named cap and against
//! the remaining bytes before anything is allocated. Reading is strict: a value whose encoding
//! differs from the writer's, such as an overlong number, is refused, so that each value has
//! exactly one encoding.

use alloc::vec::Vec;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::DecodeError;

/// The unread rest of the input.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Takes one value that contains no lists.
    pub(crate) fn take<T>(&mut self, what: &'static str) -> Result<T, DecodeError>
    where
        T: Deserialize<'a> + Serialize,
    {
        let (value, rest) = postcard::take_from_bytes::<T>(self.rest).map_err(|e| match e {
            postcard::Error::DeserializeUnexpectedEnd => DecodeError::Truncated(what),
            _ => DecodeError::Invalid(what),
        })?;
        let used = &self.rest[..self.rest.len() - rest.len()];
        let spelling = postcard::serialize_with_flavor::<T, _, ()>(&value, Expect(used));
        self.rest = rest;
        spelling.map(|()| value).map_err(|_| DecodeError::NotCanonical(what))
    }

    /// Takes the count of a list whose elements are at least `least` bytes each.
    pub(crate) fn count(
        &mut self,
        what: &'static str,
        cap: usize,
        least: usize,
    ) -> Result<usize, DecodeError> {
        self.further(what, 0, cap, least)
    }

    /// Takes the count of a list that shares its cap with `before` other elements.
    pub(crate) fn further(
        &mut self,
        what: &'static str,
        before: usize,
        cap: usize,
        least: usize,
    ) -> Result<usize, DecodeError> {
        let count: u32 = self.take(what)?;
        let (value, cap) = (before as u64 + u64::from(count), cap as u64);
        if value > cap {
            return Err(DecodeError::OverLimit { what, value, cap });
        }
        if (count as usize).saturating_mul(least) > self.rest.len() {
            return Err(DecodeError::Truncated(what));
        }
        Ok(count as usize)
    }

    /// Takes a list of at most `cap` elements of at least `least` bytes each.
    pub(crate) fn list<T>(
        &mut self,
        what: &'static str,
        cap: usize,
        least: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(what, cap, least)?;
        (0..count).map(|_| element(self)).collect()
    }

    /// Takes `len` raw bytes.
    pub(crate) fn raw(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(head)
    }

    /// Takes an array of raw bytes.
    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(*head)
    }

    /// Takes a byte string of at most `cap` bytes.
    pub(crate) fn bytes(
        &mut self,
        what: &'static str,
        cap: usize,
    ) -> Result<&'a [u8], DecodeError> {
        let len = self.count(what, cap, 1)?;
        self.raw(what, len)
    }

    /// Takes a UTF-8 string of at most `cap` bytes.
    pub(crate) fn text(&mut self, what: &'static str, cap: usize) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.bytes(what, cap)?).map_err(|_| DecodeError::Invalid(what))
    }

    /// The current position, for [`since`](Self::since).
    pub(crate) fn mark(&self) -> &'a [u8] {
        self.rest
    }

    /// The bytes taken since `mark`.
    pub(crate) fn since(&self, mark: &'a [u8]) -> &'a [u8] {
        &mark[..mark.len() - self.rest.len()]
    }

    /// Checks that the whole input was read.
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing(extra)),
        }
    }
}

/// Appends one value.
pub(crate) fn put<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    postcard::serialize_with_flavor::<T, _, ()>(value, Append(out))
        .expect("plain values of known length always serialise");
}

/// Appends the count of a list.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    put(out, &u32::try_from(count).expect("lists have far fewer than 2^32 elements"));
}

/// Appends a byte string with its length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a string with its length, truncated to at most `cap` bytes.
pub(crate) fn put_cut_text(out: &mut Vec<u8>, text: &str, cap: usize) {
    let end = (0..=text.len().min(cap)).rev().find(|end| text.is_char_boundary(*end));
    put_bytes(out, &text.as_bytes()[..end.unwrap_or(0)]);
}

/// A serialiser output that compares the written bytes with those that were read.
struct Expect<'a>(&'a [u8]);

impl Flavor for Expect<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0 = self.0.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }
}

/// A serialiser output that appends to a buffer.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
