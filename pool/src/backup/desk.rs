//! Backups of the running pool: one at a time, beside everything else.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::Reader;
use prometheus::{IntCounter, IntGauge, Registry};

use super::make::{Order, Sources, make};
use super::{BackupDone, BackupState, Progress, read_last};

/// The metrics of backups.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    last: IntGauge,
    failures: IntCounter,
}

impl Metrics {
    /// Registers them; an error is a name that is taken.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Metrics {
            last: IntGauge::new(
                "axepool_backup_last_success_timestamp_seconds",
                "When the last backup was begun, seconds since 1970; 0: there is none",
            )?,
            failures: IntCounter::new(
                "axepool_backup_failures_total",
                "Backups of the running pool that failed",
            )?,
        };
        registry.register(Box::new(metrics.last.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        Ok(metrics)
    }

    fn made(&self, made_ms: u64) {
        self.last
            .set(i64::try_from(made_ms / 1000).unwrap_or(i64::MAX));
    }
}

/// Where backups are ordered.
#[derive(Debug)]
pub(crate) struct Desk {
    sources: Sources,
    reader: Reader,
    metrics: Metrics,
    state: Mutex<BackupState>,
}

impl Desk {
    /// Of the pool whose ledger is behind `reader`.
    pub(crate) fn new(sources: Sources, reader: Reader, metrics: Metrics) -> Arc<Self> {
        match read_last(sources.data_dir()) {
            Ok(last) => metrics.made(last.map_or(0, |last| last.made_ms)),
            Err(error) => tracing::warn!(%error, "the time of the last backup cannot be read"),
        }
        Arc::new(Desk {
            sources,
            reader,
            metrics,
            state: Mutex::new(BackupState::Idle),
        })
    }

    /// The data directory of the pool.
    pub(crate) fn data_dir(&self) -> &Path {
        self.sources.data_dir()
    }

    /// How the last order does.
    pub(crate) fn look(&self) -> BackupState {
        self.state().clone()
    }

    /// Begins a backup, unless one is being made: then that is told. It goes on whether
    /// or not anybody looks.
    pub(crate) fn start(self: &Arc<Self>, order: Order) -> BackupState {
        let running = BackupState::Running(Progress::default());
        {
            let mut state = self.state();
            if let BackupState::Running(_) = *state {
                return BackupState::Busy;
            }
            *state = running.clone();
        }
        let desk = Arc::clone(self);
        tokio::task::spawn_blocking(move || desk.run(&order));
        running
    }

    fn run(&self, order: &Order) {
        let mut told = |progress| *self.state() = BackupState::Running(progress);
        let made = make(&self.sources, &self.reader, order, &mut told);
        let state = match made {
            Ok(manifest) => {
                tracing::info!(to = %order.to.display(), "backup made");
                self.metrics.made(manifest.made_ms);
                BackupState::Done(BackupDone::of(&manifest, &order.to))
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(why, to = %order.to.display(), "a backup failed");
                self.metrics.failures.inc();
                BackupState::Failed { why }
            }
        };
        *self.state() = state;
    }

    fn state(&self) -> MutexGuard<'_, BackupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
