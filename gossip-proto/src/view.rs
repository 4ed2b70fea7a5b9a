//! All that the sync machine asks of the data.

use alloc::string::String;
use alloc::vec::Vec;

use crate::tag::KEY_LEN;
use crate::{Clocks, Prefix, Record, VersionRange, Wire};

/// The state of one space in three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The root of the space's tree. Equal roots mean equal state.
    pub root: [u8; 32],
    /// How many records the space holds, deletions included.
    pub count: u64,
    /// How often the space changed since this node started. For display only, never for decisions.
    pub generation: u64,
}

/// A leaf's line: which key, and in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The hash of the pattern id, which places it in the tree.
    pub key: [u8; 32],
    /// The digest of its record.
    pub record: [u8; 32],
}

/// Records that arrived, with the contents that came along.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery<C> {
    /// The records, whole.
    pub records: Vec<Record>,
    /// Contents, each with the digest under which the records name it.
    pub contents: Vec<([u8; 32], C)>,
}

impl<C> Default for Delivery<C> {
    /// Nothing.
    fn default() -> Self {
        Self { records: Vec::new(), contents: Vec::new() }
    }
}

/// What became of a delivery, record by record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Records that changed the state.
    pub applied: u32,
    /// Records that were known already, or older.
    pub stale: u32,
    /// Records that were refused, whole or in part. A record of which one part was refused counts as
    /// applied or stale, too.
    pub rejected: Vec<(String, Rejection)>,
}

/// Why a record, or one part of it, was refused. The rest of its delivery is not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// A content does not hash to the digest that names it.
    #[error("a content does not match its digest; the record held stays as it is, check the peer")]
    WrongDigest,
    /// A content that the record names neither came along nor is held.
    #[error("a content is missing; the record held stays as it is, a later session brings both")]
    MissingContent,
    /// A content breaks a rule of patterns: dimension, finite floats, confidence.
    #[error("a content breaks a rule of patterns; the record held stays as it is, check the peer")]
    InvalidContent,
    /// The record is not canonical.
    #[error("the record is not canonical; the record held stays as it is, check the peer")]
    InvalidRecord,
    /// A content, an id or the record is larger than this node carries.
    #[error(
        "it is larger than this node carries; the record held stays as it is, write less under this id"
    )]
    TooLarge,
    /// A cap of this node on what its peers make it keep is reached.
    #[error("a cap of this node is reached; what is held stays, raise the cap")]
    OverCap,
    /// A version lies so far in the future that its node's clock must be wrong. The other parts of
    /// the record were joined.
    #[error(
        "a version lies too far in the future; the other parts were joined, set the clock of its node"
    )]
    ImplausibleVersion,
    /// The store of this node cannot write now.
    #[error(
        "the store cannot write; what is held stays, mend the store and a later session brings it"
    )]
    StorageUnavailable,
}

impl Rejection {
    /// Whether the same record would be refused again, until somebody changes it or a cap.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::MissingContent | Self::ImplausibleVersion | Self::StorageUnavailable)
    }
}

/// What the sync machine asks of one space: a pinned picture to read, a live state to write.
///
/// Reads are answered from the picture that was pinned when the view was made, so that a session
/// sees one consistent tree; records and contents may be newer, since joins make late reads harmless.
pub trait View {
    /// What is replicated under the ids.
    type Content: Wire;

    /// Root, count and generation of the pinned tree.
    fn summary(&self) -> Summary;

    /// How many records lie below `prefix` in the pinned tree.
    fn count(&self, prefix: &Prefix) -> u64;

    /// The digests of the sixteen children of `prefix`; `None` where nothing lies below a child.
    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16];

    /// The entries below `prefix` in ascending key order.
    fn entries(&self, prefix: &Prefix) -> Vec<Entry>;

    /// The record whose key hash is `key`.
    fn record(&self, key: &[u8; 32]) -> Option<Record>;

    /// The content with this digest, if this node holds it.
    fn content(&self, digest: &[u8; 32]) -> Option<Self::Content>;

    /// Whether this node holds the content with this digest.
    fn holds(&self, digest: &[u8; 32]) -> bool;

    /// The hash that places `id` in the tree.
    fn key_of(&self, id: &str) -> [u8; 32];

    /// Verifies and joins what arrived. Atomic per record, idempotent, order-free.
    ///
    /// Nothing was verified before: a content may have another digest than the one that names it, and
    /// may be named by the record of another id.
    fn apply(&mut self, delivery: Delivery<Self::Content>) -> Receipt;

    /// Root, count and generation of the live tree, after what was applied.
    fn live_summary(&self) -> Summary;

    /// Whether this session may ask for the records whose key hash begins with `key`. If another
    /// session is bringing them, the answer is no, and the difference is left to a later session.
    ///
    /// Asked right before a request; with a yes the caller counts on the session to bring them. The
    /// default always says yes: sessions with several peers then bring some records twice.
    fn claim(&self, key: &[u8; KEY_LEN]) -> bool {
        let _ = key;
        true
    }

    /// Whether this session may take a range of records from its peer. If another session is taking
    /// it, the answer is no, and the range is left to a later session.
    ///
    /// Asked only if there are many records. The default always says yes.
    fn claim_range(&self, range: &VersionRange) -> bool {
        let _ = range;
        true
    }

    /// Lets `work` use the clocks of this space, and returns true; or returns false if there are none.
    ///
    /// With clocks, a session sends what the peer has not handled in one round trip, and compares the
    /// trees only if the roots still differ. The default has none: the trees are compared at once.
    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        let _ = work;
        false
    }

    /// Pins the live tree anew. Called before a delta by clocks, and before the trees are compared
    /// after it; required of a view with clocks.
    fn repin(&mut self) {}
}
