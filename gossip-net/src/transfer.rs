//! How much sessions may move: what one peer may use up here, and how fast this node sends.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use engram_gossip_proto::Stats;
use tokio::time::Instant;

use crate::bucket::{Rate, TokenBucket};
use crate::config::ConfigError;
use crate::limits::{LEAST_RATE, PEER_BYTES, PEER_HASH_NODES, PEER_RECORDS, SEND_BURST};

/// How much sessions may move. Can be changed while the node runs:
/// [`Gossip::set_transfer`](crate::Gossip::set_transfer).
///
/// A session that is due waits until nothing is owed, and may then move what has accrued, and at
/// least one message of records. What it took is charged at its end.
///
/// ```
/// use engram_gossip_net::{QuietHours, Transfer};
/// let mut transfer = Transfer::default();
/// transfer.send_rate = Some(10_000_000);
/// // From nine to five, in UTC, news still travels, and bulk hardly does.
/// transfer.quiet_hours = Some(QuietHours::new(9 * 60, 17 * 60, 100_000));
/// assert!(transfer.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfer {
    /// What each peer may use up here.
    pub peer: Allowance,
    /// Bytes a second that the sessions of this node send, all together. `None`, the default, is as
    /// many as the network takes.
    pub send_rate: Option<u64>,
    /// When less is sent.
    pub quiet_hours: Option<QuietHours>,
}

/// What one peer may use up of this node by sessions, whoever opens them. A peer that owes is
/// refused its sessions, and is not asked for any, until that has accrued; others do not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowance {
    /// Bytes on the streams, both ways. Default: [`PEER_BYTES`].
    pub bytes: Rate,
    /// Nodes and listings of the tree that it makes this node compare. Default: [`PEER_HASH_NODES`].
    pub hash_nodes: Rate,
    /// Records, both ways. Default: [`PEER_RECORDS`].
    pub records: Rate,
}

/// A part of each day in which less is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuietHours {
    /// The first minute of the day, in UTC, that is quiet.
    pub from: u16,
    /// The first minute after it that is not. If it is not after `from`, the night is quiet.
    pub until: u16,
    /// Bytes a second that are sent in them; at least [`LEAST_RATE`], so that news travels.
    pub send_rate: u64,
}

/// The minutes of a day.
const DAY: Range<u16> = 0..24 * 60;

impl Default for Allowance {
    fn default() -> Self {
        Self { bytes: PEER_BYTES, hash_nodes: PEER_HASH_NODES, records: PEER_RECORDS }
    }
}

impl Allowance {
    /// No limits.
    pub const UNLIMITED: Self =
        Self { bytes: Rate::UNLIMITED, hash_nodes: Rate::UNLIMITED, records: Rate::UNLIMITED };

    fn rates(&self) -> [Rate; 3] {
        [self.bytes, self.hash_nodes, self.records]
    }
}

impl QuietHours {
    /// From one minute of the day to another, in UTC, with so many bytes sent a second.
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

impl Transfer {
    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] names the first one that cannot work, and what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refused =
            |field, value: u64, rule| ConfigError { field, value: value.to_string(), rule };
        for (field, rate) in ACCOUNTS.into_iter().zip(self.peer.rates()) {
            if let least @ 0 = rate.per_second.min(rate.burst) {
                return Err(refused(field, least, "at least 1, a second and in a burst"));
            }
        }
        let quiet = self.quiet_hours;
        let rates = self.send_rate.into_iter().chain(quiet.map(|quiet| quiet.send_rate));
        if let Some(slow) = rates.into_iter().find(|rate| *rate < LEAST_RATE) {
            return Err(refused("send_rate", slow, "at least 1024 bytes a second, or left out"));
        }
        let ends = quiet.into_iter().flat_map(|quiet| [quiet.from, quiet.until]);
        match ends.into_iter().find(|minute| !DAY.contains(minute)) {
            Some(late) => {
                Err(refused("quiet_hours", late.into(), "a minute of the day, below 1440"))
            }
            None => Ok(()),
        }
    }

    /// Bytes a second that may be sent at this time of the day.
    fn send_rate_at(&self, time: SystemTime) -> Option<u64> {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let minute = since.as_secs() / 60 % u64::from(DAY.end);
        let quiet = self.quiet_hours.filter(|quiet| quiet.contain(minute as u16));
        quiet.map(|quiet| quiet.send_rate).into_iter().chain(self.send_rate).min()
    }
}

/// The accounts of a peer, as counters call them.
const ACCOUNTS: [&str; 3] = ["peer_bytes", "peer_hash_nodes", "peer_records"];
/// The account of all that a node sends.
const SENDING: &str = "send_rate";

/// What one peer has used up.
#[derive(Debug)]
pub(crate) struct Account {
    allowance: Allowance,
    buckets: [TokenBucket; 3],
}

impl Account {
    pub(crate) fn new(allowance: Allowance, now: Instant) -> Self {
        Self { allowance, buckets: allowance.rates().map(|rate| TokenBucket::new(rate, now)) }
    }

    /// Puts another allowance in force.
    pub(crate) fn set(&mut self, allowance: Allowance, now: Instant) {
        if self.allowance != allowance {
            self.allowance = allowance;
            let buckets = self.buckets.iter_mut().zip(allowance.rates());
            buckets.for_each(|(bucket, rate)| bucket.set_rate(rate, now));
        }
    }

    /// What is owed the longest, and until when.
    pub(crate) fn owes(&self, now: Instant) -> Option<(&'static str, Instant)> {
        let owed = ACCOUNTS.into_iter().zip(self.buckets.iter().map(TokenBucket::solvent_at));
        owed.filter(|(_, until)| *until > now).max_by_key(|(_, until)| *until)
    }

    /// The bytes that a session may move.
    pub(crate) fn bytes(&self, now: Instant) -> u64 {
        self.buckets[0].level(now)
    }

    pub(crate) fn charge(&mut self, stats: &Stats, bytes: u64, now: Instant) {
        let used = [bytes, stats.hash_nodes, stats.records_in + stats.records_out];
        self.buckets.iter_mut().zip(used).for_each(|(bucket, used)| bucket.charge(used, now));
    }
}

/// What the sessions of a node send, all together.
#[derive(Debug)]
pub(crate) struct Sending {
    transfer: Transfer,
    /// The rate in force, and what has accrued at it.
    bucket: Option<(u64, TokenBucket)>,
}

impl Sending {
    pub(crate) fn new(transfer: Transfer) -> Self {
        Self { transfer, bucket: None }
    }

    pub(crate) fn transfer(&self) -> Transfer {
        self.transfer
    }

    pub(crate) fn set(&mut self, transfer: Transfer) {
        self.transfer = transfer;
    }

    /// Lets bytes accrue at the rate of this time of the day.
    fn keep_up(&mut self, now: Instant, time: SystemTime) {
        self.bucket = self.transfer.send_rate_at(time).map(|per_second| {
            let rate = Rate { per_second, burst: per_second.saturating_mul(SEND_BURST) };
            match self.bucket.take() {
                Some((before, bucket)) if before == per_second => (before, bucket),
                Some((_, mut bucket)) => {
                    bucket.set_rate(rate, now);
                    (per_second, bucket)
                }
                None => (per_second, TokenBucket::new(rate, now)),
            }
        });
    }

    /// Whether more was sent than may be, and until when.
    pub(crate) fn owes(
        &mut self,
        now: Instant,
        time: SystemTime,
    ) -> Option<(&'static str, Instant)> {
        self.keep_up(now, time);
        let until = self.bucket.as_ref()?.1.solvent_at();
        // Quiet hours may end before the debt at their rate does.
        (until > now).then(|| (SENDING, until.min(now + LOOK)))
    }

    /// The bytes that a session may send.
    pub(crate) fn bytes(&self, now: Instant) -> u64 {
        self.bucket.as_ref().map_or(u64::MAX, |(_, bucket)| bucket.level(now))
    }

    pub(crate) fn charge(&mut self, sent: u64, now: Instant) {
        if let Some((_, bucket)) = &mut self.bucket {
            bucket.charge(sent, now);
        }
    }
}

/// How often the time of the day is looked at while sessions wait.
const LOOK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minute: u16) -> SystemTime {
        SystemTime::UNIX_EPOCH + MINUTE * (3 * 24 * 60 + u32::from(minute))
    }

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        for (from, until, quiet, loud) in [
            (540, 1020, [540, 700, 1019], [0, 539, 1020]),
            (1320, 360, [1320, 1439, 359], [360, 700, 1319]),
        ] {
            let hours = Some(QuietHours::new(from, until, 2000));
            let transfer =
                Transfer { send_rate: Some(9000), quiet_hours: hours, ..Transfer::default() };
            assert!(quiet.iter().all(|minute| transfer.send_rate_at(at(*minute)) == Some(2000)));
            assert!(loud.iter().all(|minute| transfer.send_rate_at(at(*minute)) == Some(9000)));
        }
    }

    #[test]
    fn what_cannot_work_is_named() {
        let check = |change: fn(&mut Transfer)| {
            let mut transfer = Transfer::default();
            change(&mut transfer);
            transfer.check().map_err(|error| error.field)
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert_eq!(check(|t| t.send_rate = Some(LEAST_RATE)), Ok(()));
        assert_eq!(check(|t| t.send_rate = Some(LEAST_RATE - 1)), Err("send_rate"));
        assert_eq!(
            check(|t| t.quiet_hours = Some(QuietHours::new(0, 1440, 2000))),
            Err("quiet_hours")
        );
        assert_eq!(check(|t| t.peer.records.per_second = 0), Err("peer_records"));
        assert_eq!(check(|t| t.peer.bytes.burst = 0), Err("peer_bytes"));
    }

    #[test]
    fn each_account_is_overdrawn_by_one_more_than_its_burst() {
        let now = Instant::now() + MINUTE * 60 * 24;
        let used = |bytes: u64, hash_nodes: u64, records_in: u64| {
            let mut account = Account::new(Allowance::default(), now);
            let mut stats = Stats::default();
            (stats.hash_nodes, stats.records_in) = (hash_nodes, records_in);
            account.charge(&stats, bytes, now);
            account.owes(now).map(|(what, _)| what)
        };
        let bursts = [PEER_BYTES.burst, PEER_HASH_NODES.burst, PEER_RECORDS.burst];
        assert_eq!(used(bursts[0], bursts[1], bursts[2]), None);
        assert_eq!(used(bursts[0] + 1, 0, 0), Some("peer_bytes"));
        assert_eq!(used(0, bursts[1] + 1, 0), Some("peer_hash_nodes"));
        assert_eq!(used(0, 0, bursts[2] + 1), Some("peer_records"));
    }

    #[test]
    fn what_is_sent_may_come_in_bursts_and_is_paid_back_at_the_rate_of_the_hour() {
        let now = Instant::now() + MINUTE * 60 * 24;
        let mut transfer = Transfer { send_rate: Some(10_000), ..Transfer::default() };
        let mut sending = Sending::new(transfer);
        assert_eq!(sending.owes(now, at(0)), None);
        assert_eq!(sending.bytes(now), 10_000 * SEND_BURST);
        sending.charge(10_000 * (SEND_BURST + 20), now);
        assert_eq!(sending.owes(now, at(0)), Some((SENDING, now + MINUTE / 3)));
        transfer.send_rate = Some(100_000);
        sending.set(transfer);
        assert_eq!(sending.owes(now, at(0)), Some((SENDING, now + MINUTE / 30)));
        sending.set(Transfer::default());
        assert_eq!((sending.owes(now, at(0)), sending.bytes(now)), (None, u64::MAX));
    }
}
