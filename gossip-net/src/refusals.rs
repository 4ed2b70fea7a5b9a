//! Limits the reports of refused remotes, so that they do not displace other events.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::HandshakeError;
use crate::limits::{MAX_REFUSED_REMOTES, REFUSED_PERIOD};

/// The remotes whose refusal was reported, by address and cause. Entries older than
/// [`REFUSED_PERIOD`] are dropped only when [`MAX_REFUSED_REMOTES`] are stored, those with
/// unreported refusals last.
#[derive(Default)]
pub(crate) struct Refusals(BTreeMap<(IpAddr, &'static str), Refused>);

/// The refusals of one address for one cause.
struct Refused {
    reported_at: Instant,
    unreported: u64,
}

impl Refusals {
    /// Records a refusal. Returns the number of refusals to report, including this one, or `None`
    /// if the last report of this address and cause is recent, or too many remotes were reported
    /// recently.
    pub(crate) fn note(
        &mut self,
        address: IpAddr,
        cause: &HandshakeError,
        now: Instant,
    ) -> Option<u64> {
        let key = (address, cause.reason());
        let is_recent = |refused: &Refused| now < refused.reported_at + REFUSED_PERIOD;
        if let Some(refused) = self.0.get_mut(&key) {
            refused.unreported += 1;
            if is_recent(refused) {
                return None;
            }
            refused.reported_at = now;
            return Some(std::mem::take(&mut refused.unreported));
        }
        self.make_room(|refused| is_recent(refused) || refused.unreported > 0);
        self.make_room(is_recent);
        if self.0.len() >= MAX_REFUSED_REMOTES {
            return None;
        }
        self.0.insert(key, Refused { reported_at: now, unreported: 0 });
        Some(1)
    }

    /// If no room is left, drops all entries but those to keep.
    fn make_room(&mut self, keep: impl Fn(&Refused) -> bool) {
        if self.0.len() >= MAX_REFUSED_REMOTES {
            self.0.retain(|_, refused| keep(refused));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn repeated_refusal_is_reported_with_a_count() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.note(ADDRESS, &HandshakeError::Expired, now), Some(1));
        for _ in 0..9 {
            assert_eq!(refusals.note(ADDRESS, &HandshakeError::Expired, now), None);
        }
        assert_eq!(refusals.note(ADDRESS, &HandshakeError::NoCertificate, now), Some(1));
        let later = now + REFUSED_PERIOD;
        assert_eq!(refusals.note(ADDRESS, &HandshakeError::Expired, later), Some(10));
    }

    /// Old entries without unreported refusals are dropped first.
    #[test]
    fn unreported_refusals_survive_expired_entries() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let mut note =
            |n: u32, at| refusals.note(IpAddr::V4(n.into()), &HandshakeError::Expired, at);
        let all = MAX_REFUSED_REMOTES as u32;
        assert!((0..all).all(|n| note(n, start) == Some(1)));
        assert_eq!([note(0, start), note(0, start)], [None; 2]);
        let later = start + REFUSED_PERIOD;
        assert_eq!(note(all, later), Some(1));
        assert_eq!(note(0, later), Some(3));
    }

    #[test]
    fn refusals_of_many_addresses_are_bounded() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let mut reported = |at| {
            let note = |n: u32| refusals.note(IpAddr::V4(n.into()), &HandshakeError::Expired, at);
            (0..10_000).filter_map(note).count()
        };
        assert_eq!(reported(start), MAX_REFUSED_REMOTES);
        assert_eq!(reported(start + REFUSED_PERIOD - Duration::from_millis(1)), 0);
        assert_eq!(reported(start + REFUSED_PERIOD), MAX_REFUSED_REMOTES);
        assert_eq!(refusals.0.len(), MAX_REFUSED_REMOTES);
    }
}
