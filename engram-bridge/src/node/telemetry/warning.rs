//! States of a node that need an operator's attention.

use std::fmt;
use std::time::{Duration, SystemTime};

use engram_gossip_net::{ConnectionState, HandshakeError, PeerStatus};
use engram_vclock::ClockFault;

use crate::durable::recovery::{Recovery, counted};
use crate::durable::storage::StorageError;
#[cfg(feature = "files")]
use crate::engram::timestamp::Timestamp;
use crate::replica::caps::{Cap, CapUsage};

/// How long before a certificate's expiry a node begins to warn.
pub const EXPIRY_NOTICE: Duration = Duration::from_secs(30 * 86_400);

/// A state of a node that needs an operator's attention. Its text names the cause;
/// [`next_step`](Self::next_step) returns advice, which never suggests removing data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Changes cannot be stored. The node serves the current state and accepts no changes.
    StorageFailure(StorageError),
    /// The store was damaged when the node started: [`Recovery::Repaired`] or [`Recovery::SetAside`].
    StoreDamaged(Recovery),
    /// Records from peers, or parts of them, were refused within the last hour because of a cap.
    OverCap(CapUsage),
    /// A cap is used up, or nearly so, but refused nothing within the last hour.
    NearCap(CapUsage),
    /// Writes of this process were reissued within the last hour, because peers knew later
    /// versions of this node.
    Reissued {
        /// The number of writes.
        writes: u64,
    },
    /// The certificate of this node has expired. Peers refuse new connections.
    CertificateExpired {
        /// The time of expiry.
        since: SystemTime,
    },
    /// The certificate of this node expires within [`EXPIRY_NOTICE`].
    CertificateExpires {
        /// The time of expiry.
        at: SystemTime,
        /// The number of whole days until the certificate expires.
        days: u64,
    },
    /// The clock of the machine is wrong.
    ClockFault(ClockFault),
    /// Parts of records were refused within the last hour, because their versions are too far in the
    /// future.
    Implausible {
        /// The number of parts.
        parts: u64,
        /// Whether most members of the roster wrote such versions. If so, this node's clock is
        /// behind.
        by_most: bool,
    },
    /// Within the last hour, members were found to write versions ahead of this node's clock by
    /// more than [`CLOCK_TOLERANCE`](crate::replica::CLOCK_TOLERANCE). The versions were joined.
    ClockAhead {
        /// The number of members.
        members: u64,
    },
}

/// The reason why a node is not ready to serve the cluster's state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unready {
    /// The node has peers, and its state has not been equal to that of any of them since it
    /// started.
    #[error("this node's state has not been equal to that of any peer yet")]
    NeverEqual,
    /// The node has peers, but is connected to none of them.
    #[error("no peer is connected; the state of each peer names the cause")]
    CutOff,
    /// The node is connected to no peer, and at least one peer refuses it, since it is not in the
    /// peer's roster.
    #[error(
        "peers refuse this node, since it is not in their roster; if it belongs to the cluster, add its \
         id to their [[peers]]"
    )]
    Evicted,
    /// The node cannot store changes.
    #[error("changes cannot be stored: {0}")]
    Storage(#[from] StorageError),
}

impl Unready {
    /// The reason why the node is connected to no peer; `None` if it is connected to one, or has no
    /// peers.
    pub(super) fn of_connections(peers: &[PeerStatus]) -> Option<Self> {
        let is_connected =
            |peer: &PeerStatus| matches!(peer.connection, ConnectionState::Connected { .. });
        let refuses = |peer: &PeerStatus| {
            let cause = match &peer.connection {
                ConnectionState::BackOff { cause, .. } => Some(cause),
                _ => None,
            };
            cause == Some(&HandshakeError::RefusedNotInRoster)
        };
        match () {
            () if peers.is_empty() || peers.iter().any(is_connected) => None,
            () if peers.iter().any(refuses) => Some(Self::Evicted),
            () => Some(Self::CutOff),
        }
    }
}

impl Warning {
    /// The stable name of the state, as used by the health checks, the page and the events.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StorageFailure(_) => "storage_failure",
            Self::StoreDamaged(_) => "store_damaged",
            Self::OverCap(_) => "over_cap",
            Self::NearCap(_) => "near_cap",
            Self::Reissued { .. } => "reissued",
            Self::CertificateExpired { .. } => "certificate_expired",
            Self::CertificateExpires { .. } => "certificate_expires",
            Self::ClockFault(_) => "clock_fault",
            Self::Implausible { .. } => "implausible",
            Self::ClockAhead { .. } => "clock_ahead",
        }
    }

    /// Whether the node accepts no changes, refuses records because of a cap, cannot connect to peers, or may lose writes
    /// to a second process under its key.
    #[must_use]
    pub const fn is_critical(&self) -> bool {
        matches!(
            self,
            Self::StorageFailure(_)
                | Self::OverCap(_)
                | Self::CertificateExpired { .. }
                | Self::Reissued { .. }
        )
    }

    /// Returns advice for the operator.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::StorageFailure(StorageError::Replaced { .. }) => {
                "put the file back under store.path, or make a backup of the open file: `engram-node ctl \
                 backup DIR`"
                    .to_owned()
            }
            Self::StorageFailure(_) => {
                "make room on the disk under store.path, make it writable, or repair it; peers send the \
                 refused records again"
                    .to_owned()
            }
            Self::StoreDamaged(_) => {
                "check the disk of this machine; this warning disappears at the next start".to_owned()
            }
            Self::OverCap(usage) | Self::NearCap(usage) => format!(
                "raise {} and restart the node: records already held are kept, and peers send the refused ones \
                 again",
                usage.cap.key()
            ),
            Self::Reissued { .. } => {
                "look for a second process under this node's key, and give it a separate key; if \
                 there is none, the clock was set back or an older copy of the store was restored, and \
                 there is nothing to do"
                    .to_owned()
            }
            Self::CertificateExpired { .. } | Self::CertificateExpires { .. } => {
                "rotate the certificate and reload: `engram-node certs rotate CERTIFICATE --ca DIR`, \
                 where DIR is the folder of ca.key, then `engram-node ctl reload`"
                    .to_owned()
            }
            Self::ClockFault(_) => "set the clock of this machine".to_owned(),
            Self::Implausible { by_most: true, .. } => {
                "set the clock of this machine, which is far behind those of most members".to_owned()
            }
            Self::Implausible { by_most: false, .. } => {
                "set the clocks of the nodes that wrote the versions; the events name them".to_owned()
            }
            Self::ClockAhead { .. } => {
                "compare the clock of this machine with those of the members that the events name, \
                 and set the wrong ones"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StorageFailure(error) => write!(f, "changes cannot be stored: {error}"),
            Self::StoreDamaged(Recovery::SetAside { place, reason }) => write!(
                f,
                "the store could not be read when this node started ({reason}), and is now in {place}"
            ),
            Self::StoreDamaged(found) => write!(f, "when this node started, {found}"),
            Self::OverCap(usage) => write!(
                f,
                "records from peers, or parts of them, were refused within the last hour: {} is reached ({})",
                usage.cap.key(),
                amount(usage)
            ),
            Self::NearCap(usage) => {
                let used = if usage.used < usage.limit { "nearly used up" } else { "used up" };
                write!(f, "{} is {used} ({})", usage.cap.key(), amount(usage))
            }
            Self::Reissued { writes } => write!(
                f,
                "{} reissued within the last hour, because peers knew later versions of this node",
                counted(*writes, "write of this node was", "writes of this node were")
            ),
            Self::CertificateExpired { since } => write!(
                f,
                "the certificate of this node expired at {}; peers refuse new connections",
                date(*since)
            ),
            Self::CertificateExpires { at, days } => {
                let days = counted(*days, "day", "days");
                write!(f, "the certificate of this node expires in {days}, at {}", date(*at))
            }
            Self::ClockFault(fault) => describe(f, fault),
            Self::Implausible { parts, .. } => write!(
                f,
                "{} refused within the last hour, because of versions too far in the future",
                counted(*parts, "part of a record was", "parts of records were")
            ),
            Self::ClockAhead { members } => write!(
                f,
                "within the last hour, {} versions ahead of this machine's clock",
                counted(*members, "member wrote", "members wrote")
            ),
        }
    }
}

/// A time in whole seconds: as RFC 3339 with the feature `files`, else as Unix time.
fn date(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    #[cfg(feature = "files")]
    {
        let nanoseconds = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        let text = Timestamp::from_nanoseconds(nanoseconds).to_string();
        format!("{}Z", text.split('.').next().unwrap_or_default())
    }
    #[cfg(not(feature = "files"))]
    {
        format!("Unix time {}", since.as_secs())
    }
}

fn amount(CapUsage { cap, used, limit }: &CapUsage) -> String {
    match cap {
        Cap::LiveRecords => format!("{used} of {limit} records"),
        Cap::Deletions => format!("{used} of {limit}"),
        Cap::ContentBytes => format!("{} of {} MiB", used >> 20, limit >> 20),
        Cap::UnlistedEntries => format!("{used} of {limit} entries in one space"),
    }
}

fn describe(f: &mut fmt::Formatter<'_>, fault: &ClockFault) -> fmt::Result {
    match fault {
        ClockFault::BeforeBuild { now, built_at } => write!(
            f,
            "the clock of this machine is behind: it shows a time up to {} before the release of this program",
            days(*now, *built_at)
        ),
        ClockFault::Ahead { now, told } => write!(
            f,
            "the clock of this machine is up to {} ahead of every clock that a peer reported",
            days(*told, *now)
        ),
        _ => f.write_str("the clock of this machine is wrong"),
    }
}

/// Days between two times in nanoseconds, rounded up.
fn days(from: u64, to: u64) -> String {
    let days = to.saturating_sub(from).div_ceil(86_400 * 1_000_000_000);
    counted(days, "day", "days")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every() -> Vec<Warning> {
        let place = "state.redb".to_owned();
        let usage = CapUsage { cap: Cap::Deletions, used: 8, limit: 10 };
        let day = 86_400 * 1_000_000_000;
        vec![
            Warning::StorageFailure(StorageError::Full {
                place: place.clone(),
                reason: "os error 28".to_owned(),
            }),
            Warning::OverCap(usage),
            Warning::NearCap(usage),
            Warning::Reissued { writes: 3 },
            Warning::ClockFault(ClockFault::BeforeBuild { now: day, built_at: 3 * day }),
            Warning::ClockFault(ClockFault::Ahead { now: 9 * day, told: day }),
            Warning::Implausible { parts: 2, by_most: false },
            Warning::Implausible { parts: 2, by_most: true },
            Warning::ClockAhead { members: 1 },
            Warning::CertificateExpired { since: SystemTime::UNIX_EPOCH },
            Warning::CertificateExpires { at: SystemTime::UNIX_EPOCH, days: 7 },
            Warning::StorageFailure(StorageError::Replaced { place: place.clone() }),
            Warning::StoreDamaged(Recovery::SetAside { place, reason: "a test".to_owned() }),
            Warning::StoreDamaged(Recovery::Repaired { records: 1, lost: Vec::new(), rows: 1 }),
        ]
    }

    #[test]
    fn no_warning_advises_removing_data() {
        for warning in every() {
            let text = format!("{warning}; {}", warning.next_step()).to_lowercase();
            for verb in ["forget", "delet", "remove", "empty", "withdraw", "drop", "resolve"] {
                let text = text.replace("store.max_deletions", "");
                assert!(!text.contains(verb), "{verb}: {text}");
            }
        }
    }

    #[test]
    fn a_reached_cap_is_called_used_up() {
        let told = |used| Warning::NearCap(CapUsage { cap: Cap::LiveRecords, used, limit: 45 });
        assert!(told(44).to_string().contains("is nearly used up (44 of 45"));
        assert!(told(52).to_string().contains("is used up (52 of 45"));
    }

    #[test]
    fn a_warning_names_cause_and_key() {
        let texts: Vec<String> = every().iter().map(Warning::to_string).collect();
        for (text, part) in [
            (&texts[0], "os error 28"),
            (&texts[1], "store.max_deletions is reached (8 of 10)"),
            (&texts[4], "up to 2 days before the release"),
            (&texts[5], "up to 8 days ahead"),
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(every()[1].next_step().contains("raise store.max_deletions"));
    }
}
