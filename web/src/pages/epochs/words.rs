//! How epochs are put in words.

use accounting::settle::{EpochAccount, Stage};
use accounting::{EpochTerms, Work};

/// Where an epoch is in its life, as a badge: its style and its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Badge {
    pub(super) style: &'static str,
    pub(super) word: &'static str,
}

impl Badge {
    /// Of an epoch; `None` for the moment in which it is being booked.
    pub(super) fn of(account: Option<&EpochAccount>) -> Badge {
        let badge = |style, word| Badge { style, word };
        let Some(account) = account else {
            return badge("", "closed");
        };
        match account.stage {
            Stage::Open => badge("good", "open"),
            Stage::Merged { .. } => badge("", "merged"),
            Stage::Closed { .. } if account.orphaned => badge("alarm", "orphaned"),
            Stage::Closed { .. } if account.covered => badge("good", "paid"),
            Stage::Closed { .. } if !account.received.is_zero() => badge("warn", "partly paid"),
            Stage::Closed { .. } if account.work.is_zero() => badge("", "no work"),
            Stage::Closed { .. } => badge("warn", "not paid yet"),
        }
    }
}

/// The operator's fee, exactly: basis points are hundredths of a percent.
pub(super) fn fee(terms: &EpochTerms) -> String {
    let (whole, hundredths) = (terms.fee_bps / 100, terms.fee_bps % 100);
    match hundredths {
        0 => format!("{whole} %"),
        tens if tens % 10 == 0 => format!("{whole}.{} %", tens / 10),
        hundredths => format!("{whole}.{hundredths:02} %"),
    }
}

/// A miner's part of all work: four decimals, for the eye. What is paid is reckoned in
/// whole numbers elsewhere.
pub(super) fn part(work: Work, all: Work) -> String {
    if all.is_zero() {
        return "-".to_owned();
    }
    let part = work.hashes() as f64 / all.hashes() as f64;
    format!("{:.4} %", 100.0 * part)
}

#[cfg(test)]
mod tests {
    use accounting::settle::Block;
    use accounting::{EpochId, Msat};

    use super::*;

    #[track_caller]
    fn case(change: impl FnOnce(&mut EpochAccount), word: &str) {
        let mut account = EpochAccount::opened(EpochId::FIRST, EpochTerms::default());
        account.stage = Stage::Closed { block: None };
        account.work = Work::from_hashes(1);
        change(&mut account);
        assert_eq!(Badge::of(Some(&account)).word, word, "{account:?}");
    }

    #[test]
    fn a_badge_tells_the_most_important_thing() {
        case(|one| one.stage = Stage::Open, "open");
        case(|_| {}, "not paid yet");
        case(|one| one.work = Work::ZERO, "no work");
        case(|one| one.received = Msat::new(1), "partly paid");
        case(|one| one.covered = true, "paid");
        let orphaned = |one: &mut EpochAccount| (one.covered, one.orphaned) = (true, true);
        case(orphaned, "orphaned");
        let block = Block {
            hash: "00".repeat(32).parse().expect("a hash"),
            height: 1,
        };
        let into = EpochId::new(2);
        case(|one| one.stage = Stage::Merged { into, block }, "merged");
    }

    #[test]
    fn a_fee_is_told_exactly() {
        for (fee_bps, said) in [
            (0, "0 %"),
            (100, "1 %"),
            (150, "1.5 %"),
            (5, "0.05 %"),
            (1234, "12.34 %"),
            (10_000, "100 %"),
        ] {
            let terms = EpochTerms {
                fee_bps,
                ..EpochTerms::default()
            };
            assert_eq!(fee(&terms), said);
        }
    }

    #[test]
    fn nothing_of_nothing_is_no_part() {
        let work = Work::from_hashes;
        assert_eq!(part(work(1), work(0)), "-");
        assert_eq!(part(work(1), work(3)), "33.3333 %");
        assert_eq!(part(work(u128::MAX), work(u128::MAX)), "100.0000 %");
    }
}
