//! The way of OCEAN's money into the books, beside mining: the lightning node, the watch
//! over OCEAN's blocks, and what is there against what is owed. Nothing of it is ever
//! waited for by mining, and all of it may be missing.

mod booked_out;
mod books;
mod closings;
mod costs;
mod guard;
mod height;
mod look;
mod metrics;
mod node;
mod sources;
mod witnesses;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use basics::{clock, humane};
use bitcoin::{Address, Network, Txid};
use ledger::Ledger;
use payout::chain::{ChainClient, SourceCheck};
use payout::marks::MarkKeeper;
use payout::node::{ChannelNews, ClosedView, NodeTask, Spawned};
use payout::ocean::{Gone, OCEAN_TAG, OceanApi, OceanWatch, SourceHealth};
use payout::offer::{OfferBook, OfferDesk};
use payout::{Booking, Intake, Lightning, Parts, Payer, Settings};
use prometheus::Registry;
use proxy::upstream::UpstreamStatus;
use tokio::runtime::Handle;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::minting::Minting;
use super::solvency::Melts;
use super::supervisor::{Supervisor, Task};
use crate::config::{Config, Income};
use crate::data_dir;
use books::LedgerBooks;
use height::Source;
use look::Looked;
use metrics::Metrics;
use sources::Sources;
mod withdraw;
pub(super) use node::{is_operators, still_expected};

/// Pays for burnt ecash, and tells when a payment is decided.
pub(super) type Melter = (Arc<dyn mint::Lightning>, watch::Receiver<u64>);

/// How often node and books are looked at for status, metrics and solvency.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The money's way in, whether or not all of it is there.
pub(crate) struct Paying {
    ledger: Ledger,
    network: Network,
    address: Address,
    node: Option<Node>,
    /// The pool has a mint, so that what is owed through it is known only from it.
    has_mint: bool,
    /// Why there is no node although the config names one.
    node_broken: Option<String>,
    watch: Watching,
    /// The watch reads a chain.
    watches_chain: bool,
    /// Where the chain can be asked, by the way.
    source: Source,
    /// How the chain sources do.
    sources: Sources,
    known: Mutex<Known>,
    /// One order that takes money at a time: each is measured against what the one before
    /// left.
    orders: tokio::sync::Mutex<()>,
    metrics: Metrics,
}

/// The node, up or not.
struct Node {
    lightning: Lightning,
    /// Tells that an outgoing payment is decided.
    outgoing: watch::Receiver<u64>,
    desk: OfferDesk,
    payer: Payer,
    settings: Settings,
    /// Asked for fee rates.
    chain: ChainClient,
}

/// The watch over OCEAN's blocks.
enum Watching {
    /// There is neither an API nor a chain to ask.
    Nobody,
    /// It cannot begin.
    Broken(String),
    /// How its sources do.
    Runs(watch::Receiver<SourceHealth>),
}

/// What was seen last.
struct Known {
    looked: Option<Looked>,
    melts: Melts,
    /// The node's transactions whose fees are in the books.
    costs_booked: HashSet<Txid>,
    /// The node's last block when all of them were, and at how many looks.
    costs_at: Option<(u32, u8)>,
    /// Looks in a row that found more owed than there is, while melts went on.
    breaches: u32,
    /// Payments in the books that are in no block any more, and were not booked out.
    gone: Vec<Gone>,
    /// The node's wallet began anew, and nobody has looked for its coins.
    is_unsought: bool,
    /// The channels that were closed, the newest first.
    closed: Vec<ClosedView>,
}

/// What is to be run.
pub(super) struct Tasks {
    node: Option<(NodeTask, broadcast::Receiver<ChannelNews>)>,
    watch: Option<(OceanWatch, watch::Sender<SourceHealth>)>,
    sources: Vec<SourceCheck>,
}

impl Paying {
    /// Everything that `config` names, not running yet. What cannot be had is missing,
    /// with the reason in the log and in the status: miners come first.
    ///
    /// # Errors
    /// A metric's name is taken.
    pub(super) fn prepare(
        config: &Config,
        ledger: Ledger,
        marks: Arc<dyn MarkKeeper>,
        registry: &Registry,
    ) -> Result<(Arc<Paying>, Tasks)> {
        let booking: Arc<dyn Booking> = Arc::new(LedgerBooks(ledger.clone()));
        let (node, node_broken, node_task) = match prepare_node(config, &booking, marks) {
            Ok(Some((node, task))) => (Some(node), None, Some(task)),
            Ok(None) => (None, None, None),
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(why, "there is no lightning node; mining goes on");
                (None, Some(why), None)
            }
        };
        let source = prepare_source(config);
        let (sources, checks) = Sources::prepare(config).context("the chain sources' check")?;
        let (watch, watch_task) = match prepare_watch(config, booking) {
            Ok(Some(parts)) => {
                let (sender, receiver) = watch::channel(SourceHealth::default());
                (Watching::Runs(receiver), Some((parts, sender)))
            }
            Ok(None) => {
                tracing::info!(
                    "no source for OCEAN's blocks is configured: use axepool epochs close to close epochs"
                );
                (Watching::Nobody, None)
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(why, "OCEAN's blocks are not watched; mining goes on");
                (Watching::Broken(why), None)
            }
        };
        let metrics = Metrics::register(registry).context("the payouts' metrics")?;
        let has_node = config.income.node.is_some();
        metrics.node_configured.set(i64::from(has_node));
        sources.show_in(&metrics);
        if let Some((watch, _)) = &watch_task {
            metrics.show_sources(watch.api.is_some(), watch.chain.is_some());
        }
        let melts = Melts::Off;
        let lightning = node.as_ref().map(|node: &Node| &node.lightning);
        let closed = lightning.map_or_else(Vec::new, Lightning::recorded_closings);
        let watches_chain = watch_task
            .as_ref()
            .is_some_and(|(watch, _)| watch.chain.is_some());
        if let (Some(lightning), Watching::Broken(why)) = (lightning, &watch) {
            // Nobody compares the witnesses of the chain.
            lightning.doubt_chain(Some(why.clone()));
        }
        let paying = Paying {
            ledger,
            network: config.network,
            address: config.income.address.clone(),
            node,
            has_mint: config.mint.enabled,
            node_broken,
            watch,
            watches_chain,
            source,
            sources,
            known: Mutex::new(Known {
                looked: None,
                melts,
                costs_booked: HashSet::new(),
                costs_at: None,
                breaches: 0,
                gone: Vec::new(),
                is_unsought: false,
                closed,
            }),
            orders: tokio::sync::Mutex::default(),
            metrics,
        };
        paying.measure_closings();
        let tasks = Tasks {
            node: node_task,
            watch: watch_task,
            sources: checks,
        };
        Ok((Arc::new(paying), tasks))
    }

    /// Runs it all on `handle` until `cancel`.
    pub(super) fn start(
        self: &Arc<Self>,
        tasks: Tasks,
        (minting, watched): (&Arc<Minting>, &Arc<Supervisor>),
        upstream: watch::Receiver<UpstreamStatus>,
        handle: &Handle,
        (cancel, tracker): (&CancellationToken, &TaskTracker),
    ) {
        Sources::start(tasks.sources, handle, (cancel, tracker));
        if let Some((node, channels)) = tasks.node {
            let running = Arc::clone(watched).once(Task::Node, node.run(cancel.clone()));
            tracker.spawn_on(running, handle);
            tracker.spawn_on(Arc::clone(self).count_closed(channels), handle);
        }
        if let Some((mut watch, health)) = tasks.watch {
            let cancel = cancel.clone();
            watch.upstream = Some(witnesses::ask_upstream(upstream));
            if let Some(lightning) = self.lightning() {
                let warning = witnesses::warn_node(lightning, health.subscribe());
                tracker.spawn_on(warning, handle);
            }
            let watching = async move {
                // What it kept cannot be read: a person must look, it would skip blocks.
                if let Err(error) = watch.run(health, cancel).await {
                    tracing::error!(%error, "the watch over OCEAN's blocks ended");
                }
            };
            let watching = Arc::clone(watched).once(Task::OceanWatch, watching);
            tracker.spawn_on(watching, handle);
        }
        let (paying, minting, stop) = (Arc::clone(self), Arc::clone(minting), cancel.clone());
        let look = move || {
            let looking = Arc::clone(&paying).keep_looking(Arc::clone(&minting));
            let stop = stop.clone();
            // Cut off where it waits: a look of the next process begins anew.
            async move {
                stop.run_until_cancelled(looking).await;
            }
        };
        let looking = Arc::clone(watched).again(Task::Solvency, look, cancel.clone());
        tracker.spawn_on(looking, handle);
    }

    /// Counts the channels that are closed until the node's task ends.
    async fn count_closed(self: Arc<Self>, mut channels: broadcast::Receiver<ChannelNews>) {
        loop {
            match channels.recv().await {
                Ok(ChannelNews::Closed) => self.metrics.channels_closed.inc(),
                // Too much news at once was not read: the gauge of the channels shows it.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// The chain's last block that the node or the watch has seen.
    pub(super) fn tip_height(&self) -> Option<u32> {
        let watched = match &self.watch {
            Watching::Runs(health) => health.borrow().tip_height,
            Watching::Nobody | Watching::Broken(_) => None,
        };
        let nodes = self.known().looked.and_then(|looked| looked.tip_height);
        watched.max(nodes)
    }

    /// Who pays for burnt ecash, and its word that a payment is decided; `None` when the
    /// pool has no node.
    pub(super) fn melter(&self) -> Option<Melter> {
        let node = self.node.as_ref()?;
        let payer = Payer::new(node.lightning.clone(), node.settings.melt_fees);
        let pays = Arc::new(super::melts::Melts::new(payer));
        Some((pays, node.outgoing.clone()))
    }

    /// The payout address.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Talks to the node; `None` when the pool has none.
    pub(crate) fn lightning(&self) -> Option<Lightning> {
        self.node.as_ref().map(|node| node.lightning.clone())
    }

    /// What the node is doing, in words; `None` when the pool has none.
    pub(super) fn node_state(&self) -> Option<String> {
        let node = self.node.as_ref()?;
        Some(node.lightning.state().borrow().to_string())
    }

    /// Whether ecash can be melted, as of the last look.
    pub(super) fn melts(&self) -> Melts {
        self.known().melts.clone()
    }

    /// What is wrong with it, if anything is: no reason to send miners away.
    pub(super) fn trouble(&self) -> Vec<String> {
        let mut trouble = self.sources_trouble();
        if let Some(why) = &self.node_broken {
            trouble.push(format!("the lightning node: {why}"));
        }
        if let Some(node) = &self.node {
            let state = node.lightning.state().borrow().clone();
            if !state.is_running() {
                trouble.push(format!("the lightning node: {state}"));
            }
            trouble.extend(forgotten(&node.lightning));
        }
        match &self.watch {
            Watching::Nobody => {}
            Watching::Broken(why) => trouble.push(format!("OCEAN's blocks: {why}")),
            Watching::Runs(health) if health.has_changed().is_err() => {
                trouble.push("OCEAN's blocks: the watch ended, see the log".to_owned());
            }
            Watching::Runs(health) => {
                let health = health.borrow();
                let errors = [&health.api_error, &health.books_error];
                let errors = errors.into_iter().flatten();
                trouble.extend(witnesses::trouble(&health, clock::now_ms() / 1000));
                trouble.extend(errors.map(|error| format!("OCEAN's blocks: {error}")));
                let chain = health.chain_error.as_ref();
                trouble.extend(chain.map(|error| {
                    format!("OCEAN's blocks are not read from the chain source: {error}")
                }));
            }
        }
        trouble.extend(self.closings_trouble());
        if self.known().is_unsought {
            trouble.push(
                "the node's wallet began anew and sees no older coins: axepool node recover"
                    .to_owned(),
            );
        }
        trouble.extend(self.known().gone.iter().map(|one| {
            format!(
                "{} sat of payout {} are in no block any more: a reorganisation took them \
                 (axepool payouts book-out)",
                one.amount, one.output
            )
        }));
        if let Melts::Paused { missing } = self.melts() {
            trouble.push(format!(
                "{missing} msat more are owed than there are: ecash is not melted"
            ));
        }
        trouble
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So long after it payments of before may be undecided, which is as long as one of them can
/// be given up.
const FORGOTTEN_SECS: u64 = 14 * 86_400;

/// That the node may have made payments which it does not know, in words.
fn forgotten(lightning: &Lightning) -> Option<String> {
    let until_secs = lightning.forgot_until()?;
    let age_secs = (clock::now_ms() / 1000).saturating_sub(until_secs);
    (age_secs < FORGOTTEN_SECS).then(|| {
        let until = humane::utc(until_secs.saturating_mul(1000));
        format!(
            "the lightning node's journal of payments was lost or an older copy: what it may have \
             paid before {until} without knowing it waits for you (axepool node payments)"
        )
    })
}

/// The node, its task and what it tells of channels.
type Prepared = (Node, (NodeTask, broadcast::Receiver<ChannelNews>));

fn prepare_node(
    config: &Config,
    booking: &Arc<dyn Booking>,
    marks: Arc<dyn MarkKeeper>,
) -> Result<Option<Prepared>> {
    let Some(node) = &config.income.node else {
        return Ok(None);
    };
    let offers = OfferBook::open(&data_dir::offers(&config.data_dir))?;
    let parts = Parts {
        settings: node.settings.clone(),
        chain: node.chain.clone(),
        intake: Intake::new(Arc::clone(booking), offers.clone()),
        marks,
    };
    let Spawned {
        lightning,
        outgoing,
        task,
        channels,
    } = parts.prepare();
    let desk = OfferDesk::new(
        lightning.clone(),
        node.settings.clone(),
        offers,
        config.income.address.to_string(),
    );
    let payer = Payer::new(lightning.clone(), node.settings.melt_fees);
    let node = Node {
        lightning,
        outgoing,
        desk,
        payer,
        settings: node.settings.clone(),
        chain: ChainClient::new(&node.chain)?,
    };
    Ok(Some((node, (task, channels))))
}

/// The pool's own source, else its node's.
fn prepare_source(config: &Config) -> Source {
    let nodes = config.income.node.as_ref().map(|node| &node.chain);
    let Some(source) = config.income.chain.as_ref().or(nodes) else {
        return Source::None;
    };
    match ChainClient::new(source) {
        Ok(client) => Source::Client(client),
        Err(error) => Source::Broken(error.to_string()),
    }
}

fn prepare_watch(config: &Config, booking: Arc<dyn Booking>) -> Result<Option<OceanWatch>> {
    let Income {
        address,
        chain,
        ocean_api,
        watches_chain,
        ask_every,
        ..
    } = &config.income;
    let api = ocean_api.as_deref().map(OceanApi::new).transpose()?;
    let chain = match chain.as_ref().filter(|_| *watches_chain) {
        Some(source) => Some(ChainClient::new(source).map_err(|error| anyhow!(error))?),
        None => None,
    };
    let source = config.income.chain.as_ref();
    let source = source.or(config.income.node.as_ref().map(|node| &node.chain));
    let compared = match source {
        Some(source) => Some(ChainClient::new(source).map_err(|error| anyhow!(error))?),
        None => None,
    };
    if api.is_none() && chain.is_none() {
        return Ok(None);
    }
    Ok(Some(OceanWatch {
        api,
        chain,
        compared,
        upstream: None,
        are_own_chains: config.network == Network::Regtest,
        address: address.clone(),
        tag: OCEAN_TAG.to_vec(),
        ask_every: *ask_every,
        file: data_dir::ocean_watch(&config.data_dir),
        booking,
    }))
}

impl std::fmt::Debug for Paying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paying")
            .field("node", &self.node.is_some())
            .finish_non_exhaustive()
    }
}
