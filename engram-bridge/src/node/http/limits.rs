//! Limits of the server and of one answer.

use std::time::Duration;

/// The maximum number of connections served at the same time. A further connection closes the oldest one without a
/// request in progress; if all have a request in progress, it waits until a connection ends.
pub const MAX_CONNECTIONS: usize = 32;
/// The maximum size of a request's head in bytes; a longer head is refused. Bodies are never read.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The maximum number of headers of a request; a request with more is refused.
pub const MAX_HEADERS: usize = 64;
/// The time that a client may take to send the head of a request, and the time for which a
/// connection may be idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The time after which a connection is closed. The answer in progress is finished if the client
/// receives it within [`HEAD_TIMEOUT`].
pub const CONNECTION_LIFE: Duration = Duration::from_secs(120);
/// The maximum number of patterns, groups, versions, writes, changes, context entries or digests in one list of an
/// answer; further ones are left out.
pub const MAX_IDS: usize = 256;
