use alloc::string::String;
use alloc::vec::Vec;

use super::varint::varint_len;
use super::write_varint;
use crate::{Actor, DecodeError, Reader};

/// How an actor is written in bytes.
///
/// Implement it for your own actor type. Each actor must have exactly one form, and reading must
/// accept no other: the canonical form of clocks rests on it.
pub trait ActorBytes: Ord + Clone {
    /// The fewest bytes that an actor takes; it decides how many can be promised by a count. At
    /// least 1.
    const MIN_LEN: usize;

    /// How many bytes [`write`](Self::write) appends.
    fn byte_len(&self) -> usize;

    /// Appends the actor.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes an actor off the input.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] if the input does not begin with an actor in its one form.
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

macro_rules! integer_actor {
    ($($integer:ty),*) => {$(
        /// Fixed width, big-endian: identifiers are usually random, and a varint would make them
        /// longer.
        impl ActorBytes for $integer {
            const MIN_LEN: usize = size_of::<Self>();

            fn byte_len(&self) -> usize {
                Self::MIN_LEN
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.to_be_bytes());
            }

            fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                input.array().map(Self::from_be_bytes)
            }
        }
    )*};
}

integer_actor!(u8, u16, u32, u64, u128);

impl<const N: usize> ActorBytes for [u8; N] {
    const MIN_LEN: usize = N;

    fn byte_len(&self) -> usize {
        N
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array()
    }
}

/// The length as a varint, then UTF-8.
impl ActorBytes for String {
    const MIN_LEN: usize = 1;

    fn byte_len(&self) -> usize {
        varint_len(self.len() as u64) + self.len()
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        out.extend(self.as_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = input.count(1)?;
        let bytes = input.take(length)?;
        core::str::from_utf8(bytes)
            .map(Self::from)
            .map_err(|_| DecodeError::InvalidValue("an actor's name is not UTF-8"))
    }
}

/// The node, then the incarnation in eight bytes, big-endian, since it is usually random.
impl<N: ActorBytes> ActorBytes for Actor<N> {
    const MIN_LEN: usize = N::MIN_LEN + u64::MIN_LEN;

    fn byte_len(&self) -> usize {
        self.node.byte_len() + u64::MIN_LEN
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.node.write(out);
        self.incarnation.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { node: N::read(input)?, incarnation: u64::read(input)? })
    }
}
