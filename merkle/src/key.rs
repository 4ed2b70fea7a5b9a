use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What names an entry: a value that is made of bytes.
///
/// Two keys with the same bytes are the same key. The tree keeps the key that came first and gives
/// it back on iteration. A reference-counted key (`Arc<str>`) suits a tree with live snapshots
/// best: a change then copies the keys near it.
///
/// ```
/// use engram_merkle::Key;
///
/// #[derive(Clone)]
/// struct UserId([u8; 8]);
///
/// impl Key for UserId {
///     fn as_bytes(&self) -> &[u8] {
///         &self.0
///     }
/// }
/// ```
pub trait Key: Clone {
    /// The bytes that are hashed. They must stay the same for as long as the key lives.
    fn as_bytes(&self) -> &[u8];
}

impl<const N: usize> Key for [u8; N] {
    fn as_bytes(&self) -> &[u8] {
        self
    }
}

macro_rules! text_key {
    ($($text:ty),+) => {$(
        impl Key for $text {
            fn as_bytes(&self) -> &[u8] {
                str::as_bytes(self)
            }
        }
    )+};
}

macro_rules! bytes_key {
    ($($bytes:ty),+) => {$(
        impl Key for $bytes {
            fn as_bytes(&self) -> &[u8] {
                self
            }
        }
    )+};
}

text_key!(&str, String, Box<str>, Rc<str>, Arc<str>);
bytes_key!(&[u8], Vec<u8>, Box<[u8]>, Rc<[u8]>, Arc<[u8]>);
