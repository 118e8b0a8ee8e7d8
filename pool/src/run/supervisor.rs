//! The tasks beside mining whose end would go unnoticed: a panic of one ends it, and the
//! money waits. Each is watched; one that panicked makes the pool not ready, with the
//! reason, until it has worked for a while again or the process is started anew.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use basics::backoff::Backoff;
use futures::FutureExt as _;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long it waits before a task is started again.
const START_AGAIN: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// A task that has worked for so long after a panic is well again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// The most of a panic's words that is shown.
const SHOWN_CHARS: usize = 200;

/// A task that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    /// Does what the ledger's outbox says in the mint.
    MintWorker,
    /// Settles melts that are open.
    MeltSettler,
    /// Looks at the mint's books.
    MintLook,
    /// Keeps the lightning node up and takes its payments in.
    Node,
    /// Watches over OCEAN's blocks.
    OceanWatch,
    /// Compares what is owed with what is there.
    Solvency,
}

impl Task {
    const ALL: [Task; 6] = [
        Task::MintWorker,
        Task::MeltSettler,
        Task::MintLook,
        Task::Node,
        Task::OceanWatch,
        Task::Solvency,
    ];

    fn label(self) -> &'static str {
        match self {
            Task::MintWorker => "mint_worker",
            Task::MeltSettler => "melt_settler",
            Task::MintLook => "mint_look",
            Task::Node => "node",
            Task::OceanWatch => "ocean_watch",
            Task::Solvency => "solvency",
        }
    }

    /// Its name, and what waits without it.
    fn said(self) -> &'static str {
        match self {
            Task::MintWorker => "the mint's worker panicked, and payouts do not reach their quotes",
            Task::MeltSettler => "the settling of melts panicked",
            Task::MintLook => "the look at the mint's books panicked",
            Task::Node => "the lightning node's task panicked, and payments are not booked",
            Task::OceanWatch => "the watch over OCEAN's blocks panicked, and epochs are not closed",
            Task::Solvency => "the look at what is owed panicked",
        }
    }
}

/// What became of the tasks.
#[derive(Debug)]
pub(super) struct Supervisor {
    broken: Mutex<BTreeMap<Task, String>>,
    panics: IntCounterVec,
    down: IntGaugeVec,
}

impl Supervisor {
    /// # Errors
    /// A metric's name is taken.
    pub(super) fn register(registry: &Registry) -> Result<Arc<Supervisor>, prometheus::Error> {
        let panics = Opts::new(
            "axepool_task_panics_total",
            "Panics of tasks beside mining since the start",
        );
        let down = Opts::new(
            "axepool_task_down",
            "1 while a task beside mining is down or has panicked a moment ago",
        );
        let tasks = Supervisor {
            broken: Mutex::default(),
            panics: IntCounterVec::new(panics, &["task"])?,
            down: IntGaugeVec::new(down, &["task"])?,
        };
        registry.register(Box::new(tasks.panics.clone()))?;
        registry.register(Box::new(tasks.down.clone()))?;
        for task in Task::ALL {
            tasks.panics.with_label_values(&[task.label()]);
            tasks.down.with_label_values(&[task.label()]);
        }
        Ok(Arc::new(tasks))
    }

    /// Why the pool is not ready, for each task that is not well.
    pub(super) fn broken(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    /// Runs a task that cannot be begun again: a panic of it stays told until the process
    /// is started anew.
    pub(super) async fn once(self: Arc<Self>, task: Task, run: impl Future<Output = ()>) {
        if let Err(panic) = AssertUnwindSafe(run).catch_unwind().await {
            self.panicked(task, &*panic, "start the pool again");
        }
    }

    /// Runs what `make` makes until that ends by itself, and again after each panic, as
    /// long as `cancel` is not.
    pub(super) async fn again<F>(
        self: Arc<Self>,
        task: Task,
        mut make: impl FnMut() -> F,
        cancel: CancellationToken,
    ) where
        F: Future<Output = ()>,
    {
        let mut backoff = START_AGAIN;
        let mut is_well = true;
        loop {
            let mut run = Box::pin(AssertUnwindSafe(make()).catch_unwind());
            let mut ended = None;
            if !is_well {
                ended = timeout(WELL_AFTER, &mut run).await.ok();
                if ended.is_none() {
                    is_well = true;
                    backoff.succeeded();
                    self.recovered(task);
                }
            }
            let ended = match ended {
                Some(ended) => ended,
                None => run.await,
            };
            let Err(panic) = ended else {
                if !is_well {
                    self.recovered(task);
                }
                return;
            };
            is_well = false;
            let wait = backoff.failed();
            let next = format!("started again after {} s", wait.as_secs());
            self.panicked(task, &*panic, &next);
            let slept = cancel.run_until_cancelled(tokio::time::sleep(wait)).await;
            if slept.is_none() {
                return;
            }
        }
    }

    fn panicked(&self, task: Task, panic: &(dyn Any + Send), next: &str) {
        let words = words(panic);
        tracing::error!(task = task.label(), words, next, "a task panicked");
        self.panics.with_label_values(&[task.label()]).inc();
        self.down.with_label_values(&[task.label()]).set(1);
        let why = format!("{}: {words} ({next})", task.said());
        self.lock().insert(task, why);
    }

    fn recovered(&self, task: Task) {
        tracing::info!(task = task.label(), "the task works again");
        self.down.with_label_values(&[task.label()]).set(0);
        self.lock().remove(&task);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Task, String>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of what a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let said = said.unwrap_or("a panic without words");
    let plain = said.chars().filter(|c| !c.is_control());
    plain.take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;

    fn tasks() -> (Arc<Supervisor>, Registry) {
        let registry = Registry::new();
        (Supervisor::register(&registry).unwrap(), registry)
    }

    fn down(tasks: &Supervisor) -> i64 {
        tasks.down.with_label_values(&["mint_worker"]).get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_told_until_the_task_has_worked_for_a_while() {
        let (tasks, _registry) = tasks();
        let cancel = CancellationToken::new();
        let runs = Cell::new(0);
        let make = || {
            runs.set(runs.get() + 1);
            let run = runs.get();
            async move {
                if run <= 3 {
                    panic!("the rule is broken\n{run}");
                }
                pending().await
            }
        };
        let running = Arc::clone(&tasks).again(Task::MintWorker, make, cancel.clone());
        let looking = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let told = tasks.broken();
            assert_eq!(told.len(), 1);
            assert!(
                told[0].contains("quotes: the rule is broken1 (started"),
                "{told:?}"
            );
            assert_eq!(down(&tasks), 1);
            // After 1, 2 and 4 s it is started again, and works.
            tokio::time::sleep(Duration::from_secs(7 + 58)).await;
            assert_eq!((runs.get(), tasks.broken().len()), (4, 1));
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!((tasks.broken(), down(&tasks)), (vec![], 0));
            cancel.cancel();
        };
        let stopped = cancel.clone();
        tokio::join!(stopped.run_until_cancelled(running), looking);
        assert_eq!(tasks.panics.with_label_values(&["mint_worker"]).get(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_for_the_next_try() {
        let (tasks, _registry) = tasks();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let make = async || panic!("again");
        Arc::clone(&tasks)
            .again(Task::MintWorker, make, cancel)
            .await;
        assert_eq!(tasks.broken().len(), 1);
    }

    #[tokio::test]
    async fn a_task_that_cannot_begin_again_stays_told_of() {
        let (tasks, _registry) = tasks();
        Arc::clone(&tasks).once(Task::Solvency, async {}).await;
        assert_eq!(tasks.broken(), Vec::<String>::new());
        let panics = async { std::panic::panic_any(7) };
        Arc::clone(&tasks).once(Task::OceanWatch, panics).await;
        let told = tasks.broken();
        assert!(
            told[0].contains("without words (start the pool again)"),
            "{told:?}"
        );
    }
}
