//! The outcome of opening a store.

use std::fmt;

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;

use crate::durable::storage::StorageError;

/// The state of a store when its node opened it.
///
/// The node starts in each of these cases. It gets missing records back from its peers, except those that only
/// this node held.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// Nothing is stored; the state is lost when the process ends.
    InMemory,
    /// The store was empty.
    New,
    /// Every row of the hosted spaces was sound.
    Loaded {
        /// The number of records.
        records: u64,
    },
    /// Some rows were damaged or missing. Damaged rows were skipped.
    Repaired {
        /// The number of records kept.
        records: u64,
        /// The spaces and ids of lost records, at most [`MAX_NAMED_LOSSES`]. A placeholder stands
        /// for an unreadable id.
        lost: Vec<(SpaceId, String)>,
        /// The number of rows that were damaged, or that referenced damaged or missing rows; at least 1, even if only
        /// the stored root shows that rows are missing.
        rows: u64,
    },
    /// The store could not be read. It was set aside, and the node starts with an empty one.
    SetAside {
        /// The place to which the old store was moved.
        place: String,
        /// The cause.
        reason: String,
    },
}

impl Recovery {
    /// The number of records with which the node started.
    pub(crate) const fn records(&self) -> u64 {
        match self {
            Self::Loaded { records } | Self::Repaired { records, .. } => *records,
            Self::InMemory | Self::New | Self::SetAside { .. } => 0,
        }
    }
}

/// The maximum number of lost records that [`Recovery::Repaired`] names.
pub const MAX_NAMED_LOSSES: usize = 100;

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InMemory => {
                f.write_str("nothing is stored; the state is lost when the process ends")
            }
            Self::New => f.write_str("the store is new"),
            Self::Loaded { records } => {
                write!(f, "the store holds {}, all sound", counted(*records, "record", "records"))
            }
            Self::Repaired { records, lost, rows } => {
                let rows = counted(*rows, "row of the store is", "rows of the store are");
                let kept = counted(*records, "record was", "records were");
                write!(f, "{rows} damaged or missing; {kept} kept, and the peers send the others")?;
                let ids = lost.iter().map(|(space, id)| format!("{id:?} in {space}"));
                let ids: Vec<String> = ids.take(3).collect();
                match ids.is_empty() {
                    true => Ok(()),
                    false => write!(f, " (among them {})", ids.join(", ")),
                }
            }
            Self::SetAside { place, reason } => write!(
                f,
                "the store cannot be read ({reason}); it was set aside as {place}, and the node \
                 starts with an empty one, which the peers fill"
            ),
        }
    }
}

/// A number with the words that follow it: `1 row is`, `2 rows are`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Why a store cannot be opened. The store is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Another version of the program wrote the store.
    #[error(
        "the store has schema {found}, but this version reads schema {known}; run the version that \
         wrote it, or start with an empty store, which the peers fill"
    )]
    Schema {
        /// The schema of the store: the first four bytes of the row `owner` in
        /// [`Table::Meta`](crate::durable::Table::Meta).
        found: u32,
        /// The schema that this version reads: 6 since version 0.1.0.
        known: u32,
    },
    /// Another node wrote the store.
    #[error(
        "the store belongs to another node ({found}); give this one its own store, or the \
         certificate and key of that node"
    )]
    Foreign {
        /// The node that wrote the store.
        found: NodeId,
    },
    /// The store was written with other parameters.
    #[error(
        "the store was written with {found}, but the configuration specifies {configured}; \
         restore the configuration, or start with an empty store, which the peers fill"
    )]
    Parameters {
        /// The parameters of the store.
        found: String,
        /// The parameters of the configuration.
        configured: String,
    },
}
