//! How a world behaves.

use super::{Link, Transport};
use crate::SessionConfig;
use crate::schedule::ScheduleConfig;

/// How a world behaves.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Where all chance comes from.
    pub seed: u64,
    /// How every link behaves at the beginning.
    pub link: Link,
    /// How the frames of a session travel.
    pub transport: Transport,
    /// When nodes talk to each other.
    pub schedule: ScheduleConfig,
    /// What every session asks for. The key is drawn anew for each; the terms are the scheduler's.
    pub session: SessionConfig,
    /// How the nodes begin.
    pub startup: Startup,
}

/// How the nodes of a world begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Startup {
    /// They know each other's address, and dial.
    Apart,
    /// Each is connected to every other one.
    Connected,
}

impl WorldConfig {
    /// The defaults of a node, and nothing goes wrong: `link` only takes time.
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
