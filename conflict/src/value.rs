//! The requirements for values: a hash of all their bits, and a validity check.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::hash::{Hash, Hasher};

/// A value that can have several concurrent versions.
///
/// Two values count as equal if and only if [`Hash`] feeds the same bytes to a hasher. `#[derive(Hash)]` suffices for a
/// type without floats. Floats do not implement `Hash`: hash their bits (`to_bits`), which also distinguish `0.0`
/// from `-0.0`. Hash everything that a reader can see. If machines of different byte orders compare
/// values, hash the elements of integer slices one by one: the standard library hashes such a slice,
/// unless its elements are bytes, in the byte order of the machine.
///
/// `String`, `Vec<u8>`, `u64`, `i64` and an `Arc` of any value implement this trait.
///
/// ```
/// use engram_conflict::Value;
///
/// #[derive(Clone, Debug, Hash)]
/// struct Product { title: String, cents: u64 }
///
/// #[derive(Debug)]
/// struct NoTitle;
/// # impl std::fmt::Display for NoTitle {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("no title") }
/// # }
/// # impl std::error::Error for NoTitle {}
///
/// impl Value for Product {
///     type Invalid = NoTitle; // `Infallible` if every value is valid.
///
///     fn validate(&self, _: &Self) -> Result<(), NoTitle> {
///         if self.title.is_empty() { Err(NoTitle) } else { Ok(()) }
///     }
/// }
/// ```
pub trait Value: Hash {
    /// The reason why a value is invalid.
    type Invalid: core::error::Error;

    /// Checks the value itself, and that it is compatible with `first`, a value of the same set.
    ///
    /// # Errors
    /// The reason, if the value is invalid. Sets refuse invalid values, and a strategy that composes one breaks the law
    /// [`Valid`](crate::Law::Valid).
    fn validate(&self, first: &Self) -> Result<(), Self::Invalid>;
}

impl<V: Value + ?Sized> Value for Arc<V> {
    type Invalid = V::Invalid;

    fn validate(&self, first: &Self) -> Result<(), V::Invalid> {
        (**self).validate(first)
    }
}

macro_rules! always_valid {
    ($($value:ty),+) => {
        $(impl Value for $value {
            type Invalid = Infallible;

            fn validate(&self, _: &Self) -> Result<(), Infallible> {
                Ok(())
            }
        })+
    };
}

always_valid!(String, Vec<u8>, u64, i64);

/// Whether two values are equal, bit for bit.
pub(crate) fn same<T: Hash>(left: &T, right: &T) -> bool {
    let bytes = |value: &T| {
        let mut bytes = Portable(Vec::new());
        value.hash(&mut bytes);
        bytes.0
    };
    bytes(left) == bytes(right)
}

/// Computes the 64-bit FNV-1a hash (RFC 9923) of the bytes of a value, continuing from `state`.
pub(crate) fn fingerprint<T: Hash + ?Sized>(state: u64, value: &T) -> u64 {
    let mut hasher = Portable(Fnv(state));
    value.hash(&mut hasher);
    hasher.0.0
}

/// The offset basis of FNV-1a.
pub(crate) const FINGERPRINT: u64 = 0xcbf2_9ce4_8422_2325;

trait Sink {
    fn absorb(&mut self, bytes: &[u8]);

    fn result(&self) -> u64;
}

struct Fnv(u64);

impl Sink for Fnv {
    fn absorb(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn result(&self) -> u64 {
        self.0
    }
}

impl Sink for Vec<u8> {
    fn absorb(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn result(&self) -> u64 {
        0
    }
}

/// Feeds the same bytes to a sink on every machine, except for slices of integers wider than a
/// byte: an integer is big-endian, and `usize` and `isize` have 64 bits.
struct Portable<S>(S);

macro_rules! portable {
    ($($method:ident: $integer:ty),+) => {
        $(fn $method(&mut self, integer: $integer) {
            self.0.absorb(&integer.to_be_bytes());
        })+
    };
}

impl<S: Sink> Hasher for Portable<S> {
    fn finish(&self) -> u64 {
        self.0.result()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.absorb(bytes);
    }

    portable!(write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128);

    fn write_usize(&mut self, integer: usize) {
        self.write_u64(integer as u64);
    }

    fn write_isize(&mut self, integer: isize) {
        self.write_i64(integer as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_on_every_machine() {
        let fingerprint = fingerprint(FINGERPRINT, &(1u32, "two", 3usize, -4i64));
        assert_eq!(fingerprint, EXPECTED, "{fingerprint:#x}");
    }

    const EXPECTED: u64 = 0xa2dd_a8f4_b790_7205;
}
