//! Configuration of the scheduler: intervals, delays, concurrency and rate limits.

use alloc::string::{String, ToString};
use core::fmt::Display;
use core::time::Duration;

use super::RateLimits;

/// The intervals, delays, concurrency and rate limits of a node. The fixed limits that protect it
/// from peers are in [`limits`](super::limits).
///
/// ```
/// use core::time::Duration;
/// use engram_gossip_proto::schedule::ScheduleConfig;
/// let mut config = ScheduleConfig::default();
/// config.interval = Duration::from_secs(10);
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleConfig {
    /// Interval in which the timer starts [`fanout`](Self::fanout) sessions, evenly spread. Adverts
    /// announce changes sooner; the timer makes up for lost adverts. Default: 60 s.
    pub interval: Duration,
    /// Number of peers that the timer contacts in each interval, and maximum number of peers that
    /// [`choose_round`](super::Scheduler::choose_round) returns. Default: 3.
    pub fanout: usize,
    /// Number of connected peers that receive an advert of a local change in each of its two waves.
    /// After these peers have synced, they advertise the change to others. Default: 4.
    pub advert_fanout: usize,
    /// Interval at which one connected peer in turn receives the local roots, changed or not,
    /// unless other packets have carried adverts meanwhile; this makes up for lost adverts.
    /// Default: 1 s.
    pub advert_interval: Duration,
    /// Time for which a change waits for more changes before it is advertised. Default: 20 ms.
    pub advert_hold: Duration,
    /// Maximum random delay before a session that an advert triggers. A node whose id is greater
    /// than the peer's waits for this time on top of the delay. Default: 50 ms.
    pub trigger_jitter: Duration,
    /// Maximum number of concurrent sessions that this node opens. Default: 2.
    pub outbound_sessions: usize,
    /// Maximum number of concurrent sessions that peers open with this node. Default: 4.
    pub inbound_sessions: usize,
    /// Rate limits for sessions. [`Scheduler::set_limits`](super::Scheduler::set_limits) changes
    /// them while the node runs.
    pub limits: RateLimits,
    /// The first pause after a failed dial; it doubles up to [`backoff_max`](Self::backoff_max),
    /// and half of each pause is random. Default: 1 s.
    pub backoff_min: Duration,
    /// The longest pause between dials. Default: 60 s.
    pub backoff_max: Duration,
    /// Period within which a new member is first dialled, and a member is dialled again after a
    /// lost connection. Of two nodes, the one with the smaller id dials in the first half; the
    /// other node dials in the second half, unless the first has already dialled it.
    /// Default: 200 ms.
    pub dial_spread: Duration,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            fanout: 3,
            advert_fanout: 4,
            advert_interval: Duration::from_secs(1),
            advert_hold: Duration::from_millis(20),
            trigger_jitter: Duration::from_millis(50),
            outbound_sessions: 2,
            inbound_sessions: 4,
            limits: RateLimits::default(),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            dial_spread: Duration::from_millis(200),
        }
    }
}

/// A configured value that is not valid. Nothing was started or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, but must be {rule}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The name of the field.
    pub field: &'static str,
    /// The configured value.
    pub value: String,
    /// The rule for valid values.
    pub rule: &'static str,
}

impl ConfigError {
    /// Creates the error for a `field` with an invalid `value`.
    pub fn new(field: &'static str, value: impl Display, rule: &'static str) -> Self {
        Self { field, value: value.to_string(), rule }
    }
}

impl ScheduleConfig {
    /// Checks that every value is valid.
    ///
    /// # Errors
    /// [`ConfigError`] names the first invalid field and its rule.
    pub fn check(&self) -> Result<(), ConfigError> {
        const SHORTEST: &str = "at least 10 ms";
        let positive = |field, value: usize| match value {
            0 => Err(ConfigError::new(field, value, "at least 1")),
            _ => Ok(()),
        };
        for (field, value) in [
            ("interval", self.interval),
            ("advert_interval", self.advert_interval),
            ("backoff_min", self.backoff_min),
        ] {
            at_least(Duration::from_millis(10), field, value, SHORTEST)?;
        }
        at_least(self.backoff_min, "backoff_max", self.backoff_max, "at least backoff_min")?;
        positive("fanout", self.fanout)?;
        positive("outbound_sessions", self.outbound_sessions)?;
        positive("inbound_sessions", self.inbound_sessions)?;
        self.limits.check()?;
        for (field, value) in
            [("advert_hold", self.advert_hold), ("trigger_jitter", self.trigger_jitter)]
        {
            at_most(Duration::from_secs(10), field, value, "at most 10 s")?;
        }
        for (field, value) in [
            ("interval", self.interval),
            ("advert_interval", self.advert_interval),
            ("backoff_max", self.backoff_max),
            ("dial_spread", self.dial_spread),
        ] {
            at_most(DAY, field, value, "at most a day")?;
        }
        Ok(())
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at_least(
    least: Duration,
    field: &'static str,
    value: Duration,
    rule: &'static str,
) -> Result<(), ConfigError> {
    match value >= least {
        true => Ok(()),
        false => Err(ConfigError::new(field, alloc::format!("{value:?}"), rule)),
    }
}

fn at_most(
    most: Duration,
    field: &'static str,
    value: Duration,
    rule: &'static str,
) -> Result<(), ConfigError> {
    match value <= most {
        true => Ok(()),
        false => Err(ConfigError::new(field, alloc::format!("{value:?}"), rule)),
    }
}
