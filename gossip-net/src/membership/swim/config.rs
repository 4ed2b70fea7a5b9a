//! The timing of SWIM.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use foca::Config;

use super::codec::HEADER_SOURCE;
use crate::ConfigError;
use crate::limits::{MAX_INDIRECT_PROBES, MAX_MEMBERSHIP_PACKET};

/// The timing of SWIM (feature `swim`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SwimConfig {
    /// Time between probes. The members are probed in rotation: with `n` members, each is probed
    /// once every `n` intervals. Default: 1 s. At least three times `probe_timeout`, to leave time
    /// for indirect probes.
    pub probe_interval: Duration,
    /// How long a probe may take before other members are asked to probe the same member. Default:
    /// 300 ms. At least 10 ms.
    pub probe_timeout: Duration,
    /// How long a suspected member has to refute the suspicion. Default: 5 s. At least
    /// `probe_interval`.
    pub suspicion: Duration,
    /// The incarnation of this node. It should increase with each start; the other members correct
    /// it if it is too small. `None`, the default, uses the system clock in milliseconds.
    pub incarnation: Option<u64>,
    /// The seed for the choice of probed members, for repeatable tests. With `None`, the default,
    /// the node draws a seed at its start.
    pub seed: Option<u64>,
}

impl Default for SwimConfig {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(300),
            suspicion: Duration::from_secs(5),
            incarnation: None,
            seed: None,
        }
    }
}

impl SwimConfig {
    /// The maximum time until all members of a cluster of `members` nodes detect a crash, if no
    /// packet is lost: two full rotations of probes plus [`suspicion`](Self::suspicion).
    pub fn detection_time(&self, members: usize) -> Duration {
        let turns = u32::try_from(2 * members).unwrap_or(u32::MAX);
        self.probe_interval.saturating_mul(turns).saturating_add(self.suspicion)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let at_least = Duration::from_millis(10);
        let wrong =
            |field, value: Duration, rule| Err(ConfigError::new(field, format!("{value:?}"), rule));
        if self.probe_timeout < at_least {
            return wrong("probe_timeout", self.probe_timeout, "at least 10 ms");
        }
        if self.probe_interval < self.probe_timeout.saturating_mul(3) {
            let rule = "at least three times probe_timeout, to leave time for indirect probes";
            return wrong("probe_interval", self.probe_interval, rule);
        }
        if self.suspicion < self.probe_interval {
            return wrong("suspicion", self.suspicion, "at least probe_interval");
        }
        Ok(())
    }
}

pub(super) fn foca_config(swim: &SwimConfig, members: usize) -> Config {
    // 4 log10(n + 1), as in memberlist.
    let transmissions = 4.0 * ((members + 1) as f64).log10();
    Config {
        probe_period: swim.probe_interval,
        probe_rtt: swim.probe_timeout,
        num_indirect_probes: MAX_INDIRECT_PROBES,
        max_transmissions: NonZeroU8::new(transmissions as u8).unwrap_or(NonZeroU8::MIN),
        suspect_to_down_after: swim.suspicion,
        remove_down_after: Some(Duration::from_secs(24 * 60 * 60)),
        max_packet_size: NonZeroUsize::new(MAX_MEMBERSHIP_PACKET + HEADER_SOURCE)
            .unwrap_or(NonZeroUsize::MIN),
        notify_down_members: true,
        // Invitations replace the periodic announcements, and are sent only to members that foca
        // does not list as active.
        periodic_announce: None,
        periodic_announce_to_down_members: None,
        periodic_gossip: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foca_keeps_to_our_limits() {
        let config = foca_config(&SwimConfig::default(), 100);
        assert_eq!(config.num_indirect_probes, MAX_INDIRECT_PROBES);
        assert_eq!(config.max_packet_size.get(), MAX_MEMBERSHIP_PACKET + HEADER_SOURCE);
    }
}
