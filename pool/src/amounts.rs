//! Amounts of work and money for people. For display only: nothing here is computed with
//! again.

use std::time::Duration;

use accounting::{Msat, Work};
use basics::humane::{count, si};

/// The hashes of a share of difficulty 1, nearly: 2^32.
const HASHES_PER_DIFFICULTY_1: f64 = 4_294_967_296.0;

/// Work, in shares of difficulty 1: the number that pools' pages show.
pub fn work(work: Work) -> String {
    let shares = work.hashes() as f64 / HASHES_PER_DIFFICULTY_1;
    if shares > 0.0 && shares < 0.005 {
        "below 0.01".to_owned()
    } else if shares < 1e6 {
        grouped(shares)
    } else {
        si(shares).trim_end().to_owned()
    }
}

/// The hashrate that does `work` in `duration`; 0 for no time at all.
pub fn rate(work: Work, duration: Duration) -> f64 {
    let seconds = duration.as_secs_f64();
    if seconds > 0.0 {
        work.hashes() as f64 / seconds
    } else {
        0.0
    }
}

/// An amount in satoshis with all its thousandths: `12,345.678`.
pub fn msat_as_sat(amount: Msat) -> String {
    format!(
        "{}.{:03}",
        count(amount.to_sat_floor().get()),
        amount.below_sat().get()
    )
}

/// A number that may be below 1, with separators and as few decimals as tell anything.
fn grouped(number: f64) -> String {
    if number < 100.0 {
        return format!("{number:.2}");
    }
    // Below a million here: it fits and is not negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    count(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_told_in_shares_of_difficulty_1() {
        for (shares, text) in [
            (0u128, "0.00"),
            (1, "1.00"),
            (12_345, "12,345"),
            (2_500_000, "2.50 M"),
        ] {
            assert_eq!(work(Work::from_hashes(shares << 32)), text);
        }
        assert_eq!(work(Work::from_hashes(1)), "below 0.01");
        assert_eq!(work(Work::from_hashes(1 << 26)), "0.02");
    }

    #[test]
    fn no_thousandth_of_a_satoshi_is_left_out() {
        for (msat, text) in [(0, "0.000"), (7, "0.007"), (1_234_567_089, "1,234,567.089")] {
            assert_eq!(msat_as_sat(Msat::new(msat)), text);
        }
    }
}
