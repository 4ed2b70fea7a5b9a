//! A parser of RFC 3339 times: independent of the nodes' parser, and without dependencies to keep compile times low.

/// Nanoseconds since the Unix epoch of an RFC 3339 time.
pub(super) fn nanoseconds(time: &str) -> Option<i128> {
    let (local, offset) = match time.strip_suffix('Z') {
        Some(local) => (local, 0),
        None => {
            let (local, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let [hours, minutes] = digits(offset, "+00:00").or_else(|| digits(offset, "-00:00"))?;
            (local, sign * (hours * 60 + minutes) * 60)
        }
    };
    let (seconds, fraction) = local.split_once('.').unwrap_or((local, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    let [year, month, day, hour, minute, second] = digits(seconds, "0000-00-00T00:00:00")?;
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    valid.then_some(i128::from(seconds) * 1_000_000_000 + fraction)
}

/// The numbers in `text` if it matches `pattern`, in which a run of zeros matches as many digits.
fn digits<const N: usize>(text: &str, pattern: &str) -> Option<[i64; N]> {
    let form = |c: char| if c.is_ascii_digit() { '0' } else { c };
    if !text.chars().map(form).eq(pattern.chars()) {
        return None;
    }
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    let numbers: Vec<i64> = numbers.map(|number| number.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March so that the leap day is last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let months = (month + 9) % 12;
    365 * year + year / 4 - year / 100 + year / 400 + (153 * months + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_parse_to_instants() {
        assert_eq!(nanoseconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(nanoseconds("2024-02-29T23:30:00-00:30"), nanoseconds("2024-03-01T00:00:00.0Z"));
        assert_eq!(nanoseconds("1969-12-31T23:59:59.999999999Z"), Some(-1));
        for wrong in [
            "",
            "2025-03-01",
            "2025-03-01T00:00:00",
            "2025-13-01T00:00:00Z",
            "2025-03-01T00:00:00.0000000000Z",
        ] {
            assert_eq!(nanoseconds(wrong), None, "{wrong}");
        }
    }
}
