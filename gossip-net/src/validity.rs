//! The validity period of a certificate.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// The validity period of a certificate. Time is passed in; nothing here reads a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The start, inclusive.
    pub from: SystemTime,
    /// The end, inclusive.
    pub until: SystemTime,
}

impl Validity {
    /// Returns the period from one hour before `now`, to tolerate peers with slow clocks, until
    /// `days` days after `now`.
    pub fn days_from(now: SystemTime, days: u32) -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { from: now - Duration::from_secs(60 * 60), until: now + day * days }
    }

    /// The time left at `now`, or `None` after the end.
    pub fn left(&self, now: SystemTime) -> Option<Duration> {
        self.until.duration_since(now).ok()
    }

    /// Returns the period in which every certificate of a chain is valid, or `None` if a
    /// certificate is unreadable or the chain is empty.
    pub(crate) fn of_chain(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let each = chain.iter().map(|certificate| {
            let (_, parsed) = parse_x509_certificate(certificate).ok()?;
            let validity = parsed.validity();
            let [from, until] = [validity.not_before, validity.not_after].map(|time| {
                // Times before 1970 count as 1970.
                let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
                SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
            });
            Some(Self { from, until })
        });
        let both = |one: Self, other: Self| Self {
            from: one.from.max(other.from),
            until: one.until.min(other.until),
        };
        each.reduce(|one, other| Some(both(one?, other?)))?
    }
}
