//! Every limit of the own server and of one answer.

use std::time::Duration;

/// Connections that are served at once. A further one ends the oldest that has no request under way; if
/// all have one, it waits.
pub const MAX_CONNECTIONS: usize = 32;
/// Bytes of one request's head; longer ones are refused. Bodies are never read.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Headers of one request; more are refused.
pub const MAX_HEADERS: usize = 64;
/// How long a client may take to send a request's head, and how long a connection may be idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one connection is served. The answer under way is finished, if the client takes it
/// within [`HEAD_TIMEOUT`].
pub const CONNECTION_LIFE: Duration = Duration::from_secs(120);
/// Ids in one list of an answer, of patterns, nodes or contents; those beyond them are counted.
pub const MAX_IDS: usize = 256;
