//! Rate limits for sessions: the quota of each peer, and the rate at which this node sends.

use core::ops::Range;
use core::time::Duration;

use super::ConfigError;
use super::limits::{
    CLOCK_CHECK, LEAST_RATE, PEER_BYTES, PEER_HASH_NODES, PEER_RECORDS, SEND_BURST,
};
use super::token_bucket::{Rate, TokenBucket};
use crate::Stats;

/// The rate limits for sessions. They may change while the node runs.
///
/// A session that is due waits until no debt is left. It may then transfer the accrued amount, and
/// at least one message of records. Its usage is charged when it ends.
///
/// ```
/// use engram_gossip_proto::schedule::{QuietHours, RateLimits};
/// let mut limits = RateLimits::default();
/// limits.send_rate = Some(10_000_000);
/// // From nine to five, in UTC, small changes still travel immediately, but large ones slowly.
/// limits.quiet_hours = Some(QuietHours::new(9 * 60, 17 * 60, 100_000));
/// assert!(limits.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// The quota of each peer.
    pub peer: PeerQuota,
    /// Bytes per second that all sessions of this node may send together. `None`, the default, does
    /// not limit the rate.
    pub send_rate: Option<u64>,
    /// Hours with a lower send rate.
    pub quiet_hours: Option<QuietHours>,
}

/// The quota of one peer, for sessions that either side opens.
///
/// This node refuses the sessions of a peer in debt, and opens none with it, until the debt is paid
/// back; other peers are not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerQuota {
    /// Bytes on the streams of sessions, in both directions. Default: [`PEER_BYTES`].
    pub bytes: Rate,
    /// Tree nodes, listings and requested keys that this node receives from the peer. Default:
    /// [`PEER_HASH_NODES`].
    pub hash_nodes: Rate,
    /// Records, in both directions. Default: [`PEER_RECORDS`].
    pub records: Rate,
}

/// A part of each day with a lower send rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuietHours {
    /// The first quiet minute of the day, in UTC.
    pub from: u16,
    /// The first minute after the quiet hours. If it is before `from`, the quiet hours span
    /// midnight; if it equals `from`, they last all day.
    pub until: u16,
    /// Bytes per second in quiet hours; at least [`LEAST_RATE`], so that small changes get through.
    pub send_rate: u64,
}

/// The minutes of a day.
const DAY: Range<u16> = 0..24 * 60;

impl Default for PeerQuota {
    fn default() -> Self {
        Self { bytes: PEER_BYTES, hash_nodes: PEER_HASH_NODES, records: PEER_RECORDS }
    }
}

impl PeerQuota {
    /// An unlimited quota.
    pub const UNLIMITED: Self =
        Self { bytes: Rate::UNLIMITED, hash_nodes: Rate::UNLIMITED, records: Rate::UNLIMITED };

    fn rates(&self) -> [Rate; 3] {
        [self.bytes, self.hash_nodes, self.records]
    }
}

impl QuietHours {
    /// Creates quiet hours from one minute of the day to another, in UTC, with `send_rate` bytes
    /// per second.
    pub fn new(from: u16, until: u16, send_rate: u64) -> Self {
        Self { from, until, send_rate }
    }

    fn contain(&self, minute: u16) -> bool {
        match self.from < self.until {
            true => (self.from..self.until).contains(&minute),
            false => !(self.until..self.from).contains(&minute),
        }
    }
}

impl RateLimits {
    /// Checks that every value is valid.
    ///
    /// # Errors
    /// [`ConfigError`] names the first invalid value and its rule.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (limit, rate) in Scarce::OF_PEER.into_iter().zip(self.peer.rates()) {
            if let least @ 0 = rate.per_second.min(rate.burst) {
                return Err(ConfigError::new(
                    limit.name(),
                    least,
                    "at least 1 per second and per burst",
                ));
            }
        }
        let quiet = self.quiet_hours;
        let rates = [
            ("send_rate", self.send_rate, "at least 1024 bytes per second, or unset"),
            (
                "quiet_hours.send_rate",
                quiet.map(|quiet| quiet.send_rate),
                "at least 1024 bytes per second",
            ),
        ];
        for (name, rate, rule) in rates {
            if let Some(slow) = rate.filter(|rate| *rate < LEAST_RATE) {
                return Err(ConfigError::new(name, slow, rule));
            }
        }
        let ends = quiet.into_iter().flat_map(|quiet| [quiet.from, quiet.until]);
        match ends.into_iter().find(|minute| !DAY.contains(minute)) {
            Some(late) => {
                Err(ConfigError::new("quiet_hours", late, "a minute of the day, below 1440"))
            }
            None => Ok(()),
        }
    }

    /// The send rate in force at `time`, measured from the Unix epoch, in bytes per second; `None`
    /// if it is unlimited.
    fn send_rate_at(&self, time: Duration) -> Option<u64> {
        let minute = (time.as_secs() / 60 % u64::from(DAY.end)) as u16;
        let quiet = self.quiet_hours.filter(|quiet| quiet.contain(minute));
        quiet.map(|quiet| quiet.send_rate).into_iter().chain(self.send_rate).min()
    }
}

/// The quota that a session has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scarce {
    /// [`PeerQuota::bytes`].
    PeerBytes,
    /// [`PeerQuota::hash_nodes`].
    PeerHashNodes,
    /// [`PeerQuota::records`].
    PeerRecords,
    /// [`RateLimits::send_rate`], or the send rate of the quiet hours.
    SendRate,
}

impl Scarce {
    const OF_PEER: [Self; 3] = [Self::PeerBytes, Self::PeerHashNodes, Self::PeerRecords];

    /// A short, stable name for counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::PeerBytes => "peer_bytes",
            Self::PeerHashNodes => "peer_hash_nodes",
            Self::PeerRecords => "peer_records",
            Self::SendRate => "send_rate",
        }
    }
}

/// The usage of one peer.
#[derive(Debug)]
pub(super) struct PeerAccount([TokenBucket; 3]);

impl PeerAccount {
    pub(super) const NEW: Self = Self([TokenBucket::FULL; 3]);

    pub(super) fn change_quota(&mut self, before: &PeerQuota, after: &PeerQuota, now: Duration) {
        for ((bucket, before), after) in self.0.iter_mut().zip(before.rates()).zip(after.rates()) {
            if before != after {
                bucket.change_rate(before, after, now);
            }
        }
    }

    /// Returns the debt that lasts longest, and the time at which it ends.
    pub(super) fn owes(&self, now: Duration) -> Option<(Scarce, Duration)> {
        let owed = Scarce::OF_PEER.into_iter().zip(self.0.iter().map(TokenBucket::solvent_at));
        owed.filter(|(_, until)| *until > now).max_by_key(|(_, until)| *until)
    }

    /// Number of bytes that a session may transfer.
    pub(super) fn bytes(&self, quota: &PeerQuota, now: Duration) -> u64 {
        self.0[0].level(quota.bytes, now)
    }

    pub(super) fn charge(&mut self, stats: &Stats, bytes: u64, quota: &PeerQuota, now: Duration) {
        let used = [bytes, stats.hash_nodes, stats.records_in + stats.records_out];
        for ((bucket, used), rate) in self.0.iter_mut().zip(used).zip(quota.rates()) {
            bucket.charge(used, rate, now);
        }
    }
}

/// Accounts for the bytes that all sessions of a node send.
#[derive(Debug)]
pub(super) struct SendAccount {
    /// The current rate, and the amount accrued at it.
    bucket: Option<(Rate, TokenBucket)>,
}

impl SendAccount {
    pub(super) const NEW: Self = Self { bucket: None };

    /// Applies the send rate that is in force at `time`, measured from the Unix epoch.
    fn keep_up(&mut self, limits: &RateLimits, now: Duration, time: Duration) {
        self.bucket = limits.send_rate_at(time).map(|per_second| {
            let rate = Rate { per_second, burst: per_second.saturating_mul(SEND_BURST) };
            let (before, mut bucket) = self.bucket.take().unwrap_or((rate, TokenBucket::FULL));
            if before != rate {
                bucket.change_rate(before, rate, now);
            }
            (rate, bucket)
        });
    }

    /// Returns the exhausted quota and the time of the next check, if too much was sent.
    pub(super) fn owes(
        &mut self,
        limits: &RateLimits,
        now: Duration,
        time: Duration,
    ) -> Option<(Scarce, Duration)> {
        self.keep_up(limits, now, time);
        let until = self.bucket.as_ref()?.1.solvent_at();
        // Quiet hours may end before a debt would be paid back at their rate.
        (until > now).then(|| (Scarce::SendRate, until.min(now + CLOCK_CHECK)))
    }

    /// Number of bytes that a session may send.
    pub(super) fn bytes(&self, now: Duration) -> u64 {
        self.bucket.as_ref().map_or(u64::MAX, |(rate, bucket)| bucket.level(*rate, now))
    }

    pub(super) fn charge(&mut self, sent: u64, now: Duration) {
        if let Some((rate, bucket)) = &mut self.bucket {
            bucket.charge(sent, *rate, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minute: u16) -> Duration {
        MINUTE * (3 * 24 * 60 + u32::from(minute))
    }

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        for (from, until, quiet, loud) in [
            (540, 1020, [540, 700, 1019], [0, 539, 1020]),
            (1320, 360, [1320, 1439, 359], [360, 700, 1319]),
        ] {
            let hours = Some(QuietHours::new(from, until, 2000));
            let limits =
                RateLimits { send_rate: Some(9000), quiet_hours: hours, ..RateLimits::default() };
            assert!(quiet.iter().all(|minute| limits.send_rate_at(at(*minute)) == Some(2000)));
            assert!(loud.iter().all(|minute| limits.send_rate_at(at(*minute)) == Some(9000)));
        }
    }

    #[test]
    fn a_limit_that_cannot_work_is_named() {
        let check = |change: fn(&mut RateLimits)| {
            let mut limits = RateLimits::default();
            change(&mut limits);
            limits.check().map_err(|error| error.field)
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert_eq!(check(|l| l.send_rate = Some(LEAST_RATE)), Ok(()));
        assert_eq!(check(|l| l.send_rate = Some(LEAST_RATE - 1)), Err("send_rate"));
        assert_eq!(
            check(|l| l.quiet_hours = Some(QuietHours::new(0, 1440, 2000))),
            Err("quiet_hours")
        );
        assert_eq!(check(|l| l.peer.records.per_second = 0), Err("peer_records"));
        assert_eq!(check(|l| l.peer.bytes.burst = 0), Err("peer_bytes"));
    }

    #[test]
    fn an_account_is_overdrawn_beyond_its_burst() {
        let quota = PeerQuota::default();
        let used = |bytes: u64, hash_nodes: u64, records_in: u64| {
            let mut account = PeerAccount::NEW;
            let mut stats = Stats::default();
            (stats.hash_nodes, stats.records_in) = (hash_nodes, records_in);
            account.charge(&stats, bytes, &quota, MINUTE);
            account.owes(MINUTE).map(|(what, _)| what)
        };
        let bursts = [PEER_BYTES.burst, PEER_HASH_NODES.burst, PEER_RECORDS.burst];
        assert_eq!(used(bursts[0], bursts[1], bursts[2]), None);
        assert_eq!(used(bursts[0] + 1, 0, 0), Some(Scarce::PeerBytes));
        assert_eq!(used(0, bursts[1] + 1, 0), Some(Scarce::PeerHashNodes));
        assert_eq!(used(0, 0, bursts[2] + 1), Some(Scarce::PeerRecords));
    }

    #[test]
    fn a_debt_is_paid_at_the_rate_of_the_hour() {
        let mut limits = RateLimits { send_rate: Some(10_000), ..RateLimits::default() };
        let mut sending = SendAccount::NEW;
        assert_eq!(sending.owes(&limits, MINUTE, at(0)), None);
        assert_eq!(sending.bytes(MINUTE), 10_000 * SEND_BURST);
        sending.charge(10_000 * (SEND_BURST + 20), MINUTE);
        let until = MINUTE + MINUTE / 3;
        assert_eq!(sending.owes(&limits, MINUTE, at(0)), Some((Scarce::SendRate, until)));
        limits.send_rate = Some(100_000);
        let until = MINUTE + MINUTE / 30;
        assert_eq!(sending.owes(&limits, MINUTE, at(0)), Some((Scarce::SendRate, until)));
        assert_eq!(sending.owes(&RateLimits::default(), MINUTE, at(0)), None);
        assert_eq!(sending.bytes(MINUTE), u64::MAX);
    }
}
