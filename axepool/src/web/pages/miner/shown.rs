//! A miner's figures as text.

use super::super::format;
use super::super::plot::Plot;
use super::earned::{EarningShown, LineShown};
use super::worker::WorkerShown;
use crate::web::figures::{EarningState, MinerFigures};

/// A miner's figures as text.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) is_known: bool,
    pub(super) connected: u64,
    pub(super) devices: u64,
    pub(super) now: String,
    pub(super) hour: String,
    pub(super) day: String,
    pub(super) best: Option<String>,
    pub(super) plot: Option<Plot>,
    pub(super) ready: Option<String>,
    pub(super) is_ready: bool,
    pub(super) sweep_only: bool,
    pub(super) paid: String,
    pub(super) carry: String,
    pub(super) per_day: Option<String>,
    pub(super) next_sat: Option<String>,
    pub(super) running: Option<String>,
    pub(super) workers: Vec<WorkerShown>,
    pub(super) earnings: Vec<EarningShown>,
    pub(super) statement: Vec<LineShown>,
}

impl Shown {
    pub(super) fn of(figures: &MinerFigures) -> Self {
        let now_ms = figures.now_ms;
        let estimates = &figures.estimates;
        // Several devices can share a name, and beyond a bound they do.
        let connected = || figures.workers.iter().map(|one| u64::from(one.connected));
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
            connected: connected().sum(),
            devices: connected().map(|connected| connected.max(1)).sum(),
            now: format::hashrate(hashrate.now),
            hour: format::hashrate(hashrate.hour),
            day: format::hashrate(hashrate.day),
            best: figures.best_difficulty.map(format::si),
            plot: Plot::of(hashrate),
            ready: figures.ready_sat.map(format::sat),
            is_ready: figures.ready_sat.is_some_and(|ready| !ready.is_zero()),
            sweep_only: figures.sweep_only == Some(true),
            paid: format::sat(figures.account.paid),
            carry: format::msat(figures.account.carry),
            per_day: estimates.sat_per_day.map(format::estimate),
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
            statement: figures.statement.iter().map(LineShown::of).collect(),
        }
    }
}
