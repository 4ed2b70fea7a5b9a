//! The configuration of a node. Protective limits are constants in [`limits`](crate::limits).

use std::net::SocketAddr;
use std::time::Duration;

use engram_gossip_proto::SessionConfig;
use engram_gossip_proto::schedule::{ConfigError, ScheduleConfig};

use crate::limits::SESSION_TIMEOUT;

/// The listen address of a node, its schedule and its session settings.
///
/// ```
/// use std::time::Duration;
/// use engram_gossip_net::NetConfig;
/// let mut config = NetConfig::new(([127, 0, 0, 1], 0).into());
/// config.schedule.interval = Duration::from_secs(10);
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NetConfig {
    /// The UDP address to listen on. Port 0 selects a free port; see
    /// [`Gossip::local_addr`](crate::Gossip::local_addr). `[::]` also accepts IPv4 if the system
    /// supports it.
    pub listen: SocketAddr,
    /// The settings of the scheduler: when the node contacts its peers, and its rate limits.
    pub schedule: ScheduleConfig,
    /// How long a connection without a session may be silent before it is closed. A keep-alive is
    /// sent after a third of this time. `None`, the default, means three times
    /// [`ScheduleConfig::interval`], but at least three minutes and at most a day. A session that
    /// the peer does not answer closes the connection earlier, after
    /// [`SessionConfig::idle_timeout`].
    pub idle_timeout: Option<Duration>,
    /// The maximum time that a shutdown waits for running sessions. Default: 5 s.
    pub shutdown_grace: Duration,
    /// The settings of the sync machine: message sizes, budgets, compression. The node itself sets
    /// `cursor`, `peer`, `suspects`, `postponed`, `greeting` and `intake` for each session, and
    /// lowers the budgets to the amounts that the rate limits allow.
    pub session: SessionConfig,
    /// The seed of the scheduler's random choices, for repeatable tests. With `None`, the default,
    /// the node draws a seed at its start. The seed does not affect cryptography.
    pub seed: Option<u64>,
    /// An in-memory network to use instead of UDP, for tests (feature `memory-network`).
    #[cfg(feature = "memory-network")]
    pub network: Option<crate::MemoryNetwork>,
}

impl NetConfig {
    /// Returns the default configuration with the address `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            schedule: ScheduleConfig::default(),
            idle_timeout: None,
            shutdown_grace: Duration::from_secs(5),
            session: SessionConfig::default(),
            seed: None,
            #[cfg(feature = "memory-network")]
            network: None,
        }
    }

    /// Checks all values except those of `session`, which [`Gossip::bind`](crate::Gossip::bind)
    /// checks.
    ///
    /// # Errors
    /// [`ConfigError`] names the first invalid field and its valid range.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.schedule.check()?;
        let refuse =
            |field, value: Duration, rule| Err(ConfigError::new(field, format!("{value:?}"), rule));
        match self.idle_timeout {
            Some(short) if short < SHORTEST_IDLE => {
                return refuse("idle_timeout", short, "at least 100 ms");
            }
            Some(long) if long > DAY => return refuse("idle_timeout", long, "at most a day"),
            _ => {}
        }
        match self.shutdown_grace {
            long if long > SESSION_TIMEOUT => refuse("shutdown_grace", long, "at most 10 min"),
            _ => Ok(()),
        }
    }

    /// The effective idle time-out.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout.unwrap_or_else(|| (self.schedule.interval * 3).clamp(DEFAULT_IDLE, DAY))
    }
}

const SHORTEST_IDLE: Duration = Duration::from_millis(100);
const DEFAULT_IDLE: Duration = Duration::from_secs(180);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
