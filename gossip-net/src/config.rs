//! How a node gossips. Bounds that protect it are constants of [`limits`](crate::limits) instead.

use std::net::SocketAddr;
use std::time::Duration;

use engram_gossip_proto::SessionConfig;

use crate::Transfer;
use crate::limits::SESSION_TIMEOUT;

/// How a node gossips: where it listens, how often it talks, how soon it follows news.
///
/// ```
/// use std::time::Duration;
/// use engram_gossip_net::NetConfig;
/// let mut config = NetConfig::new(([127, 0, 0, 1], 0).into());
/// config.interval = Duration::from_secs(10);
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NetConfig {
    /// The UDP address to listen on. Port 0 takes a free one, see
    /// [`Gossip::local_addr`](crate::Gossip::local_addr).
    pub listen: SocketAddr,
    /// In each interval the timer starts [`fanout`](Self::fanout) sessions, evenly spread. It is
    /// the safety net: news travels by adverts. Default: 60 s.
    pub interval: Duration,
    /// How many peers the timer contacts in each interval. Default: 3.
    pub fanout: usize,
    /// How many connected peers hear at once that the local state changed; the others hear it from
    /// them. Default: 4.
    pub advert_fanout: usize,
    /// How often one peer in turn hears our root even though nothing changed; this repairs lost
    /// adverts. Default: 1 s.
    pub advert_interval: Duration,
    /// How long a change may wait for more changes before it is advertised. Default: 20 ms.
    pub advert_hold: Duration,
    /// How much the sessions that an advert triggers are spread. Default: 50 ms.
    pub trigger_jitter: Duration,
    /// Sessions that this node may have opened at once. Default: 2.
    pub outbound_sessions: usize,
    /// Sessions that peers may have opened with this node at once. Default: 4.
    pub inbound_sessions: usize,
    /// How much sessions may move: per peer, in all, and when. Can be changed later:
    /// [`Gossip::set_transfer`](crate::Gossip::set_transfer).
    pub transfer: Transfer,
    /// The first pause after a failed dial; it doubles up to [`backoff_max`](Self::backoff_max),
    /// and each pause is jittered by half. Default: 1 s.
    pub backoff_min: Duration,
    /// The longest pause between dials. Default: 60 s.
    pub backoff_max: Duration,
    /// How much the first dials after a start are spread. Of two nodes the one with the smaller id
    /// dials in the first half, the other one in the second half if it was not dialled by then.
    /// Default: 200 ms.
    pub dial_spread: Duration,
    /// After this time of silence a connection is given up; a third of it is the time between
    /// signs of life. `None`, the default, takes three intervals, at least three minutes.
    pub idle_timeout: Option<Duration>,
    /// How long a shutdown waits for running sessions. Default: 5 s.
    pub shutdown_grace: Duration,
    /// What the sync machine asks for: sizes of messages, budgets, compression.
    pub session: SessionConfig,
    /// Makes all random choices of the scheduler repeatable. `None`, the default, seeds from the
    /// system. Cryptography is never seeded by it.
    pub seed: Option<u64>,
    /// Listen on this network in memory instead of the machine's. For tests.
    #[cfg(feature = "switch")]
    pub switch: Option<crate::Switch>,
}

/// A value of [`NetConfig`] that cannot work. Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, but has to be {rule}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The field of [`NetConfig`].
    pub field: &'static str,
    /// What it was set to.
    pub value: String,
    /// What would work.
    pub rule: &'static str,
}

impl NetConfig {
    /// The defaults, listening on `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            interval: Duration::from_secs(60),
            fanout: 3,
            advert_fanout: 4,
            advert_interval: Duration::from_secs(1),
            advert_hold: Duration::from_millis(20),
            trigger_jitter: Duration::from_millis(50),
            outbound_sessions: 2,
            inbound_sessions: 4,
            transfer: Transfer::default(),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            dial_spread: Duration::from_millis(200),
            idle_timeout: None,
            shutdown_grace: Duration::from_secs(5),
            session: SessionConfig::default(),
            seed: None,
            #[cfg(feature = "switch")]
            switch: None,
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that cannot work, and what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        at_least(Duration::from_millis(10), "interval", self.interval)?;
        at_least(Duration::from_millis(10), "advert_interval", self.advert_interval)?;
        at_least(Duration::from_millis(10), "backoff_min", self.backoff_min)?;
        at_least(self.backoff_min, "backoff_max", self.backoff_max)?;
        positive("fanout", self.fanout)?;
        positive("outbound_sessions", self.outbound_sessions)?;
        positive("inbound_sessions", self.inbound_sessions)?;
        self.transfer.check()?;
        if let Some(idle_timeout) = self.idle_timeout {
            at_least(Duration::from_millis(100), "idle_timeout", idle_timeout)?;
        }
        at_most(Duration::from_secs(10), "advert_hold", self.advert_hold)?;
        at_most(Duration::from_secs(10), "trigger_jitter", self.trigger_jitter)?;
        at_most(SESSION_TIMEOUT, "shutdown_grace", self.shutdown_grace)?;
        at_most(DAY, "interval", self.interval)?;
        at_most(DAY, "advert_interval", self.advert_interval)?;
        at_most(DAY, "backoff_max", self.backoff_max)?;
        at_most(DAY, "dial_spread", self.dial_spread)?;
        at_most(DAY, "idle_timeout", self.idle_timeout.unwrap_or_default())
    }

    /// The idle time-out in force.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout.unwrap_or_else(|| (self.interval * 3).clamp(MIN_IDLE, DAY))
    }
}

const MIN_IDLE: Duration = Duration::from_secs(180);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at_least(least: Duration, field: &'static str, value: Duration) -> Result<(), ConfigError> {
    let rule = match field {
        "backoff_max" => "at least backoff_min",
        "idle_timeout" => "at least 100 ms",
        _ => "at least 10 ms",
    };
    match value >= least {
        true => Ok(()),
        false => Err(ConfigError { field, value: format!("{value:?}"), rule }),
    }
}

fn at_most(most: Duration, field: &'static str, value: Duration) -> Result<(), ConfigError> {
    let rule = match field {
        "advert_hold" | "trigger_jitter" => "at most 10 s",
        "shutdown_grace" => "at most 10 min",
        _ => "at most a day",
    };
    match value <= most {
        true => Ok(()),
        false => Err(ConfigError { field, value: format!("{value:?}"), rule }),
    }
}

fn positive(field: &'static str, value: usize) -> Result<(), ConfigError> {
    match value {
        0 => Err(ConfigError { field, value: value.to_string(), rule: "at least 1" }),
        _ => Ok(()),
    }
}
