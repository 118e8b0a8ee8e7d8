//! OCEAN's timestamps: ISO 8601, UTC, without saying so.

/// `2026-04-18T10:54:28.021000` for milliseconds since 1970.
pub(super) fn iso(at_ms: u64) -> String {
    let (days, ms) = (at_ms / 86_400_000, at_ms % 86_400_000);
    let (year, month, day) = date(days);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, micros) = (ms / 1_000 % 60, ms % 1_000 * 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}")
}

/// The date that is so many days after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that a leap day is a year's last; 400 years are an era.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        #[track_caller]
        fn case(at_ms: u64, expected: &str) {
            assert_eq!(iso(at_ms), expected);
        }
        case(0, "1970-01-01T00:00:00.000000");
        case(951_782_399_999, "2000-02-28T23:59:59.999000");
        case(951_782_400_000, "2000-02-29T00:00:00.000000");
        case(1_776_509_668_021, "2026-04-18T10:54:28.021000");
        case(4_107_542_400_000, "2100-03-01T00:00:00.000000");
    }
}
