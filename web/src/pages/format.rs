//! Numbers as pages show them: thin spaces between thousands, none that breaks a line.

use std::time::Duration;

use accounting::{Msat, Sat, Work};
use basics::humane;
use pool::amounts;

/// U+202F, the narrow space that does not break.
const THIN: char = '\u{202f}';

/// A whole number: `12 345`.
pub(super) fn count(number: u64) -> String {
    thin(&humane::count(number))
}

/// Satoshis.
pub(super) fn sat(amount: Sat) -> String {
    count(amount.get())
}

/// Satoshis with their thousandths: `12 345.678`.
pub(super) fn msat(amount: Msat) -> String {
    thin(&amounts::msat_as_sat(amount))
}

/// Work in shares of difficulty 1.
pub(super) fn work(work: Work) -> String {
    thin(&amounts::work(work))
}

/// A text of numbers with commas, as pages show it.
pub(super) fn thin(text: &str) -> String {
    text.replace(',', &THIN.to_string())
}

/// An estimate in satoshis, with as many decimals as tell anything: `0.0042`, `1.3`, `240`.
pub(super) fn estimate(sat: f64) -> String {
    match sat {
        none if none <= 0.0 => "0".to_owned(),
        small if small < 0.001 => "below 0.001".to_owned(),
        small if small < 0.1 => format!("{small:.3}"),
        some if some < 10.0 => format!("{some:.2}"),
        // Rounded, and bounded by all bitcoins there can be.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        many => count(many.min(2.1e15).round() as u64),
    }
}

/// A length of time given in days: `3.2 days`, `5 h 20 min`.
pub(super) fn days(days: f64) -> String {
    if days < 2.0 {
        humane::duration(Duration::from_secs_f64(days.max(0.0) * 86_400.0))
    } else if days < 10_000.0 {
        format!("{days:.0} days")
    } else {
        "many years".to_owned()
    }
}

/// A difficulty or another pure number: `1.21 M`.
pub(super) fn si(number: f64) -> String {
    humane::si(number)
        .trim_end()
        .replace(' ', &THIN.to_string())
}

/// A hashrate: `1.21 TH/s`.
pub(super) fn hashrate(hashes_per_second: f64) -> String {
    humane::hashrate(hashes_per_second)
}

/// A time as machines read it, for `<time datetime>`: `2026-11-21T07:53:32Z`.
pub(super) fn machine_time(ms: u64) -> String {
    format!("{}Z", humane::utc(ms).replace(' ', "T"))
}

/// A day and a time, to the minute: `2026-11-21 07:53`.
pub(super) fn minute(ms: u64) -> String {
    let mut text = humane::utc(ms);
    text.truncate(16);
    text
}

/// The first and last digits of a hash.
pub(super) fn short(text: &str) -> String {
    match (text.get(..8), text.get(text.len().saturating_sub(6)..)) {
        (Some(head), Some(tail)) if text.len() > 20 => format!("{head}…{tail}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_thousandth_and_never_break() {
        assert_eq!(sat(Sat::new(1_234_567)), "1\u{202f}234\u{202f}567");
        assert_eq!(msat(Msat::new(1_234_567)), "1\u{202f}234.567");
        assert_eq!(msat(Msat::new(7)), "0.007");
    }

    #[test]
    fn estimates_say_no_more_than_they_know() {
        for (sat, text) in [
            (-1.0, "0"),
            (0.0, "0"),
            (0.0004, "below 0.001"),
            (0.0421, "0.042"),
            (1.337, "1.34"),
            (1234.5, "1\u{202f}235"),
            (
                f64::INFINITY,
                "2\u{202f}100\u{202f}000\u{202f}000\u{202f}000\u{202f}000",
            ),
        ] {
            assert_eq!(estimate(sat), text, "{sat}");
        }
        for (given, text) in [(0.25, "6 h 0 min"), (3.4, "3 days"), (1e9, "many years")] {
            assert_eq!(days(given), text);
        }
    }

    #[test]
    fn times_are_for_people_and_machines() {
        assert_eq!(machine_time(1_795_247_612_000), "2026-11-21T07:53:32Z");
        assert_eq!(minute(1_795_247_612_000), "2026-11-21 07:53");
    }
}
