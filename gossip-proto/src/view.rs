//! The interface through which sessions read and change the data of a space.

use alloc::string::String;
use alloc::vec::Vec;

use crate::tag::KEY_LEN;
use crate::{Clocks, Prefix, Record, Unoffered, VersionRange, Wire};

/// The root, the record count and the generation of one space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The root of the space's tree. Equal roots mean equal state.
    pub root: [u8; 32],
    /// Number of records in the space, deletions included.
    pub count: u64,
    /// Number of changes since this node started. For display only, never for decisions.
    pub generation: u64,
}

/// One record in the tree: its key and its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The hash of the pattern id, which places the record in the tree.
    pub key: [u8; 32],
    /// The digest of the record.
    pub record: [u8; 32],
}

/// Records and the contents sent with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery<C> {
    /// The records.
    pub records: Vec<Record>,
    /// Contents, each with its [digest](View::digest).
    pub contents: Vec<([u8; 32], C)>,
}

impl<C> Default for Delivery<C> {
    /// An empty delivery.
    fn default() -> Self {
        Self { records: Vec::new(), contents: Vec::new() }
    }
}

/// The result of applying a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Number of records that changed the state.
    pub applied: u32,
    /// Number of records that were already known or outdated.
    pub stale: u32,
    /// Ids of records that were refused, whole or in part, with the reason. A record refused in
    /// part also counts as applied or stale.
    pub rejected: Vec<(String, Rejection)>,
}

/// Why a record, or one part of it, was refused. The rest of the delivery is not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// A content that the record names is neither in the delivery nor held.
    ///
    /// A view may refuse every such record, or join a record that lacks only the contents of dots
    /// that the [join](crate::Part) drops. Sessions converge either way: they request all contents
    /// that this node does not hold, those of superseded dots included.
    #[error(
        "a content is missing, so the record or a part of it was not joined; a later session retries"
    )]
    MissingContent,
    /// A content breaks a rule for patterns: for example, its dimension is wrong, a value is not
    /// finite, or the confidence is out of range.
    #[error(
        "a content breaks a rule for patterns, so the record or a part of it was not joined; check the peer"
    )]
    InvalidContent,
    /// The record is not canonical.
    #[error("the record is not canonical, so the held record is unchanged; check the peer")]
    InvalidRecord,
    /// A content, an id or the record is larger than this node accepts.
    #[error(
        "the record is too large for this node, so the held record is unchanged; write less under this id"
    )]
    TooLarge,
    /// A cap on the data that this node keeps for its peers is reached.
    #[error(
        "a cap of this node is reached, so the record or a part of it was not joined; raise the cap"
    )]
    OverCap,
    /// A version lies so far in the future that its node's clock must be wrong. The other parts of
    /// the record were joined.
    #[error(
        "a version is too far in the future, so only the other parts were joined; set the clock of its node"
    )]
    ImplausibleVersion,
    /// The store of this node cannot write now.
    #[error(
        "the store cannot write, so the held record is unchanged; repair the store and sync again"
    )]
    StorageUnavailable,
}

impl Rejection {
    /// Whether the same record would be refused again until the record or a cap changes.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::MissingContent | Self::ImplausibleVersion | Self::StorageUnavailable)
    }
}

/// One space as a session uses it: a pinned snapshot to read, and a live state to write.
///
/// Reads use the snapshot that was pinned when the view was created or last
/// [pinned again](Self::repin), so that a session compares consistent trees. Records and contents
/// may be newer than the snapshot, because joins make late reads harmless.
pub trait View {
    /// The type of the contents replicated under the ids.
    type Content: Wire;

    /// Root, count and generation of the pinned tree.
    ///
    /// The root is a function of the records: two spaces have equal roots if and only if their
    /// records are equal. It need not be computed from the digests of [`children`](Self::children).
    /// The root of an empty space can be any value that all nodes share, such as zeros.
    fn summary(&self) -> Summary;

    /// Number of records below `prefix` in the pinned tree.
    fn count(&self, prefix: &Prefix) -> u64;

    /// The digests of the sixteen children of `prefix`; `None` for a child without entries.
    ///
    /// Two trees have equal digests for a child if and only if they hold the same records below it.
    /// If the roots differ, a session looks for the difference below the children whose digests
    /// differ.
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

    /// The digest under which records name `content`. It covers every byte of the content, even if
    /// the content is invalid.
    ///
    /// The digest of a content never travels with it: the receiver computes it. No record therefore
    /// names a damaged content.
    fn digest(&self, content: &Self::Content) -> [u8; 32];

    /// Checks and joins a delivery. Must be atomic per record, idempotent, and independent of
    /// order.
    ///
    /// The session has checked only that each record is canonical and within the limits of the
    /// wire: the id has 1 to 128 bytes; parts, dots and suppressed digests are in ascending order;
    /// and each dot has a version from 1 to the entry of its part. It has computed the digest of
    /// each content with [`digest`](Self::digest). A content can be invalid; if contents contain
    /// their id, a content can contain a wrong one. Versions can be any number up to `u64::MAX`:
    /// refuse those that are implausible for your clock ([`Rejection::ImplausibleVersion`]).
    fn apply(&mut self, delivery: Delivery<Self::Content>) -> Receipt;

    /// Root, count and generation of the live tree, including everything applied so far.
    fn live_summary(&self) -> Summary;

    /// Whether this space can store records now.
    ///
    /// While this method returns false, for example because the disk is full, sessions request no
    /// records of the space. If no space of a session accepts records, the peer sends none. A peer
    /// that has records to send keeps them for a later session, and this session ends as
    /// [`Ending::NotAccepted`](crate::Ending::NotAccepted). The default returns true.
    fn accepts_records(&self) -> bool {
        true
    }

    /// Whether this session may request the records whose key hash begins with `key`. Return false
    /// if another session is fetching them; the difference is then left to a later session.
    ///
    /// Called right before a request; after `true`, other sessions may rely on this one to fetch
    /// the records. The default returns true: sessions with several peers then fetch some records
    /// twice.
    fn claim(&self, key: &[u8; KEY_LEN]) -> bool {
        let _ = key;
        true
    }

    /// Whether this session may take a range of records from its peer. Return false if another
    /// session is taking or expecting it; the range is then left to a later session.
    ///
    /// Called only for a range that the peer offers. A peer offers ranges if there are many
    /// records, or if this side asks for offers ([`Intake::Offered`](crate::Intake::Offered)). The
    /// default returns true.
    fn claim_range(&self, range: &VersionRange) -> bool {
        let _ = range;
        true
    }

    /// Notes which records of this space the session expects to receive without an offer; replaces
    /// the previous note. Other sessions may rely on this one to receive them
    /// ([`claim_range`](Self::claim_range)).
    ///
    /// Called when the session is about to send its version summary, when the peer's summary
    /// arrives, and when the records have arrived; not called if this side asks for offers. By
    /// default, nothing happens.
    fn expect_unoffered(&self, records: &Unoffered) {
        let _ = records;
    }

    /// Whether this node recently refused the peer's record whose key hash begins with `key`, so
    /// that the comparison of trees does not request it. The difference is left to a later session;
    /// a record that arrives by clocks is still passed to [`apply`](Self::apply).
    ///
    /// The default returns false: each session then requests refused records again.
    fn has_refused(&self, key: &[u8; KEY_LEN]) -> bool {
        let _ = key;
        false
    }

    /// Calls `work` with the clocks of this space and returns true; returns false if the space has
    /// none.
    ///
    /// With clocks, a session needs one round trip, or two if there are many records, to send the
    /// records that the peer has not handled. It compares the trees only if the roots still differ.
    /// By default, a view has no clocks, and sessions compare the trees from the start.
    ///
    /// Call `work` once. The view may hold the lock of its store during the call: `work` uses only
    /// the clocks, and calls no method of the view. A session never calls `with_clocks` from within
    /// another call of the view.
    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        let _ = work;
        false
    }

    /// Pins the live tree again. Called before a delta by clocks, and before the comparison of
    /// trees that may follow. A view with clocks must implement this method.
    fn repin(&mut self) {}
}

/// Runs `work` on the clocks of a view, if it has any.
pub(crate) fn ask<T>(view: &impl View, work: impl FnOnce(&mut dyn Clocks) -> T) -> Option<T> {
    let (mut work, mut answer) = (Some(work), None);
    view.with_clocks(&mut |clocks| answer = work.take().map(|work| work(clocks)));
    answer
}
