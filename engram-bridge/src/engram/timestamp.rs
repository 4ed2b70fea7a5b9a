//! A moment, exact to the nanosecond.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, UTC. Corresponds to Engram's `DateTime<Utc>`.
///
/// Covers 1677-09-21 to 2262-04-11. Whole seconds are too coarse: two versions of one pattern may be
/// written within the same second and must differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// The moment `nanoseconds` after (or, if negative, before) the Unix epoch.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanoseconds(self) -> i64 {
        self.0
    }

    /// The current time of the system's clock, clamped to the range of this type.
    ///
    /// A store with [`Environment::system`](crate::Environment::system) uses this clock for its
    /// versions and reports.
    pub fn now() -> Self {
        let nanoseconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos)
            }
        };
        Self(nanoseconds)
    }
}

mod text {
    use std::fmt;
    use std::str::FromStr;

    use super::Timestamp;

    /// The text is not a [`Timestamp`]. Write it as `2025-03-01T14:32:49.746000000Z`.
    #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
    #[non_exhaustive]
    pub enum TimestampError {
        /// Not RFC 3339.
        #[error("{text:?} is not an RFC 3339 time such as 2025-03-01T14:32:49.746000000Z")]
        Format {
            /// The text.
            text: String,
        },
        /// RFC 3339, but outside the range of 64-bit nanoseconds since 1970.
        #[error(
            "{text:?} does not fit in 64-bit nanoseconds since 1970 (about 1677-09-21 to 2262-04-11)"
        )]
        Range {
            /// The text.
            text: String,
        },
    }

    impl FromStr for Timestamp {
        type Err = TimestampError;

        /// Parses an RFC 3339 time with any offset.
        fn from_str(text: &str) -> Result<Self, TimestampError> {
            let moment: jiff::Timestamp =
                text.parse().map_err(|_| TimestampError::Format { text: text.to_owned() })?;
            i64::try_from(moment.as_nanosecond())
                .map(Self::from_nanoseconds)
                .map_err(|_| TimestampError::Range { text: text.to_owned() })
        }
    }

    impl fmt::Display for Timestamp {
        /// RFC 3339 in UTC with nine fractional digits.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let moment = jiff::Timestamp::from_nanosecond(i128::from(self.as_nanoseconds()))
                .expect("64-bit nanoseconds lie within the years that jiff covers");
            write!(f, "{moment:.9}")
        }
    }
}

pub use text::TimestampError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_to_the_nanosecond() {
        for text in [
            "2025-03-01T14:32:49.746000000Z",
            "1970-01-01T00:00:00.000000000Z",
            "1969-12-31T23:59:59.999999999Z",
            "2262-04-11T23:47:16.854775807Z",
            "1677-09-21T00:12:43.145224192Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_offset_is_the_same_moment() {
        let utc: Timestamp = "2025-03-01T12:00:00Z".parse().unwrap();
        assert_eq!("2025-03-01T14:00:00+02:00".parse(), Ok(utc));
    }

    #[test]
    fn unparsable_and_out_of_range_text_is_refused() {
        assert!(matches!("yesterday".parse::<Timestamp>(), Err(TimestampError::Format { .. })));
        assert!(matches!(
            "2262-04-11T23:47:16.854775808Z".parse::<Timestamp>(),
            Err(TimestampError::Range { .. })
        ));
    }
}
