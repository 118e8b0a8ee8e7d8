//! Numbers for people. Estimates and display only: nothing here is computed with again.

use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent};

const SI: [&str; 8] = ["", "k", "M", "G", "T", "P", "E", "Z"];

/// Three significant digits and a prefix: `1.21 T`, without the unit.
pub fn si(number: f64) -> String {
    let mut scaled = number;
    let mut prefix = 0;
    while scaled.abs() >= 999.5 && prefix + 1 < SI.len() {
        scaled /= 1000.0;
        prefix += 1;
    }
    if scaled.abs() < 0.005 {
        // Neither "0.00" for what is there, nor "-0.00" for what is not.
        return if number > 0.0 { "below 0.01 " } else { "0.00 " }.to_owned();
    }
    let digits = match scaled.abs() {
        tens if tens >= 99.95 => 0,
        tens if tens >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$} {}", SI[prefix])
}

/// An estimated hashrate: `1.21 TH/s`.
pub fn hashrate(hashes_per_second: f64) -> String {
    format!("{}H/s", si(hashes_per_second))
}

/// `part` of `whole` as a percentage: `12.3 %`; nothing of nothing is `-`.
pub fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.1} %", 100.0 * part / whole)
    } else {
        "-".to_owned()
    }
}

/// A length of time in its two largest units: `3 d 4 h`, `5 min 10 s`.
pub fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", secs % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A point in time, `ms` since 1970, as seen at `now_ms`: `5 min 10 s ago`.
pub fn ago(ms: u64, now_ms: u64) -> String {
    format!(
        "{} ago",
        duration(Duration::from_millis(now_ms.saturating_sub(ms)))
    )
}

/// The date and time of `ms` since 1970, in UTC: `2026-11-21 07:53:32`.
pub fn utc(ms: u64) -> String {
    let secs = ms / 1000;
    let (year, month, day) = civil_date(secs / 86_400);
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The day of the Gregorian calendar, `days` after 1970-01-01.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Count from 0000-03-01, so that the leap day is a year's last day (Howard
    // Hinnant's "chrono-compatible low-level date algorithms").
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// A table in the one style of all commands: texts to the left, the columns named in
/// `numbers` (by index) to the right.
pub fn table(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    for &index in numbers {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The first and last digits of a long key, enough to tell a pool's miners apart.
pub fn short_key(key: &str) -> String {
    match (key.get(..10), key.get(key.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if key.len() > 16 => format!("{head}…{tail}"),
        _ => key.to_owned(),
    }
}

/// A whole number with separators: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_three_digits_and_a_prefix() {
        for (number, text) in [
            (0.0, "0.00 "),
            (-0.0, "0.00 "),
            (-1e-9, "0.00 "),
            (0.004, "below 0.01 "),
            (0.012, "0.01 "),
            (999.4, "999 "),
            (999.6, "1.00 k"),
            (1_214_000_000_000.0, "1.21 T"),
            (12_140.0, "12.1 k"),
            (121_400.0, "121 k"),
            (5e24, "5000 Z"),
        ] {
            assert_eq!(si(number), text, "{number}");
        }
    }

    #[test]
    fn times_are_told_in_two_units() {
        for (secs, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (310, "5 min 10 s"),
            (7260, "2 h 1 min"),
            (273_600, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_secs(secs)), text);
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_709_251_199_000, "2024-02-29 23:59:59"),
            (1_795_247_612_000, "2026-11-21 07:53:32"),
            (4_107_542_400_000, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(utc(ms), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
    }
}
