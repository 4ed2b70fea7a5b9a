//! What both sides must agree on, and what each side may choose.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::limits::{MAX_DIMENSION, MAX_NAME, MAX_RECORDS};
use crate::{Greeting, SessionError, SetupError, SpaceId};

/// How embeddings are stored everywhere in the cluster. The wire is lossless either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Four bytes a value (default).
    #[default]
    F32,
    /// Rounded once to half precision when a pattern enters the store.
    F16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

/// The parameters of a node's state and of its view.
///
/// All but the last are *state parameters*: nodes that differ in one of them cannot compare their
/// trees or keep each other's contents, so a session between them is refused. The strategy only
/// decides what is shown; a difference is reported and does not stop the sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Name of the hash, such as `sha256`.
    pub hash: Arc<str>,
    /// Base depth of the tree in bits.
    pub depth: u8,
    /// Values of one embedding.
    pub dimension: u32,
    /// Precision of the stored embeddings.
    pub precision: Precision,
    /// Name of the strategy that computes the visible patterns, with version and parameters.
    pub strategy: Arc<str>,
}

impl Parameters {
    /// Refuses the first state parameter that differs, with both values.
    pub(crate) fn agree(&self, theirs: &Self) -> Result<(), SessionError> {
        fn same<T: PartialEq + fmt::Display>(
            name: &'static str,
            ours: &T,
            theirs: &T,
        ) -> Result<(), SessionError> {
            if ours == theirs {
                return Ok(());
            }
            Err(SessionError::Parameter {
                name,
                ours: ours.to_string(),
                theirs: theirs.to_string(),
            })
        }
        same("hash", &self.hash, &theirs.hash)?;
        same("depth", &self.depth, &theirs.depth)?;
        same("dimension", &self.dimension, &theirs.dimension)?;
        same("precision", &self.precision, &theirs.precision)
    }

    pub(crate) fn check(&self) -> Result<(), SetupError> {
        if self.hash.len() > MAX_NAME {
            return Err(SetupError::LongName("hash"));
        }
        if self.strategy.len() > MAX_NAME {
            return Err(SetupError::LongName("strategy"));
        }
        if self.dimension == 0 || self.dimension > MAX_DIMENSION {
            return Err(SetupError::Setting("dimension must be 1 to 65,536"));
        }
        Ok(())
    }
}

/// Whether this side compresses what it sends, and takes what is compressed.
///
/// A frame is compressed only if both sides have it on; the state is the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Nothing is compressed.
    Off,
    /// Bit-shuffled float planes and LZ4, where that is smaller (default).
    #[default]
    Lz4,
}

/// The limits of one session that each side chooses for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Most records in one message, 1 to 1,024. A session sends as many messages as it needs.
    pub max_patterns_per_sync: u32,
    /// Whether records are compressed.
    pub compression: Compression,
    /// Most bytes of records that this side sends in the session. One message of records in each turn
    /// is always sent, so that every session makes progress.
    pub send_budget: u64,
    /// Most bytes that this side takes from the peer in the session, hashes and headers included.
    /// The peer is told, and ends its sending in time.
    pub receive_budget: u64,
    /// Longest silence while it is the peer's turn.
    pub idle_timeout: Duration,
    /// Longest duration of the whole session.
    pub session_timeout: Duration,
    /// Where in the key space the sending of records begins: the first 8 bytes of a key hash, read
    /// as a big-endian number. Pass the [`Outcome::cursor`](crate::Outcome) of the last session with
    /// this peer, so that records which it keeps refusing cannot starve others. `None` begins anew.
    pub cursor: Option<u64>,
    /// The peer's node id, if it is known: it chooses the base to tell a version summary by.
    pub peer: Option<[u8; 32]>,
    /// Spaces whose root at the peer is known or believed to differ: their version summaries go along
    /// with the first table, which saves half a round trip. At most 16 count.
    pub suspects: Vec<SpaceId>,
    /// How many sessions with this peer before this one, in a row, had an
    /// [`Outcome::postponed`](crate::Outcome::postponed).
    pub postponed: u8,
    /// What the hello tells the peer: its greatest version known here, and this node's clock.
    pub greeting: Greeting,
    /// Whether the peer names its spaces that this side does not host. Default: no.
    pub learn_spaces: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            max_patterns_per_sync: 100,
            compression: Compression::Lz4,
            send_budget: 256 << 20,
            receive_budget: 512 << 20,
            idle_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(300),
            cursor: None,
            peer: None,
            suspects: Vec::new(),
            postponed: 0,
            greeting: Greeting::default(),
            learn_spaces: false,
        }
    }
}

/// The least that a side must be willing to receive: one full frame and room for the hashes.
const MIN_RECEIVE_BUDGET: u64 = 4 << 20;

impl SessionConfig {
    pub(crate) fn check(&self) -> Result<(), SetupError> {
        if !(1..=MAX_RECORDS as u32).contains(&self.max_patterns_per_sync) {
            return Err(SetupError::Setting("max_patterns_per_sync must be 1 to 1,024"));
        }
        if self.receive_budget < MIN_RECEIVE_BUDGET {
            return Err(SetupError::Setting("receive_budget must be at least 4 MiB"));
        }
        Ok(())
    }
}
