//! The earnings of a miner's work, by epoch and by payout.

use accounting::Work;
use basics::humane;

use super::super::format;
use crate::figures::{Earning, EarningState, StatementLine};

#[derive(Debug)]
pub(super) struct EarningShown {
    pub(super) epoch: String,
    pub(super) when: String,
    pub(super) machine: String,
    pub(super) work: String,
    pub(super) part: String,
    pub(super) amount: String,
    pub(super) is_estimate: bool,
    pub(super) state: String,
    pub(super) state_class: &'static str,
}

#[derive(Debug)]
pub(super) struct LineShown {
    pub(super) when: String,
    pub(super) machine: String,
    pub(super) before: String,
    pub(super) allocated: String,
    pub(super) paid: String,
    pub(super) after: String,
}

impl EarningShown {
    pub(super) fn of(earning: &Earning, now_ms: u64) -> Self {
        let estimate = |msat: Option<f64>| match msat {
            Some(msat) => (format::estimate(msat / 1000.0), true),
            None => ("-".to_owned(), false),
        };
        let ((amount, is_estimate), state, state_class) = match earning.state {
            EarningState::Running { estimate_msat } => {
                (estimate(estimate_msat), "running".to_owned(), "")
            }
            EarningState::Pending { estimate_msat } => {
                (estimate(estimate_msat), "pending".to_owned(), "warn")
            }
            EarningState::Paid {
                paid_sat,
                swept_sat,
            } => {
                let state = match swept_sat {
                    Some(swept) if swept >= paid_sat => ("claimed".to_owned(), ""),
                    Some(swept) if !swept.is_zero() => {
                        (format!("{} sat claimed", format::sat(swept)), "good")
                    }
                    Some(_) => ("ready".to_owned(), "good"),
                    None => ("paid".to_owned(), "good"),
                };
                ((format::sat(paid_sat), false), state.0, state.1)
            }
            EarningState::Carried => (("0".to_owned(), false), "in carry".to_owned(), ""),
            EarningState::Merged { into } => {
                (("-".to_owned(), false), format!("counts in {into}"), "warn")
            }
        };
        let at_ms = earning.closed_ms.unwrap_or(earning.opened_ms);
        EarningShown {
            epoch: earning.epoch.to_string(),
            when: match earning.closed_ms {
                Some(closed_ms) => humane::ago(closed_ms, now_ms),
                None => "open now".to_owned(),
            },
            machine: format::machine_time(at_ms),
            work: format::work(earning.work),
            part: part(earning.work, earning.whole_work),
            amount,
            is_estimate,
            state,
            state_class,
        }
    }
}

impl LineShown {
    pub(super) fn of(line: &StatementLine) -> Self {
        LineShown {
            when: format::minute(line.received_ms),
            machine: format::machine_time(line.received_ms),
            before: format::msat(line.carry_before_msat),
            allocated: format::msat(line.allocated_msat),
            paid: format::sat(line.paid_sat),
            after: format::msat(line.carry_after_msat),
        }
    }
}

/// A part of the whole in percent, with decimals where it is small.
fn part(work: Work, whole: Work) -> String {
    let percent = 100.0 * work.hashes() as f64 / (whole.hashes() as f64).max(1.0);
    match percent {
        none if none <= 0.0 => "0 %".to_owned(),
        little if little < 0.01 => "< 0.01 %".to_owned(),
        little if little < 1.0 => format!("{little:.2} %"),
        some => format!("{some:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_as_finely_as_they_are_small() {
        for (work, text) in [
            (0, "0 %"),
            (1, "< 0.01 %"),
            (123_456, "0.12 %"),
            (50_000_000, "50.0 %"),
        ] {
            let (work, whole) = (Work::from_hashes(work), Work::from_hashes(100_000_000));
            assert_eq!(part(work, whole), text);
        }
        assert_eq!(part(Work::ZERO, Work::ZERO), "0 %");
    }
}
