//! The weight of a share, steered by the miners' hashes.
//!
//! A mining chip reports no hash below a difficulty of its own (256), however easy the
//! shares are: to count the shares of one would make it look ten million times slower than
//! it is. So the best hashes are looked at, not the number of them: the n-th best of a
//! while is one that so many hashes are computed for, whoever keeps the others back.

use std::time::Duration;

/// The best hashes that are looked at: few, so that those of one chip among many small
/// devices are all of them soon.
const BEST: usize = 5;

/// So long is looked before it is said that nobody is fast; whoever was and has not been
/// heard for so long is gone.
const LOOK_MS: u64 = 20_000;

/// So long is looked, at least.
const GLANCE_MS: u64 = 1_000;

/// What is steered to; left alone while it is right within [`Steering::TOLERANCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steer {
    /// Shares a minute of all miners together.
    pub shares_per_minute: f64,
}

/// A while's best hashes.
#[derive(Clone, Debug)]
pub(super) struct Steering {
    shares_per_minute: f64,
    /// Never below: what the simulation began with.
    least: f64,
    since_ms: u64,
    /// The difficulties that the best hashes achieved, the highest first.
    best: Vec<f64>,
}

impl Steering {
    /// A change costs every miner a job; and what the simulation began with is somebody's
    /// choice.
    pub(super) const TOLERANCE: f64 = 16.0;

    pub(super) fn new(steer: Steer, least: f64, now_ms: u64) -> Steering {
        Steering {
            shares_per_minute: steer.shares_per_minute,
            least,
            since_ms: now_ms,
            best: Vec::with_capacity(BEST + 1),
        }
    }

    /// A share was accepted, whose hash achieved this difficulty.
    pub(super) fn share(&mut self, achieved: f64) {
        let at = self.best.partition_point(|better| *better > achieved);
        if at < BEST {
            self.best.insert(at, achieved);
            self.best.truncate(BEST);
        }
    }

    /// The difficulty to go to from `current`, if that is far from right.
    pub(super) fn look(&mut self, current: f64, now_ms: u64) -> Option<f64> {
        let ms = now_ms.saturating_sub(self.since_ms);
        if ms < GLANCE_MS {
            return None;
        }
        let secs = Duration::from_millis(ms).as_secs_f64();
        // Of n hashes the worst is as good as one in n of them would be.
        let others = self.best.len().saturating_sub(1) as f64;
        let rate = self.best.last().map_or(0.0, |worst| others * worst / secs);
        let wanted = (rate * 60.0 / self.shares_per_minute).max(self.least);
        let factor = wanted / current;
        // A flood is ended at once.
        let is_flood = self.best.len() == BEST && factor > Self::TOLERANCE;
        if !is_flood && ms < LOOK_MS {
            return None;
        }
        self.best.clear();
        self.since_ms = now_ms;
        let is_right = (Self::TOLERANCE.recip()..=Self::TOLERANCE).contains(&factor);
        (!is_right).then_some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASHES: f64 = 4_294_967_296.0;
    /// The demonstration's own devices.
    const SIMULATED: f64 = 600_000.0;
    const LEAST: f64 = 1e-4;
    /// What a chip reports, at least.
    const CHIP: f64 = 256.0;

    /// A device of `hashrate`, whose chip keeps back what is below `mask`.
    #[derive(Clone, Copy)]
    struct Device {
        hashrate: f64,
        mask: f64,
    }

    const BITAXE: Device = Device {
        hashrate: 1e12,
        mask: CHIP,
    };
    const CPUMINER: Device = Device {
        hashrate: 2e7,
        mask: 0.0,
    };

    /// A generator for tests that repeat.
    struct Luck(u64);

    impl Luck {
        /// Above 0, at most 1.
        fn part(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            ((self.0 >> 11) as f64 + 1.0) / 9_007_199_254_740_992.0
        }
    }

    /// Plays `secs` with these devices from this difficulty and time on; the most shares that
    /// came in one second, after the first ten.
    fn play(steering: &mut Steering, at: &mut (f64, u64), devices: &[Device], secs: u64) -> f64 {
        let mut luck = Luck(88_172_645_463_325_252 ^ at.1);
        let mut busiest: f64 = 0.0;
        for second in 0..secs {
            let mut shares = 0.0;
            for device in devices {
                let asked = at.0.max(device.mask);
                let mean = device.hashrate / (asked * HASHES);
                // So many that their number needs no luck, or one by one.
                let count = mean.floor() + f64::from(u8::from(luck.part() < mean.fract()));
                shares += count;
                // Of very many the best few are as those of the first thousand, better.
                let drawn = count.min(1_000.0);
                let mut left = drawn;
                while left >= 1.0 {
                    steering.share(asked * (count / drawn) / luck.part());
                    left -= 1.0;
                }
            }
            if second >= 10 {
                busiest = busiest.max(shares);
            }
            at.1 += 1_000;
            if let Some(next) = steering.look(at.0, at.1) {
                at.0 = next;
            }
        }
        busiest
    }

    #[test]
    fn a_fast_device_is_steered_for_and_forgotten() {
        let steer = Steer {
            shares_per_minute: 30.0,
        };
        let simulated = Device {
            hashrate: SIMULATED,
            mask: 0.0,
        };
        for (guest, least, most) in [(CPUMINER, 1e-3, 0.1), (BITAXE, 150.0, 1_500.0)] {
            let mut steering = Steering::new(steer, LEAST, 0);
            let mut at = (LEAST, 0);
            play(&mut steering, &mut at, &[simulated], 300);
            assert_eq!(at.0, LEAST, "the simulated devices alone change nothing");
            let busiest = play(&mut steering, &mut at, &[simulated, guest], 60);
            assert!((least..most).contains(&at.0), "{}", at.0);
            // No flood, from the eleventh second on.
            assert!(busiest <= 20.0, "{busiest} shares in a second");
            play(&mut steering, &mut at, &[simulated], 60);
            assert_eq!(at.0, LEAST, "it is gone");
        }
    }

    #[test]
    fn nothing_is_guessed_from_little() {
        let steer = Steer {
            shares_per_minute: 30.0,
        };
        let mut steering = Steering::new(steer, LEAST, 0);
        (1..BEST).for_each(|_| steering.share(1e6));
        assert_eq!(steering.look(LEAST, GLANCE_MS), None, "too few");
        steering.share(1e6);
        assert_eq!(steering.look(LEAST, GLANCE_MS - 1), None, "too early");
        assert!(steering.look(LEAST, GLANCE_MS).is_some());
        let silent = GLANCE_MS + LOOK_MS;
        assert_eq!(steering.look(1e6, silent - 1), None);
        assert_eq!(steering.look(1e6, silent), Some(LEAST));
    }
}
