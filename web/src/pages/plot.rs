//! A plot of hashrate: the path of a line, and the same in words.

use std::fmt::Write as _;

use super::format;
use crate::figures::Hashrate;

/// The plot's own units; the page stretches it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;

/// The ends of its scale.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// A plot of the last 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plot {
    /// The line's path.
    pub(super) line: String,
    /// The path of what is under it.
    pub(super) area: String,
    /// What its upper edge stands for.
    pub(super) top: String,
    /// The same in words, for who cannot see it.
    pub(super) words: String,
}

impl Plot {
    /// Of a hashrate; none where nothing was mined in these hours.
    pub(super) fn of(hashrate: &Hashrate) -> Option<Self> {
        let trace = &hashrate.trace;
        let values = || trace.iter().map(|point| point.hashrate);
        let highest = values().fold(0.0, f64::max);
        let (first, last) = (trace.first()?, trace.last()?);
        if highest <= 0.0 {
            return None;
        }
        let top = scale(highest);
        let span = last.start_ms.saturating_sub(first.start_ms).max(1) as f64;
        let mut line = String::new();
        for point in trace {
            let x = WIDTH * point.start_ms.saturating_sub(first.start_ms) as f64 / span;
            let y = HEIGHT * (1.0 - point.hashrate / top);
            let command = if line.is_empty() { 'M' } else { 'L' };
            // Writing to a String cannot fail.
            let _ = write!(line, "{command}{x:.1} {y:.1}");
        }
        let words = format!(
            "Hashrate over the last 24 hours: {} on average, {} at most, {} at least, {} now.",
            format::hashrate(hashrate.day),
            format::hashrate(highest),
            format::hashrate(values().fold(highest, f64::min)),
            format::hashrate(hashrate.now),
        );
        Some(Plot {
            area: format!("{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z"),
            line,
            top: format::hashrate(top),
            words,
        })
    }
}

/// The next of 1, 2, 5, 10, 20 ... above `value`, which is above 0.
fn scale(value: f64) -> f64 {
    let unit = 10_f64.powf(value.log10().floor());
    let step = STEPS.iter().find(|step| **step * unit >= value);
    step.unwrap_or(&10.0) * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Point;

    #[test]
    fn the_line_is_within_the_plot_and_said_in_words() {
        let point = |n: u64, hashrate| Point {
            start_ms: 1_000_000 + n * 600_000,
            hashrate,
        };
        let hashrate = Hashrate {
            now: 1.1e12,
            hour: 1e12,
            day: 1.2e12,
            trace: vec![point(0, 0.0), point(1, 1.5e12), point(2, 1.1e12)],
        };
        let plot = Plot::of(&hashrate).expect("a plot");
        assert_eq!(plot.line, "M0.0 180.0L360.0 45.0L720.0 81.0");
        assert_eq!(plot.area, format!("{}L720 180L0 180Z", plot.line));
        assert_eq!(plot.top, "2.00 TH/s");
        assert!(plot.words.contains("1.50 TH/s at most"), "{}", plot.words);
        let idle = Hashrate {
            trace: vec![point(0, 0.0), point(1, 0.0)],
            ..Hashrate::default()
        };
        assert_eq!(Plot::of(&idle), None);
        assert_eq!(Plot::of(&Hashrate::default()), None);
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, top) in [
            (1.0, 1.0),
            (1.1, 2.0),
            (3.0, 5.0),
            (6e11, 1e12),
            (0.03, 0.05),
        ] {
            assert!(
                (scale(value) / top - 1.0).abs() < 1e-9,
                "{value} {}",
                scale(value)
            );
        }
    }
}
