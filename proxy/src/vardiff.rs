//! Vardiff: the control loop of a session's difficulty. Pure: the time is handed in.
//!
//! What is measured is the rate of assigned difficulty per second, that is hashrate
//! over 2^32, so that a change of difficulty does not disturb it. It is a decaying
//! average over one minute and another over five, each divided by the weight that it
//! could have gathered since its start (ckpool's way to be right from the first
//! minute). Beside each runs its variance: a change needs both, a rate off by more than
//! [`HYSTERESIS`], and so many standard deviations that chance is no explanation. As
//! silence counts too, a difficulty that is far too high falls without any share.
//!
//! This is an estimate and an assignment, never an account: floating point is right
//! here, and what is credited is the exact work of the assigned target.
#![allow(
    clippy::float_arithmetic,
    reason = "estimates; money and work are integers elsewhere"
)]

use crate::Difficulty;

/// A session's difficulty is left alone while the rate is within this factor of it.
pub const HYSTERESIS: f64 = 1.4;

/// How sure a change must be, in standard deviations: two false ones a month.
const SIGMAS_TO_RAISE: f64 = 3.5;

/// Fewer downwards: too high a difficulty leaves a slow miner in the dark for minutes.
const SIGMAS_TO_LOWER: f64 = 3.0;

/// So many shares should have come since the last one, and none did: by chance one gap in
/// 22,000 is so long.
const SILENCE: f64 = 10.0;

/// A change keeps what was learned, as if it had been seen for so long: by itself one
/// minute says little about a slow miner.
const KEPT_SECS: f64 = 60.0;

/// The spans of the two averages.
const SPANS_SECS: [f64; 2] = [60.0, 300.0];

/// The first shares after a change come in a burst where the difficulty is far too low:
/// so many are waited for, that the next guess is right within a quarter.
const MIN_SHARES_TO_RAISE: u16 = 16;

/// A change costs the miner a job: no two within this time.
const MIN_BETWEEN_CHANGES_MS: u64 = 3_000;

/// How long silence may go unnoticed.
const TICK_MS: u64 = 15_000;

/// The range of a session's difficulty. The ceiling, the upstream's difficulty, is a
/// hard one: where the floor is above it the ceiling holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The least: the config's, or the miner's own minimum-difficulty.
    pub floor: Difficulty,
    /// The most: what the upstream asks.
    pub ceiling: Difficulty,
}

impl Bounds {
    /// The nearest difficulty inside.
    pub fn clamp(&self, difficulty: Difficulty) -> Difficulty {
        difficulty.max(self.floor).min(self.ceiling)
    }
}

/// The state of one session's loop.
#[derive(Clone, Debug)]
pub struct Vardiff {
    wanted: Difficulty,
    shares_per_sec: f64,
    averages: [Average; 2],
    /// When the averages began.
    start_ms: u64,
    /// When the difficulty last changed.
    changed_ms: u64,
    /// Up to when they have decayed.
    now_ms: u64,
    /// The last share, or the last change.
    last_ms: u64,
    /// Since the last change.
    shares: u16,
}

/// Sums over shares, each fading with `e^(-age / span)`.
#[derive(Clone, Copy, Debug, Default)]
struct Average {
    /// Of difficulty.
    sum: f64,
    /// Of difficulty squared, with its weight squared: the variance of `sum`.
    variance: f64,
}

impl Vardiff {
    /// Begins with `start`, which is a device's suggestion or the config's value, and
    /// steers to `shares_per_minute`.
    pub fn new(start: Difficulty, shares_per_minute: f64, now_ms: u64) -> Self {
        Vardiff {
            wanted: start,
            shares_per_sec: shares_per_minute / 60.0,
            averages: [Average::default(); 2],
            start_ms: now_ms,
            changed_ms: now_ms,
            now_ms,
            last_ms: now_ms,
            shares: 0,
        }
    }

    /// The difficulty to assign with the next job.
    pub fn difficulty(&self, bounds: &Bounds) -> Difficulty {
        bounds.clamp(self.wanted)
    }

    /// Begins again with what the device suggested.
    pub fn suggest(&mut self, suggested: Difficulty, now_ms: u64) {
        self.restart(suggested, now_ms);
    }

    /// Notes a share, with the difficulty that was assigned with its job.
    pub fn on_share(&mut self, assigned: Difficulty, now_ms: u64) {
        self.decay(now_ms);
        for average in &mut self.averages {
            average.sum += assigned.get();
            average.variance += assigned.get() * assigned.get();
        }
        self.shares = self.shares.saturating_add(1);
        self.last_ms = self.now_ms;
    }

    /// Whether it is time for another difficulty: the new one, from now on also that
    /// of [`Self::difficulty`]. Call it after each share, and at [`Self::next_tick_ms`].
    pub fn on_tick(&mut self, bounds: &Bounds, now_ms: u64) -> Option<Difficulty> {
        self.decay(now_ms);
        let now_ms = self.now_ms;
        if now_ms.saturating_sub(self.changed_ms) < MIN_BETWEEN_CHANGES_MS {
            return None;
        }
        let current = self.difficulty(bounds);
        let rate = self
            .silence(current)
            .or_else(|| self.significant_rate(current))?;
        let target = round(Difficulty::new(rate / self.shares_per_sec).ok()?);
        let target = bounds.clamp(target);
        // At a bound the rest of the way may be too short to be worth a job.
        let factor = target.get() / current.get();
        if (HYSTERESIS.recip()..=HYSTERESIS).contains(&factor) {
            return None;
        }
        let secs = self.elapsed_secs().min(KEPT_SECS);
        self.restart(target, now_ms);
        self.keep(rate, secs);
        Some(target)
    }

    /// When [`Self::on_tick`] is to be called if no share comes before.
    pub fn next_tick_ms(&self) -> u64 {
        self.now_ms.saturating_add(TICK_MS)
    }

    /// The rate that one share at the end of the present silence would mean, if that is
    /// surely too long.
    fn silence(&self, current: Difficulty) -> Option<f64> {
        let secs = millis_to_secs(self.now_ms.saturating_sub(self.last_ms));
        (secs * self.shares_per_sec > SILENCE).then(|| current.get() / secs)
    }

    /// Fills the averages as if `rate` had been seen for `secs`.
    fn keep(&mut self, rate: f64, secs: f64) {
        self.start_ms = self.now_ms.saturating_sub(secs_to_millis(secs));
        for (average, span) in self.averages.iter_mut().zip(SPANS_SECS) {
            average.sum = rate * weight(span, secs);
            average.variance = rate * self.wanted.get() * squares(span, secs);
        }
    }

    /// The rate, difficulty per second, if by one of the averages it is surely not what
    /// `current` is right for.
    fn significant_rate(&self, current: Difficulty) -> Option<f64> {
        let elapsed = self.elapsed_secs();
        let expected = current.get() * self.shares_per_sec;
        self.averages
            .iter()
            .zip(SPANS_SECS)
            .find_map(|(average, span)| {
                // The integrals over `elapsed` of the weights and of their squares.
                let weight = span * -(-elapsed / span).exp_m1();
                let squares = span / 2.0 * -(-2.0 * elapsed / span).exp_m1();
                let rate = average.sum / weight;
                // How uncertain the rate would be if `current` were right.
                let variance = expected * current.get() * squares / (weight * weight);
                if rate > expected * HYSTERESIS && self.shares >= MIN_SHARES_TO_RAISE {
                    let seen = average.variance / (weight * weight);
                    return ((rate - expected) > SIGMAS_TO_RAISE * variance.max(seen).sqrt())
                        .then_some(rate);
                }
                if rate < expected / HYSTERESIS
                    && (expected - rate) > SIGMAS_TO_LOWER * variance.sqrt()
                {
                    // One share more than came: silence tells how low it may be, not that it is 0.
                    return Some(rate + current.get() * squares / (weight * weight));
                }
                None
            })
    }

    fn elapsed_secs(&self) -> f64 {
        millis_to_secs(self.now_ms.saturating_sub(self.start_ms))
    }

    fn decay(&mut self, now_ms: u64) {
        let secs = millis_to_secs(now_ms.saturating_sub(self.now_ms));
        for (average, span) in self.averages.iter_mut().zip(SPANS_SECS) {
            let factor = (-secs / span).exp();
            average.sum *= factor;
            average.variance *= factor * factor;
        }
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// What was before a change was surely another hashrate, or a guess: it is forgotten.
    fn restart(&mut self, wanted: Difficulty, now_ms: u64) {
        let now_ms = now_ms.max(self.now_ms);
        *self = Vardiff {
            wanted,
            shares_per_sec: self.shares_per_sec,
            averages: [Average::default(); 2],
            start_ms: now_ms,
            changed_ms: now_ms,
            now_ms,
            last_ms: now_ms,
            shares: 0,
        };
    }
}

/// The integral over `secs` of the weights.
fn weight(span: f64, secs: f64) -> f64 {
    span * -(-secs / span).exp_m1()
}

/// The integral over `secs` of the squares of the weights.
fn squares(span: f64, secs: f64) -> f64 {
    weight(span / 2.0, secs)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most a minute"
)]
fn secs_to_millis(secs: f64) -> u64 {
    (secs * 1e3) as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact for the next 285,000 years"
)]
fn millis_to_secs(millis: u64) -> f64 {
    millis as f64 / 1e3
}

/// To three significant digits: shorter on the wire and easier to read. Difficulties
/// near the ends of what a double holds stay as they are.
fn round(difficulty: Difficulty) -> Difficulty {
    let exact = difficulty.get();
    let unit = 10f64.powf(exact.log10().floor() - 2.0);
    // Divides by a whole number where it can: 0.001 * 3 is not 0.003, 3 / 1000 is.
    let rounded = if unit < 1.0 {
        (exact / unit).round() / unit.recip().round()
    } else {
        (exact / unit).round() * unit
    };
    Difficulty::new(rounded).unwrap_or(difficulty)
}

#[cfg(test)]
mod tests;
