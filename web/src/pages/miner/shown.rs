//! A miner's figures as text.

use super::super::format;
use super::super::plot::Plot;
use super::earned::{EarningShown, LineShown};
use super::worker::WorkerShown;
use crate::figures::{EarningState, MinerFigures, OlderPaid, WorkerFigures};

/// A miner's figures as text.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) is_known: bool,
    pub(super) connected: String,
    pub(super) devices: String,
    pub(super) now: String,
    pub(super) hour: String,
    pub(super) day: String,
    pub(super) best: Option<String>,
    pub(super) plot: Option<Plot>,
    pub(super) ready: Option<String>,
    pub(super) is_ready: bool,
    /// Something was paid at some time.
    pub(super) was_paid: bool,
    pub(super) sweep_only: bool,
    pub(super) paid: String,
    pub(super) carry: String,
    pub(super) per_day: Option<String>,
    pub(super) next_sat: Option<String>,
    pub(super) running: Option<String>,
    pub(super) workers: Vec<WorkerShown>,
    pub(super) earnings: Vec<EarningShown>,
    /// Epochs that were paid and are too old for a line of their own.
    pub(super) older: Option<String>,
    pub(super) statement: Vec<LineShown>,
}

impl Shown {
    pub(super) fn of(figures: &MinerFigures) -> Self {
        let now_ms = figures.now_ms;
        let estimates = &figures.estimates;
        let (connected, devices) = counted(&figures.workers);
        let running = figures
            .earnings
            .iter()
            .find_map(|earning| match earning.state {
                EarningState::Running { estimate_msat } => estimate_msat,
                _ => None,
            });
        let hashrate = &figures.hashrate;
        Shown {
            is_known: !figures.workers.is_empty() || !figures.earnings.is_empty(),
            connected: format::count(connected),
            devices: format::count(devices),
            now: format::hashrate(hashrate.now),
            hour: format::hashrate(hashrate.hour),
            day: format::hashrate(hashrate.day),
            best: figures.best_difficulty.map(format::si),
            plot: Plot::of(hashrate),
            ready: figures.ready_sat.map(format::sat),
            is_ready: figures.ready_sat.is_some_and(|ready| !ready.is_zero()),
            was_paid: !figures.account.paid.is_zero(),
            sweep_only: figures.sweep_only == Some(true),
            paid: format::sat(figures.account.paid),
            carry: format::msat(figures.account.carry),
            per_day: estimates
                .sat_per_day
                .filter(|sat| *sat > 0.0)
                .map(format::estimate),
            next_sat: estimates.days_to_next_sat.map(format::days),
            running: running.map(|msat| format::estimate(msat / 1000.0)),
            workers: figures
                .workers
                .iter()
                .map(|worker| WorkerShown::of(worker, now_ms))
                .collect(),
            earnings: figures
                .earnings
                .iter()
                .map(|earning| EarningShown::of(earning, now_ms))
                .collect(),
            older: older(figures.older_paid),
            statement: figures.statement.iter().map(LineShown::of).collect(),
        }
    }
}

fn older(paid: OlderPaid) -> Option<String> {
    let sat = format::sat(paid.paid_sat);
    match paid.epochs {
        0 => None,
        1 => Some(format!("One older epoch was paid {sat} sat")),
        epochs => {
            let epochs = format::count(epochs);
            Some(format!("{epochs} older epochs were paid {sat} sat in all"))
        }
    }
}

/// How many devices are connected, and how many there are. Several can share a name, and
/// beyond a bound they do: sessions are counted, and who is away as one.
fn counted(workers: &[WorkerFigures]) -> (u64, u64) {
    let sessions = || workers.iter().map(|worker| u64::from(worker.connected));
    let devices = sessions().map(|connected| connected.max(1));
    (sessions().sum(), devices.sum())
}

#[cfg(test)]
mod tests {
    use accounting::{Worker, WorkerName};

    use super::*;

    fn worker(name: &str, connected: u32) -> WorkerFigures {
        WorkerFigures {
            name: WorkerName::clean(name),
            connected,
            hashrate: 1e12,
            difficulty: 1000.0,
            last_share_ms: Some(1),
            accepted_last_hour: 1,
            rejected_last_hour: 0,
            shares: 1,
            best_difficulty: None,
            user_agent: Box::default(),
        }
    }

    #[test]
    fn what_has_no_line_is_told_as_a_sum() {
        let told = |epochs, sat| {
            older(OlderPaid {
                epochs,
                paid_sat: accounting::Sat::new(sat),
            })
        };
        assert_eq!(told(0, 0), None);
        assert_eq!(
            told(1, 7).as_deref(),
            Some("One older epoch was paid 7 sat")
        );
        let many = "1\u{202f}200 older epochs were paid 326\u{202f}835 sat in all";
        assert_eq!(told(1200, 326_835).as_deref(), Some(many));
    }

    #[test]
    fn a_hundred_devices_are_a_hundred() {
        // As many names as there are rows for, and the others in one.
        let named = (0..Worker::MAX_NAMED).map(|number| worker(&format!("axe{number}"), 1));
        let mut workers: Vec<_> = named.collect();
        workers.push(worker(Worker::OTHERS, 36));
        assert_eq!(counted(&workers), (100, 100));
        workers[0].connected = 0;
        assert_eq!(counted(&workers), (99, 100));
        assert_eq!(counted(&[]), (0, 0));
    }
}
