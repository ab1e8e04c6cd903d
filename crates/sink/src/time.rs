//! Capture time as people and JSON write it.

use std::fmt;

use mandat_core::Time;

const NANOS: i64 = 1_000_000_000;

/// Year, month, day of a day number since 1970-01-01 (proleptic Gregorian calendar).
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// RFC 3339, UTC, nanoseconds.
pub(crate) fn rfc3339(time: Time) -> String {
    let (seconds, nanos) = (time.0.div_euclid(NANOS), time.0.rem_euclid(NANOS));
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// A UTC month: the period under whose key a call record is sealed. Printed as `2026-06`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Month {
    year: i64,
    month: i64,
}

impl Month {
    pub(crate) const fn of(time: Time) -> Self {
        let (year, month, _) = civil(time.0.div_euclid(NANOS * 86_400));
        Self { year, month }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        // `date -u -d @N +%FT%TZ`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_782_864_000, "2026-07-01T00:00:00.000000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(rfc3339(Time(seconds * NANOS)), text);
        }
        assert_eq!(rfc3339(Time(-1)), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn a_month_ends_with_its_last_nanosecond() {
        let month = |nanos| Month::of(Time(nanos)).to_string();
        assert_eq!(month(1_782_864_000 * NANOS - 1), "2026-06");
        assert_eq!(month(1_782_864_000 * NANOS), "2026-07");
        assert_eq!(month(i64::MIN).len(), 7);
        assert_eq!(month(i64::MAX), "2262-04");
    }
}
