//! Helpers shared by several tests.

use serde::Serialize;

/// The bytes of a value. Laws compare bytes: equal states have equal bytes.
pub(crate) fn bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("serialises")
}
