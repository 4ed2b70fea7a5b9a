//! A law suite for views, and a replica in memory to sync with: for tests and prototypes (feature
//! `testing`).
//!
//! [`check_view`] drives your [`View`] and names the first law that it breaks. A view that breaks a
//! law often syncs without any error: sessions send nothing, or the same records each time.
//!
//! ```
//! use engram_gossip_proto::testing::{ByteMap, Replica, check_view};
//!
//! # type YourStore = ByteMap;
//! # type YourView = engram_gossip_proto::testing::ByteMapView;
//! struct UnderTest(YourStore);
//!
//! impl Replica for UnderTest {
//!     type View = YourView;
//!
//!     fn write(&mut self, id: &str, number: u64) {
//!         self.0.insert(id, format!("content {number}")).expect("a valid id");
//!     }
//!
//!     fn pin(&self) -> YourView {
//!         self.0.pin()
//!     }
//! }
//!
//! check_view(|node| UnderTest(YourStore::new(node)))?;
//! # Ok::<(), engram_gossip_proto::testing::BrokenView>(())
//! ```

mod byte_map;
mod changes;
mod check;
mod clocks;
mod convergence;
mod deliveries;
mod digests;
mod ids;
mod join;
mod law;
mod reads;
mod reopen;
mod tree;

use crate::View;

pub use byte_map::{ByteMap, ByteMapView};
pub use check::check_view;

/// A replica of the store that the law suite drives.
pub trait Replica {
    /// The view under test.
    type View: View;

    /// Writes a content under `id` as the node of this replica, and replaces all contents that the
    /// replica sees under `id`.
    ///
    /// Different numbers must give different contents. The write is durable when the method
    /// returns.
    fn write(&mut self, id: &str, number: u64);

    /// Pins the current state, as for a session.
    fn pin(&self) -> Self::View;

    /// Closes the store, opens it again as a new process would, and returns true. The suite drops
    /// all views first.
    ///
    /// The default returns false: the suite then does not check what a restart keeps.
    fn reopen(&mut self) -> bool {
        false
    }
}

impl Replica for ByteMap {
    type View = ByteMapView;

    fn write(&mut self, id: &str, number: u64) {
        let written = self.insert(id, number.to_be_bytes());
        written.expect("a law suite writes under valid ids");
    }

    fn pin(&self) -> ByteMapView {
        Self::pin(self)
    }
}

/// The laws that a [`View`] must obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ViewLaw {
    /// `entries` returns each entry below the prefix once, in ascending order of keys; every record
    /// has an entry.
    Entries,
    /// `count` and the count of `summary` equal the number of `entries`.
    Count,
    /// `children` has a digest exactly where entries lie below a child.
    Children,
    /// `key_of` returns the key under which the tree holds the id.
    KeyOf,
    /// `record` returns the record of each entry, under its own id.
    Records,
    /// For each digest under which a record names a content, `content` returns the content, and
    /// `holds` returns true.
    Contents,
    /// `digest` returns the digest under which a record names the content.
    ContentDigest,
    /// Later writes do not change the pinned tree of a view.
    Pinned,
    /// `live_summary` is the summary of the live tree, including everything applied and written
    /// since the view was pinned.
    LiveSummary,
    /// `apply` joins valid records: a new record changes the state and counts as applied.
    Apply,
    /// `apply` refuses a record whose content is missing.
    Verification,
    /// A record that is applied again changes nothing and counts as stale.
    Idempotence,
    /// Each record of a delivery is applied by itself: a refused one does not affect the others,
    /// and two records of one id are joined.
    Deliveries,
    /// Every id of 1 to 128 bytes is kept byte for byte. Ids that differ in case, in spaces, in the
    /// last byte or in the normal form of a letter are different ids.
    Ids,
    /// The result does not depend on the order of records or on their distribution over deliveries.
    Order,
    /// The parts of a record, applied one by one, add up to the whole record.
    Parts,
    /// The digests are functions of the state: equal below a node if and only if the records there
    /// are equal.
    Digests,
    /// `apply` keeps a dot if both sides hold it, or if its version is above the entry of the side
    /// that lacks it. It keeps the greater entry, and every part that only one side has.
    Join,
    /// A deletion, which is a record with entries and without dots, is kept: the deleted contents
    /// do not return.
    Deletions,
    /// `apply` keeps the suppressed digests, each with its greater length, and `record` returns
    /// them.
    Suppression,
    /// A write replaces all contents that the replica sees, and keeps the entries of other nodes.
    Writes,
    /// `repin` pins the live tree again; required of a view with clocks.
    Repin,
    /// Two replicas hold the same state after at most three sessions, and the last one ends in
    /// sync. Every record is then the join of both replicas' records of its id.
    Convergence,
    /// The clocks contain every context entry of every record, count this node's own writes as
    /// handled, and do not count a record as handled merely because it arrived; required of a view
    /// with clocks.
    Clocks,
    /// A restart changes neither root nor records, and the clocks lose nothing; checked if
    /// [`Replica::reopen`] returns true. The next write then obeys the law
    /// [`Writes`](Self::Writes).
    Reopen,
}

/// The error for a view that breaks a law. Sessions over such a view may leave replicas different
/// without reporting an error. Correct the view.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the view breaks the law {law:?}: {detail}")]
#[non_exhaustive]
pub struct BrokenView {
    /// The law.
    pub law: ViewLaw,
    /// How the view breaks the law.
    pub detail: String,
}
