//! The validity of certificates in days.

use std::time::{Duration, SystemTime};

use engram_gossip_net::Validity;

use crate::Failure;

const DAY: u64 = 86_400;
/// The last second of the year 9999, after which no X.509 certificate is valid, as Unix time.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reads `--days`. A number that does not fit `u64` is read as `u64::MAX`, which is also too large
/// for a certificate.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(days) => Ok(days),
        Err(_) if is_number => Ok(u64::MAX),
        Err(_) => Err(format!("{text:?} is not a number of days")),
    }
}

/// Returns the validity of an authority whose certificate lasts `days` days.
pub(crate) fn of_authority(now: SystemTime, days: u64) -> Result<Validity, Failure> {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
    valid(now, days, end, "no certificate is valid after the year 9999")
}

/// Returns the validity of a node's certificate, which ends no later than that of its authority. Defaults
/// to [`DEFAULT`] days, or to the rest of the authority's validity if that is shorter.
pub(crate) fn of_node(
    now: SystemTime,
    days: Option<u64>,
    authority: Validity,
) -> Result<Validity, Failure> {
    let most = most(now, authority.until);
    if most == 0 {
        return Err("the authority has expired, so it cannot issue a valid certificate; nothing \
                    was written; create a new authority (`engram-node certs ca`)"
            .into());
    }
    let days = days.unwrap_or_else(|| DEFAULT.min(most));
    valid(now, days, authority.until, "the certificate would outlive its authority")
}

/// The default validity of a node's certificate in days.
const DEFAULT: u64 = 365;

fn valid(now: SystemTime, days: u64, end: SystemTime, limit: &str) -> Result<Validity, Failure> {
    let most = most(now, end);
    if days == 0 {
        return Err(format!(
            "--days 0: the certificate would expire immediately; use a value from 1 to {most}; nothing was written"
        )
        .into());
    }
    if days > most {
        return Err(format!(
            "--days is too large: {limit}; use a value from 1 to {most}; nothing was written"
        )
        .into());
    }
    let validity = Validity::days_from(now, u32::try_from(days)?);
    Ok(Validity { until: validity.until.min(end), ..validity })
}

/// Returns the number of days from `now` to `end`, rounded up.
fn most(now: SystemTime, end: SystemTime) -> u64 {
    let left = end.duration_since(now).unwrap_or_default();
    left.as_secs().div_ceil(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(day * DAY)
    }

    fn authority(until: u64) -> Validity {
        Validity { from: at(0), until: at(until) }
    }

    #[test]
    fn a_certificate_ends_with_its_authority() {
        let until = |days| of_node(at(100), days, authority(130)).map(|validity| validity.until);
        assert_eq!(until(Some(1)).unwrap(), at(101));
        assert_eq!(until(Some(30)).unwrap(), at(130));
        assert_eq!(until(None).unwrap(), at(130), "less than the default is left");
        // The authority was made for 30 days, five seconds before the certificate.
        let later = at(100) + Duration::from_secs(5);
        assert_eq!(of_node(later, Some(30), authority(130)).unwrap().until, at(130));
        assert_eq!(of_node(at(100), None, authority(900)).unwrap().until, at(465));
    }

    #[test]
    fn impossible_days_are_refused_with_the_largest() {
        let refused = |days| of_node(at(100), Some(days), authority(130)).unwrap_err().to_string();
        assert!(
            refused(31).contains("outlive its authority; use a value from 1 to 30;"),
            "{}",
            refused(31)
        );
        assert!(
            refused(0).contains("--days 0: ") && refused(0).contains("use a value from 1 to 30;")
        );
        let huge = parse("99999999999999999999999999").unwrap();
        assert!(refused(huge).contains("use a value from 1 to 30;"));
        let expired = of_node(at(131), Some(1), authority(130)).unwrap_err().to_string();
        assert!(expired.contains("the authority has expired"), "{expired}");
        let largest = LAST_SECOND / DAY + 1 - 100;
        let refused = of_authority(at(100), largest + 1).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("year 9999; use a value from 1 to {largest};")),
            "{refused}"
        );
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
        assert_eq!(of_authority(at(100), largest).unwrap().until, last);
        assert!(of_authority(at(100), 0).is_err());
        assert!(parse("-1").is_err() && parse("").is_err() && parse("1.5").is_err());
    }
}
