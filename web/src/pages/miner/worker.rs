//! A device, and whether it does its work.

use std::time::Duration;

use basics::humane;

use super::super::format;
use crate::figures::WorkerFigures;

/// Submissions in an hour from which on a reject rate says something, and the rate in
/// percent that is worth a look.
const ENOUGH_SHARES: u64 = 20;
const HIGH_REJECTS_PERCENT: u64 = 5;

/// A device without a share for so long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub(super) struct WorkerShown {
    pub(super) name: String,
    pub(super) user_agent: String,
    pub(super) state: &'static str,
    pub(super) state_class: &'static str,
    pub(super) hashrate: String,
    pub(super) last: String,
    pub(super) accepted: String,
    pub(super) rejected: String,
    pub(super) rejects_are_high: bool,
    pub(super) best: String,
}

impl WorkerShown {
    pub(super) fn of(worker: &WorkerFigures, now_ms: u64) -> Self {
        let sent = worker
            .accepted_last_hour
            .saturating_add(worker.rejected_last_hour);
        let is_high = sent >= ENOUGH_SHARES
            && worker.rejected_last_hour.saturating_mul(100)
                > sent.saturating_mul(HIGH_REJECTS_PERCENT);
        let silent = worker
            .last_share_ms
            .is_none_or(|last| Duration::from_millis(now_ms.saturating_sub(last)) > SILENT_AFTER);
        let (state, state_class) = match (worker.connected, silent) {
            (0, _) => ("away", "alarm"),
            (_, true) => ("silent", "warn"),
            (_, false) => ("mining", "good"),
        };
        let rejected = match sent {
            0 => "none sent".to_owned(),
            sent => {
                let percent = humane::percent(worker.rejected_last_hour as f64, sent as f64);
                format!("{percent} ({})", format::count(worker.rejected_last_hour))
            }
        };
        WorkerShown {
            name: worker.name.to_string(),
            user_agent: worker.user_agent.to_string(),
            state,
            state_class,
            hashrate: format::hashrate(worker.hashrate),
            last: match worker.last_share_ms {
                Some(last) => humane::ago(last, now_ms),
                // Only the clock that it was written by was wrong.
                None if worker.shares > 0 => "unknown".to_owned(),
                None => "never".to_owned(),
            },
            accepted: format::count(worker.accepted_last_hour),
            rejected,
            rejects_are_high: is_high,
            best: worker
                .best_difficulty
                .map_or_else(|| "-".to_owned(), format::si),
        }
    }
}

#[cfg(test)]
mod tests {
    use accounting::WorkerName;

    use super::*;

    fn worker(connected: u32, last_ms: Option<u64>, counts: (u64, u64)) -> WorkerShown {
        let worker = WorkerFigures {
            name: WorkerName::clean("axe"),
            connected,
            hashrate: 1e12,
            difficulty: 1000.0,
            last_share_ms: last_ms,
            accepted_last_hour: counts.0,
            rejected_last_hour: counts.1,
            shares: 9,
            best_difficulty: Some(2.5e6),
            user_agent: "bitaxe".into(),
        };
        WorkerShown::of(&worker, 10_000_000)
    }

    #[test]
    fn a_worker_mines_is_silent_or_is_away() {
        let now = Some(9_990_000);
        assert_eq!(worker(1, now, (9, 0)).state, "mining");
        assert_eq!(worker(1, Some(1), (9, 0)).state, "silent");
        assert_eq!(worker(1, None, (0, 0)).state, "silent");
        assert_eq!(worker(0, now, (9, 0)).state, "away");
        assert_eq!(worker(1, now, (0, 0)).rejected, "none sent");
        assert_eq!(worker(1, now, (99, 1)).rejected, "1.0 % (1)");
        assert!(!worker(1, now, (99, 1)).rejects_are_high);
        assert!(worker(1, now, (90, 10)).rejects_are_high);
        assert!(!worker(1, now, (1, 9)).rejects_are_high, "too few to tell");
    }
}
