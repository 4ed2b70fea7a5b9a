use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A key of the tree: a value with a byte form.
///
/// Two keys with the same bytes are the same key. An upsert of a key that the tree holds keeps the held one. While a
/// snapshot exists, a change clones the keys stored near the changed entry, so prefer a reference-counted key such as
/// `Arc<str>`.
///
/// Implemented for strings, bytes, integers of fixed size (as big-endian bytes), file paths (in the platform's
/// encoding, with the feature `std`) and `bytes::Bytes` (with the feature `bytes`).
///
/// ```
/// use engram_merkle::{Digest, Key, Sha256, Tree};
///
/// #[derive(Clone)]
/// struct UserId { shard: u16, number: u32 }
///
/// impl Key for UserId {
///     fn as_bytes(&self) -> impl AsRef<[u8]> {
///         (u64::from(self.shard) << 32 | u64::from(self.number)).to_be_bytes()
///     }
/// }
///
/// let mut tree = Tree::new(Sha256);
/// tree.upsert(UserId { shard: 1, number: 2 }, Digest::from([7; 32]));
/// assert!(tree.contains_key(0x1_0000_0002_u64.to_be_bytes()));
/// ```
pub trait Key: Clone {
    /// The bytes to hash. They must not change while the tree holds the key.
    fn as_bytes(&self) -> impl AsRef<[u8]>;
}

impl<const N: usize> Key for [u8; N] {
    fn as_bytes(&self) -> impl AsRef<[u8]> {
        self
    }
}

macro_rules! text_key {
    ($($text:ty),+) => {$(
        impl Key for $text {
            fn as_bytes(&self) -> impl AsRef<[u8]> {
                str::as_bytes(self)
            }
        }
    )+};
}

macro_rules! bytes_key {
    ($($bytes:ty),+) => {$(
        impl Key for $bytes {
            fn as_bytes(&self) -> impl AsRef<[u8]> {
                &self[..]
            }
        }
    )+};
}

text_key!(&str, String, Box<str>, Rc<str>, Arc<str>);
bytes_key!(&[u8], Vec<u8>, Box<[u8]>, Rc<[u8]>, Arc<[u8]>);
#[cfg(feature = "bytes")]
bytes_key!(bytes::Bytes);

macro_rules! integer_key {
    ($($integer:ty),+) => {$(
        impl Key for $integer {
            fn as_bytes(&self) -> impl AsRef<[u8]> {
                self.to_be_bytes()
            }
        }
    )+};
}

integer_key!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

macro_rules! path_key {
    ($($path:ty),+) => {$(
        #[cfg(feature = "std")]
        impl Key for $path {
            fn as_bytes(&self) -> impl AsRef<[u8]> {
                self.as_os_str().as_encoded_bytes()
            }
        }
    )+};
}

path_key!(&std::path::Path, std::path::PathBuf);
