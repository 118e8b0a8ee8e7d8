//! The mint beside mining: opened, and opened again until it works; its worker; what it
//! owes, looked at from time to time. Nothing of it is ever waited for by mining.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use accounting::OutboxId;
use anyhow::{Context, Result};
use basics::clock;
use ledger::{Ledger, LedgerError};
use mint::{Liabilities, Mint, MintConfig, OldClaims, Parked, Since};
use prometheus::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::{MintState, MintStatus};
use crate::backup::Cause;
use crate::config::{Config, PublicUrl};
use crate::mint_url::{self, Record};
use crate::run::faces::Routes;
use crate::run::mint_config;
use crate::run::mint_metrics::MintingMetrics;
use crate::run::outbox::LedgerOutbox;
use crate::run::outbox_head::OutboxHead;
use crate::run::paying::Melter;
use crate::run::reach::Reach;
use crate::run::supervisor::{Supervisor, Task};
use crate::stores::Stores;

/// How long it waits before it opens the mint again: doubled up to the second.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// How often liabilities, parked rows and the outbox's length are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Rows of the outbox are counted up to here: beyond, it is "or more".
const MOST_COUNTED: usize = 10_000;

/// What is known of the mint.
#[derive(Default)]
struct Known {
    mint: Option<Mint>,
    /// Why it is not open, or could not be looked at.
    failing: Option<String>,
    looked: Option<Looked>,
    /// What it tells its owners beside everything else.
    notice: Option<String>,
}

/// What the last look found.
#[derive(Clone, Copy)]
struct Looked {
    at_ms: u64,
    liabilities: Liabilities,
    parked: usize,
}

/// The mint's place in the pool, open or not.
pub(crate) struct Minting {
    /// `None`: switched off.
    config: Option<MintConfig>,
    /// Who pays for burnt ecash; `None` without a node.
    melter: Option<Melter>,
    data_dir: PathBuf,
    public_url: PublicUrl,
    ledger: Ledger,
    /// How far the stores are.
    stores: Arc<Stores>,
    known: Mutex<Known>,
    metrics: MintingMetrics,
    /// Whether the URL leads here.
    reach: Arc<Reach>,
    tasks: Arc<Supervisor>,
}

impl Minting {
    /// The mint of `config`, not opened yet.
    ///
    /// # Errors
    /// A metric's name is taken.
    pub(super) fn new(
        config: &Config,
        public_url: PublicUrl,
        ledger: Ledger,
        (melter, notice): (Option<Melter>, Option<String>),
        (tasks, stores, registry): (&Arc<Supervisor>, &Arc<Stores>, &Registry),
    ) -> Result<Arc<Self>> {
        let mint = mint_config::of(config, &public_url, &ledger, stores);
        let metrics = MintingMetrics::register(registry).context("the mint's metrics")?;
        metrics.configured.set(i64::from(mint.is_some()));
        let reach = Reach::register(config, registry).context("the metric of public_url")?;
        Ok(Arc::new(Minting {
            reach: Arc::new(reach),
            config: mint,
            melter,
            data_dir: config.data_dir.clone(),
            public_url,
            ledger,
            stores: Arc::clone(stores),
            known: Mutex::new(Known {
                notice,
                ..Known::default()
            }),
            metrics,
            tasks: Arc::clone(tasks),
        }))
    }

    /// Opens the mint as soon as that works, gives its routes to `routes`, drains the
    /// outbox and looks at what it owes, until `cancel`.
    pub(super) async fn run(self: Arc<Self>, routes: Routes, cancel: CancellationToken) {
        let looking = self.clone().count_waiting(cancel.clone());
        let minting = async {
            let Some(config) = &self.config else {
                return;
            };
            if let Some(mint) =
                Box::pin(cancel.run_until_cancelled(self.open(config, &routes))).await
            {
                self.serve(mint, cancel.clone()).await;
            }
        };
        tokio::join!(looking, minting);
        // Nothing is written to the mint's store any more.
        self.exchange_marks(true).await;
    }

    async fn open(&self, config: &MintConfig, routes: &Routes) -> Mint {
        let mut wait = FIRST_RETRY;
        loop {
            match self.try_open(config, routes).await {
                Ok(mint) => return mint,
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::error!(error = why, retry = ?wait, "the mint cannot be opened; mining goes on");
                    self.metrics.open_failures.inc();
                    self.known().failing = Some(why);
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_RETRY);
        }
    }

    async fn try_open(&self, config: &MintConfig, routes: &Routes) -> Result<Mint> {
        let lightning = self.melter.as_ref().map(|(pays, _)| Arc::clone(pays));
        let mint = Mint::open_with(config.clone(), lightning, &self.metrics.mint).await?;
        let router = mint.router().await?;
        if let Some(record) = mint_url::read(&self.data_dir).context("the record of public_url")?
            && let Some(warning) = mint_url::changed(&record, self.public_url.as_str())
        {
            tracing::warn!("{warning}");
        }
        let looked = look(&mint).await?;
        self.remember_url(&looked)?;
        routes.open_mint(router);
        let notice = {
            let mut known = self.known();
            known.mint = Some(mint.clone());
            known.failing = None;
            known.looked = Some(looked);
            known.notice.clone()
        };
        mint.set_notice(notice).await?;
        self.metrics.open.set(1);
        tracing::info!(url = %self.public_url, "the mint is open");
        Ok(mint)
    }

    async fn serve(&self, mint: Mint, cancel: CancellationToken) {
        let outbox = Arc::new(LedgerOutbox::new(self.ledger.clone()));
        // A row comes again after a panic, and does no harm twice.
        let work = || joined(mint.spawn_worker(outbox.clone(), cancel.clone()));
        let worker = self
            .tasks
            .clone()
            .again(Task::MintWorker, work, cancel.clone());
        let settler = async {
            let Some((_, decided)) = &self.melter else {
                return;
            };
            // Payments that the last process left open find their end with it too.
            let settle = || joined(mint.spawn_melt_settler(decided.clone(), cancel.clone()));
            let tasks = self.tasks.clone();
            tasks.again(Task::MeltSettler, settle, cancel.clone()).await;
        };
        let look = || async {
            cancel.run_until_cancelled(self.keep_looking(&mint)).await;
        };
        let looker = self
            .tasks
            .clone()
            .again(Task::MintLook, look, cancel.clone());
        let reach = Arc::clone(&self.reach).watch(mint.key_hex(), cancel.clone());
        tokio::join!(worker, settler, looker, reach);
        if let Err(error) = mint.close().await {
            tracing::warn!(%error, "the mint did not close cleanly; everything that it acknowledged is durable");
        }
        self.metrics.open.set(0);
    }

    /// Looks at what the mint owes from time to time.
    async fn keep_looking(&self, mint: &Mint) {
        let mut interval = tokio::time::interval(LOOK_INTERVAL);
        loop {
            interval.tick().await;
            let looked = look(mint).await;
            let looked = looked.and_then(|looked| self.remember_url(&looked).map(|()| looked));
            let mut known = self.known();
            match looked {
                Ok(looked) => {
                    self.metrics.parked.set(shown(looked.parked));
                    known.looked = Some(looked);
                    known.failing = None;
                }
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the mint's books cannot be read"
                    );
                    known.failing = Some(format!("{error:#}"));
                }
            }
        }
    }

    /// The outbox's length, whether or not the mint is open; and lets the stores know of
    /// each other.
    async fn count_waiting(self: Arc<Self>, cancel: CancellationToken) {
        let mut interval = tokio::time::interval(LOOK_INTERVAL);
        let mut head = OutboxHead::default();
        while cancel.run_until_cancelled(interval.tick()).await.is_some() {
            match self.waiting().await {
                Ok((rows, first)) => {
                    let age = head.see(first, Instant::now()).as_secs();
                    self.metrics.waiting.set(shown(rows));
                    self.metrics
                        .head_age
                        .set(i64::try_from(age).unwrap_or(i64::MAX));
                }
                Err(error) => tracing::warn!(%error, "the outbox cannot be read"),
            }
            self.exchange_marks(false).await;
        }
    }

    async fn exchange_marks(&self, last: bool) {
        if let Err(error) = self.stores.exchange(&self.ledger, last).await {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "the marks of the stores cannot be written; will retry"
            );
        }
    }

    /// How many rows of the outbox are still to be done, at most [`MOST_COUNTED`], and
    /// the first of them.
    async fn waiting(&self) -> Result<(usize, Option<OutboxId>), LedgerError> {
        let reader = self.ledger.reader().clone();
        let counting = move || {
            let rows = reader.outbox(OutboxId::START, MOST_COUNTED)?;
            Ok((rows.len(), rows.first().map(|row| row.id)))
        };
        tokio::task::spawn_blocking(counting)
            .await
            .unwrap_or(Err(LedgerError::Closed))
    }

    /// Remembers the URL, once ecash is out there under it.
    fn remember_url(&self, looked: &Looked) -> Result<()> {
        let record = Record {
            public_url: self.public_url.to_string(),
            outstanding_sat: looked.liabilities.outstanding_sat,
        };
        let stored = mint_url::read(&self.data_dir).context("the record of public_url")?;
        if stored.as_ref() != Some(&record) {
            mint_url::write(&self.data_dir, &record).context("the record of public_url")?;
        }
        Ok(())
    }

    /// For `axepool status`.
    pub(super) async fn status(&self) -> Result<MintStatus, LedgerError> {
        let (waiting, _) = self.waiting().await?;
        let known = self.known();
        let state = match (&self.config, &known.mint) {
            (None, _) => MintState::Off,
            (Some(_), None) => MintState::Opening,
            (Some(_), Some(_)) => MintState::Open,
        };
        Ok(MintStatus {
            state,
            failing: failing(&known),
            public_url: self.public_url.to_string(),
            outbox_waiting: waiting,
            parked: known.looked.map(|looked| looked.parked),
            outstanding_sat: known
                .looked
                .map(|looked| looked.liabilities.outstanding_sat),
            paid_unissued_sat: known
                .looked
                .map(|looked| looked.liabilities.paid_unissued_sat),
        })
    }

    /// What is wrong with it, if anything is: no reason to send miners away.
    pub(super) fn trouble(&self) -> Option<String> {
        failing(&self.known())
    }

    /// Why wallets may not find the pool under its URL, if so.
    pub(super) fn url_trouble(&self) -> Option<String> {
        self.reach.trouble()
    }

    /// The URL that wallets are told.
    pub(super) fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The mint, while it is open.
    pub(super) fn mint(&self) -> Option<Mint> {
        self.known().mint.clone()
    }

    /// The last look at what the mint owes, and when that was.
    pub(super) fn liabilities(&self) -> Option<(u64, Liabilities)> {
        self.known()
            .looked
            .map(|looked| (looked.at_ms, looked.liabilities))
    }

    /// Pauses melts for the reason `Some(why)`, or lets them go on, once the mint is open.
    pub(super) async fn pause_melts(&self, why: Option<String>) {
        let mint = self.known().mint.clone();
        if let Some(mint) = mint
            && let Err(error) = mint.pause_melts(why).await
        {
            tracing::warn!(%error, "the pause of melts cannot be stored; will retry");
        }
    }

    /// What the mint tells its owners beside everything else, from now on.
    pub(super) async fn set_notice(&self, notice: Option<String>) {
        let mint = {
            let mut known = self.known();
            known.notice.clone_from(&notice);
            known.mint.clone()
        };
        if let Some(mint) = mint
            && let Err(error) = mint.set_notice(notice).await
        {
            tracing::warn!(%error, "the mint's message of the day cannot be changed before the next start");
        }
    }

    /// Claims for what is from before a restore; `None` while the mint is off or not open,
    /// or when there was no restore.
    pub(super) async fn old_claims(&self) -> Result<Option<OldClaims>> {
        let mint = self.known().mint.clone();
        match mint {
            Some(mint) => Ok(mint.old_claims().await?),
            None => Ok(None),
        }
    }

    /// Opens the mint after a restore, on the operator's word.
    ///
    /// # Errors
    /// It is not open as it should be, or its store fails.
    pub(super) async fn open_old_claims(&self, since: Since) -> Result<Option<OldClaims>> {
        let mint = self.known().mint.clone();
        let mint = mint.context("the mint is not open: see axepool status")?;
        Ok(mint.open_old_claims(since).await?)
    }

    /// Why nothing is issued, swapped or melted since a restore, if so.
    pub(super) fn closed_by_restore(&self) -> Option<String> {
        self.known().mint.as_ref()?.closed_by_restore()
    }

    /// Why the operator's word is waited for; empty when it is not.
    pub(super) fn waits_for(&self) -> Vec<Cause> {
        self.stores.waits_for()
    }

    /// The operator's word is there.
    pub(super) fn accepted(&self) {
        self.stores.accepted();
    }

    /// True unless the mint is switched off.
    pub(super) fn has_mint(&self) -> bool {
        self.config.is_some()
    }

    /// The parked rows; with `retry` they are tried first, and so many were done.
    ///
    /// # Errors
    /// The mint is not open, or its store fails.
    pub(super) async fn parked(&self, retry: bool) -> Result<(usize, Vec<Parked>)> {
        let mint = self.known().mint.clone();
        let mint = mint.context("the mint is not open: see axepool status")?;
        let done = if retry { mint.retry_parked().await? } else { 0 };
        let mut parked = mint.parked().await?;
        parked.sort_by_key(|parked| (parked.since_ms, parked.row.id));
        Ok((done, parked))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A gauge's value, held at what it can show.
fn shown(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn failing(known: &Known) -> Option<String> {
    let trouble = known.mint.as_ref().and_then(Mint::worker_trouble);
    trouble.or_else(|| known.failing.clone())
}

/// Waits for a task, with its panic as one's own.
async fn joined(task: JoinHandle<()>) {
    if let Err(error) = task.await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

async fn look(mint: &Mint) -> Result<Looked> {
    Ok(Looked {
        liabilities: mint.liabilities().await?,
        parked: mint.parked().await?.len(),
        at_ms: clock::now_ms(),
    })
}

impl std::fmt::Debug for Minting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minting")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_workers_panic_is_its_supervisors() {
        let registry = Registry::new();
        let tasks = Supervisor::register(&registry).unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let work = || joined(tokio::spawn(async { panic!("a rule of the store") }));
        let watched = tasks.clone().again(Task::MintWorker, work, cancel.clone());
        watched.await;
        assert!(tasks.broken()[0].contains("a rule of the store"));
        // A worker that ends by itself was told to.
        let tasks = Supervisor::register(&Registry::new()).unwrap();
        let work = || joined(tokio::spawn(async {}));
        tasks.clone().again(Task::MintWorker, work, cancel).await;
        assert_eq!(tasks.broken(), Vec::<String>::new());
    }
}
