//! What there is to know about the running pool, for the admin socket, the metrics'
//! listener and the demonstration.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Instant;

use accounting::MinerId;
use basics::clock;
use ledger::{Health as LedgerHealth, Ledger};
use mint::Mint;
use proxy::{Proxy, ProxyStatus, SessionStatus};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::claimable::Claimable;
use super::faces::{FaceAddresses, Telling};
use super::history::History;
use super::minting::Minting;
use super::paying::Paying;
use super::pulse::Pulse;
use super::room::Room;
use super::solvency_report::SolvencyReport;
use super::supervisor::Supervisor;
use crate::admin::{
    Answers, Health, LedgerStatus, MintParked, NodeReply, NodeRequest, Reply, Request, Status,
    UpstreamLeft, UpstreamStatus,
};
use crate::config::{Config, PublicUrl};
use crate::wind_down::WindDown;
use crate::{backup, control, data_dir, logs};

/// Why nothing is served while it ends.
const STOPPING: &str = "it is stopping";

/// The running pool, to look at.
#[derive(Debug)]
pub struct View {
    pub(super) name: String,
    pub(super) network: String,
    started_ms: u64,
    shown_at: FaceAddresses,
    /// Those that show the pool, once they do.
    shown: OnceLock<Arc<dyn Telling>>,
    pub(super) minting: Arc<Minting>,
    pub(super) paying: Arc<Paying>,
    history: Arc<History>,
    money: control::Desk,
    pub(super) backups: Arc<backup::Desk>,
    /// It winds down, if it does.
    pub(super) winding: Mutex<Option<WindDown>>,
    /// The books; handles share them.
    pub ledger: Ledger,
    ledger_health: watch::Receiver<LedgerHealth>,
    /// The pool alone owns it, so that it can be stopped whoever looks.
    pub(super) proxy: Weak<Proxy>,
    pulse: Arc<Pulse>,
    pub(super) tasks: Arc<Supervisor>,
    stratum: Vec<SocketAddr>,
    stratum_tls: Vec<SocketAddr>,
    pub(super) room: Room,
    draining: AtomicBool,
}

/// The started parts of a pool that a [`View`] shows.
pub(super) struct ViewParts<'a> {
    pub(super) started_ms: u64,
    pub(super) shown_at: FaceAddresses,
    pub(super) minting: Arc<Minting>,
    pub(super) paying: Arc<Paying>,
    pub(super) backups: Arc<backup::Desk>,
    pub(super) winding: Option<WindDown>,
    pub(super) ledger: Ledger,
    pub(super) proxy: &'a Arc<Proxy>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) tasks: Arc<Supervisor>,
}

impl View {
    pub(super) fn new(config: &Config, parts: ViewParts<'_>) -> Self {
        View {
            name: config.name.clone(),
            network: config.network.to_string(),
            started_ms: parts.started_ms,
            shown_at: parts.shown_at,
            shown: OnceLock::new(),
            minting: parts.minting,
            paying: parts.paying,
            history: History::open(data_dir::history(&config.data_dir)),
            money: control::Desk::new(parts.ledger.clone(), config.network),
            backups: parts.backups,
            winding: Mutex::new(parts.winding),
            ledger_health: parts.ledger.health(),
            ledger: parts.ledger,
            proxy: Arc::downgrade(parts.proxy),
            pulse: parts.pulse,
            tasks: parts.tasks,
            stratum: parts.proxy.addresses(),
            stratum_tls: parts.proxy.tls_addresses(),
            room: Room::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// The pool is shown, by those that `telling` tells of.
    pub(super) fn is_shown(&self, telling: Arc<dyn Telling>) {
        // It is told once.
        let _ = self.shown.set(telling);
    }

    /// Where the tor process brings visitors, as bound.
    fn onion(&self) -> &[SocketAddr] {
        self.shown.get().map_or(&[], |shown| shown.onion())
    }

    /// Why no page is served over TLS, if so.
    fn certificate_trouble(&self) -> Option<String> {
        let why = self.shown.get()?.certificate_trouble()?;
        Some(format!("no page is served: http.certificate: {why}"))
    }

    /// The operator's page with what opens it; `None` while it is nowhere.
    fn operator_url(&self) -> Option<String> {
        self.shown.get()?.operator_url()
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network that it mines on.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Where miners connect with TLS, as bound.
    pub fn stratum_tls(&self) -> &[SocketAddr] {
        &self.stratum_tls
    }

    /// Where miners connect, as bound.
    pub fn stratum(&self) -> &[SocketAddr] {
        &self.stratum
    }

    /// Where the pages and the mint are, as bound.
    pub fn http(&self) -> &[SocketAddr] {
        &self.shown_at.http
    }

    /// The URL that the mint's tokens name.
    pub fn public_url(&self) -> &PublicUrl {
        self.minting.public_url()
    }

    /// What is owed and what is there, for anybody.
    pub fn solvency(&self) -> SolvencyReport {
        self.paying.solvency()
    }

    /// The payout address, as OCEAN knows it.
    pub fn payout_address(&self) -> String {
        self.paying.address().to_string()
    }

    /// The accounting.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Miners are served.
    pub fn is_ready(&self) -> bool {
        self.not_ready().is_empty()
    }

    /// Asks the lightning node.
    ///
    /// # Errors
    /// There is none, or it cannot do what was asked.
    pub async fn node(&self, request: NodeRequest) -> anyhow::Result<NodeReply> {
        self.paying.node_answer(request).await
    }

    /// The authorized sessions, at most `most`.
    pub fn sessions(&self, most: usize) -> Vec<SessionStatus> {
        self.proxy(most)
            .map(|status| status.downstream.sessions)
            .unwrap_or_default()
    }

    /// What devices did in the last hour.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Keeps [`Self::history`] until `cancel`.
    pub(super) fn keep_history(
        &self,
        cancel: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.history).run(self.proxy.clone(), cancel)
    }

    /// The mint, while it is open.
    pub fn mint(&self) -> Option<Mint> {
        self.minting.mint()
    }

    /// What a miner can claim and has claimed; `None` while the mint is not open.
    ///
    /// # Errors
    /// The mint's store.
    pub async fn claimable(&self, miner: &MinerId) -> Result<Option<Claimable>, mint::CdkError> {
        match self.mint() {
            Some(mint) => Claimable::of(&mint, miner).await.map(Some),
            None => Ok(None),
        }
    }

    /// The mining side, with up to `sessions` of its sessions; `None` once it stops.
    pub(super) fn proxy(&self, sessions: usize) -> Option<ProxyStatus> {
        self.proxy.upgrade().map(|proxy| proxy.status(sessions))
    }

    /// Says in the log where everything is.
    pub(super) fn announce(&self) {
        tracing::info!(
            name = self.name,
            network = self.network,
            stratum = ?self.stratum,
            stratum_tls = ?self.stratum_tls,
            http = ?self.shown_at.http,
            public_url = %self.minting.public_url(),
            metrics = ?self.shown_at.metrics,
            "the pool runs"
        );
    }

    /// From now on it is not ready for new miners.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Waits until the ledger's writer is gone.
    pub(super) async fn broke(&self) -> String {
        let mut health = self.ledger_health.clone();
        while health.changed().await.is_ok() {}
        "the ledger's writer ended".to_owned()
    }

    async fn status(&self) -> Reply {
        let mint = match self.minting.status().await {
            Ok(mint) => mint,
            Err(error) => {
                return Reply::Error {
                    why: error.to_string(),
                };
            }
        };
        let Some(proxy) = self.proxy(0) else {
            return Reply::Error {
                why: STOPPING.to_owned(),
            };
        };
        Reply::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            name: self.name.clone(),
            network: self.network.clone(),
            started_ms: self.started_ms,
            now_ms: clock::now_ms(),
            not_ready: self.not_ready(),
            stratum: self.stratum.clone(),
            stratum_tls: self.stratum_tls.clone(),
            metrics: self.shown_at.metrics.clone(),
            http: self.shown_at.http.clone(),
            onion: self.onion().to_vec(),
            operator: self.operator_url(),
            connections: proxy.downstream.connections,
            workers: proxy.downstream.workers,
            upstream: upstream(&proxy.upstream),
            ledger: LedgerStatus {
                failing: self.failing(),
                epoch: self.ledger.open_epoch(),
            },
            mint,
            node: self.paying.node_state(),
            beside: self.beside(),
            backup_ms: backup_ms(self.backups.data_dir()),
            winding_down: self.winding_down(),
        }))
    }

    fn failing(&self) -> Option<String> {
        if let LedgerHealth::Failing { reason } = &*self.ledger_health.borrow() {
            return Some(reason.clone());
        }
        let hung = self.proxy(0)?.downstream.store_hung_for?;
        let secs = hung.as_secs();
        Some(format!("the disk has not answered for {secs} s"))
    }
}

/// How the pool is.
impl View {
    /// What a restart would mend; `None` when nothing is wrong of that kind.
    pub fn broken(&self) -> Option<String> {
        // The writer holds the sender as long as it lives.
        if self.ledger_health.has_changed().is_err() {
            return Some("the ledger's writer ended".to_owned());
        }
        let stuck = self.pulse.stuck(Instant::now())?;
        Some(format!(
            "mining's threads have not moved for {} s",
            stuck.as_secs()
        ))
    }

    /// What is wrong beside mining; miners are served all the same.
    pub fn beside(&self) -> Vec<String> {
        let mint = self.minting.trouble();
        let mint = mint.map(|why| format!("the mint: {why}"));
        let closed = self.minting.closed_by_restore();
        let closed = closed.map(|why| format!("the mint: {why} (axepool restore status)"));
        // The mint says the first of them. One that is not open says nothing of it yet, and the
        // payments wait all the same.
        let stores = self.minting.waits_for().into_iter();
        let stores = stores.skip(usize::from(closed.is_some()));
        let stores = stores.map(|cause| format!("{} (axepool restore status)", cause.in_words()));
        let mint = mint.into_iter().chain(closed).chain(stores);
        let room = self.room.trouble(self.backups.data_dir());
        mint.chain(room)
            .chain(self.paying.trouble())
            .chain(self.certificate_trouble())
            .chain(self.minting.url_trouble())
            .collect()
    }

    /// Why miners would not be served; empty when they are.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        reasons.extend(self.broken());
        reasons.extend(
            self.failing()
                .map(|reason| format!("shares cannot be stored: {reason}")),
        );
        reasons.extend(self.tasks.broken());
        if let Some(word) = self.winding_down() {
            reasons.push(word.notice());
        }
        match self.proxy(0).map(|status| status.upstream) {
            Some(_) if self.draining.load(Ordering::Relaxed) => reasons.push(STOPPING.to_owned()),
            None => reasons.push(STOPPING.to_owned()),
            Some(upstream) if !upstream.up => {
                let why = upstream
                    .last_error
                    .map(|error| format!(": {error}"))
                    .unwrap_or_default();
                let url = upstream
                    .url
                    .map(|url| format!(" {url}"))
                    .unwrap_or_default();
                reasons.push(format!("no work from the upstream{url}{why}"));
            }
            Some(_) => {}
        }
        reasons
    }
}

impl Answers for View {
    async fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Status => self.status().await,
            Request::Health => Reply::Health(Health {
                broken: self.broken(),
                not_ready: self.not_ready(),
                beside: self.beside(),
            }),
            Request::MintParked { retry } => match self.minting.parked(retry).await {
                Ok((done, parked)) => Reply::MintParked(MintParked { done, parked }),
                Err(error) => Reply::Error {
                    why: format!("{error:#}"),
                },
            },
            Request::Log { levels } => match log(levels.as_deref()) {
                Ok(levels) => Reply::Log { levels },
                Err(error) => Reply::Error {
                    why: error.to_string(),
                },
            },
            Request::Node(request) => match self.paying.node_answer(request).await {
                Ok(answer) => Reply::Node(answer),
                Err(error) => Reply::Error {
                    why: format!("{error:#}"),
                },
            },
            Request::Money(request) => match self.money.answer(&*self.paying, request).await {
                Ok(answer) => Reply::Money(answer),
                Err(error) => Reply::Error {
                    why: format!("{error:#}"),
                },
            },
            Request::Backup(request) => Reply::Backup(self.backup(request).await),
            Request::Restore(request) => match self.restored(request).await {
                Ok(status) => Reply::Restore(Box::new(status)),
                Err(error) => Reply::Error {
                    why: format!("{error:#}"),
                },
            },
            Request::WindDown(request) => match self.wind_down(request).await {
                Ok(status) => Reply::WindDown(status),
                Err(error) => Reply::Error {
                    why: format!("{error:#}"),
                },
            },
            other => control::answer(&self.ledger, other).await,
        }
    }
}

/// Changes what is logged, if it is to be; what is logged now.
fn log(levels: Option<&str>) -> Result<String, logs::LevelsError> {
    if let Some(levels) = levels {
        logs::set_levels(levels)?;
        tracing::warn!(levels, "the log levels were changed");
    }
    logs::levels()
}

/// When the last backup was begun. What cannot be read is as good as none, and
/// `check-config` says why.
fn backup_ms(data_dir: &std::path::Path) -> Option<u64> {
    match backup::read_last(data_dir) {
        Ok(last) => last.map(|last| last.made_ms),
        Err(error) => {
            tracing::warn!(%error, "the time of the last backup cannot be read");
            None
        }
    }
}

fn upstream(status: &proxy::upstream::UpstreamStatus) -> UpstreamStatus {
    let now = Instant::now();
    UpstreamStatus {
        up: status.up,
        url: status
            .url
            .as_ref()
            .map_or_else(|| "no upstream".to_owned(), ToString::to_string),
        since_secs: now.saturating_duration_since(status.since).as_secs(),
        difficulty: status.difficulty.map(proxy::Difficulty::get),
        last_job_secs: status
            .last_job
            .map(|at| now.saturating_duration_since(at).as_secs()),
        lanes: status.lanes,
        lanes_up: status.lanes_up,
        prefixes_free: status.prefixes_free,
        last_error: status.last_error.clone(),
        left: status.left.iter().map(left).collect(),
    }
}

fn left(left: &proxy::upstream::LeftUrl) -> UpstreamLeft {
    UpstreamLeft {
        url: left.url.to_string(),
        since_secs: left.at.elapsed().as_secs(),
        why: left.why.clone(),
    }
}
