//! Helpers shared by several tests.

use serde::Serialize;

/// Serialises a value. The tests of the laws compare bytes, because equal states have equal bytes.
pub(crate) fn bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("serialises")
}
