//! Checks `[limits]` and `[membership]`.

use std::time::Duration;

use engram_gossip_net::{QuietHours, Rate, RateLimits};

use super::{
    Check, KIB_PER_SECOND, MIB_PER_SECOND, PER_SECOND, PROBE_INTERVAL_MS, PROBE_TIMEOUT_MS,
    SUSPICION_MS,
};
use crate::node::config::file::{Limits, Membership, Time};
use crate::node::config::{MembershipConfig, SwimTimes};

impl Check<'_> {
    pub(super) fn limits(&mut self, limits: &Limits) -> Option<RateLimits> {
        let mut rates = RateLimits::default();
        let (key, range) = ("limits.send_kib_per_second", KIB_PER_SECOND);
        let sent = self.limit(key, limits.send_kib_per_second, range);
        let (key, range) = ("limits.quiet_kib_per_second", KIB_PER_SECOND);
        let quietly = self.integer(key, limits.quiet_kib_per_second, QUIET_KIB, range);
        let hours = self.quiet_hours(limits.quiet_hours.as_deref());
        let mut accrue = |name, written, rate: Rate, unit: u64, range| {
            let default = i64::try_from(rate.per_second / unit).unwrap_or(i64::MAX);
            let value = self.integer(&format!("limits.{name}"), written, default, range)?;
            let per_second = value.unsigned_abs() * unit;
            // The burst covers as many seconds as the default burst does at the default rate.
            Some(Rate { per_second, burst: per_second * (rate.burst / rate.per_second) })
        };
        let peer = rates.peer;
        let name = "peer_mib_per_second";
        let bytes = accrue(name, limits.peer_mib_per_second, peer.bytes, MIB, MIB_PER_SECOND);
        let name = "peer_hash_nodes_per_second";
        let written = limits.peer_hash_nodes_per_second;
        let hash_nodes = accrue(name, written, peer.hash_nodes, 1, PER_SECOND);
        let name = "peer_records_per_second";
        let records = accrue(name, limits.peer_records_per_second, peer.records, 1, PER_SECOND);
        rates.send_rate = sent?.map(|kib| kib * KIB);
        let quietly = quietly?.unsigned_abs() * KIB;
        rates.quiet_hours = hours?.map(|[from, until]| QuietHours::new(from, until, quietly));
        rates.peer.bytes = bytes?;
        rates.peer.hash_nodes = hash_nodes?;
        rates.peer.records = records?;
        Some(rates)
    }

    /// Parses the quiet hours. Returns `None` if the value is not two times of the day, and
    /// `Some(None)` if none is given.
    fn quiet_hours(&mut self, written: Option<&str>) -> Option<Option<[u16; 2]>> {
        let Some(written) = written else { return Some(None) };
        let times = written.split_once('-').and_then(|(from, until)| {
            Some([minute_of_day(from.trim())?, minute_of_day(until.trim())?])
        });
        match times {
            Some(times) => Some(Some(times)),
            None => self.refuse(
                "limits.quiet_hours",
                format!("{written:?} is not a range of hours; write two times of the day in UTC, such as 09:00-17:00 or 22:00-06:00"),
            ),
        }
    }

    pub(super) fn membership(&mut self, membership: &Membership) -> Option<MembershipConfig> {
        let mut time = |name, written: &Option<Time>, default, range| {
            let key = format!("membership.{name}");
            let written = self.time(&key, written.as_ref(), Duration::from_millis(1))?;
            let value = self.integer(&key, written, default, range)?;
            Some(Duration::from_millis(value.unsigned_abs()))
        };
        let interval =
            time("probe_interval_ms", &membership.probe_interval_ms, 1_000, PROBE_INTERVAL_MS);
        let timeout = time("probe_timeout_ms", &membership.probe_timeout_ms, 300, PROBE_TIMEOUT_MS);
        let suspicion = time("suspicion_ms", &membership.suspicion_ms, 5_000, SUSPICION_MS);
        match membership.kind.as_deref().unwrap_or("static") {
            "static" => {
                interval.and(timeout).and(suspicion)?;
                Some(MembershipConfig::Static)
            }
            "swim" => {
                let (probe_interval, probe_timeout, suspicion) = (interval?, timeout?, suspicion?);
                self.swim(SwimTimes { probe_interval, probe_timeout, suspicion })
            }
            other => self.refuse(
                "membership.kind",
                format!("{other:?} is not known; write \"static\" (the default) or \"swim\""),
            ),
        }
    }

    fn swim(&mut self, times: SwimTimes) -> Option<MembershipConfig> {
        let least = times.probe_timeout * 3;
        if times.probe_interval < least {
            let message = format!(
                "a probe must end within the interval, including probes by other nodes; use at least {} or a shorter probe_timeout_ms",
                least.as_millis()
            );
            return self.refuse("membership.probe_interval_ms", message);
        }
        if times.suspicion < times.probe_interval {
            let message = format!(
                "a suspected node needs time to answer; use at least {}, the probe_interval_ms",
                times.probe_interval.as_millis()
            );
            return self.refuse("membership.suspicion_ms", message);
        }
        Some(MembershipConfig::Swim(times))
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// The default send rate in quiet hours, in KiB per second.
const QUIET_KIB: i64 = 100;

/// Converts `HH:MM` to minutes since midnight.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}
