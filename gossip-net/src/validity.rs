//! How long a certificate is valid.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// How long a certificate is valid. Time is passed in; nothing here reads a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: SystemTime,
    /// The last moment.
    pub until: SystemTime,
}

impl Validity {
    /// From an hour before `now`, so that a peer whose clock lags believes it, to `days` after it.
    pub fn days_from(now: SystemTime, days: u32) -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { from: now - Duration::from_secs(60 * 60), until: now + day * days }
    }

    /// The time that is left at `now`; `None` once it is over.
    pub fn left(&self, now: SystemTime) -> Option<Duration> {
        self.until.duration_since(now).ok()
    }

    /// The time in which every certificate of a chain is valid; `None` if one cannot be read.
    pub(crate) fn of_chain(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let each = chain.iter().map(|certificate| {
            let (_, parsed) = parse_x509_certificate(certificate).ok()?;
            let validity = parsed.validity();
            let [from, until] = [validity.not_before, validity.not_after].map(|time| {
                // Nothing was issued before 1970.
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
