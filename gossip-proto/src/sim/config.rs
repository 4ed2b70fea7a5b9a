//! The configuration of a world.

use super::{Link, Transport};
use crate::SessionConfig;
use crate::schedule::ScheduleConfig;

/// The configuration of a world.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The seed of all random choices.
    pub seed: u64,
    /// The behaviour of every link at the beginning.
    pub link: Link,
    /// The transport that carries a session's frames.
    pub transport: Transport,
    /// The configuration of the schedulers.
    pub schedule: ScheduleConfig,
    /// The configuration of every session. Each session has a fresh key, and the scheduler sets its
    /// terms.
    pub session: SessionConfig,
    /// How the nodes are connected at the beginning.
    pub startup: Startup,
}

/// The initial connections between the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Startup {
    /// No node is connected. The nodes know each other's addresses, and dial.
    Apart,
    /// Each node is connected to every other node.
    Connected,
}

impl WorldConfig {
    /// The default settings, with `link` for every link and no other faults.
    pub fn fair(seed: u64, link: Link) -> Self {
        Self {
            seed,
            link,
            transport: Transport::STREAM,
            schedule: ScheduleConfig::default(),
            session: SessionConfig::default(),
            startup: Startup::Connected,
        }
    }
}
