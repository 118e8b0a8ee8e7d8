//! The node's life: start it, again and again if need be; take its events; stop it.

use std::sync::Arc;
use std::time::Duration;

use basics::backoff::Backoff;
use basics::clock::now_secs;
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::build::{self, StartError};
use super::decided::{self, UNDECIDED_ALARM};
use super::directory::Directory;
use super::events::{self, Meaning};
use super::lock::DirLock;
use super::{ChannelNews, Lightning, Live, NodeState, closed, storage_dir};
use crate::intake::{Intake, Taken};
use crate::marks::MarkKeeper;
use crate::outgoing::Desk;
use crate::settings::{ChainSource, Login, Peer, Settings};

/// A chain source that is down is mostly back within minutes.
const START_AGAIN: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// How often the node's stored payments are swept through the door of new ones.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

/// How often persistent peers that are gone are connected to. ldk-node does it itself
/// for those that it has reached once.
const CONNECT_EVERY: Duration = Duration::from_secs(30);

/// How often it is looked whether bitcoind has a new cookie.
const COOKIE_EVERY: Duration = Duration::from_secs(5);

/// How long the node's runtime may take to let go of its tasks. The node is stopped by then,
/// after five seconds at worst, and the pool's stop has six and a half: what is left are
/// threads that wait for a chain source which does not answer.
const RUNTIME_PATIENCE: Duration = Duration::from_millis(500);

/// Channel news that nobody has read yet; more than that and the reader looks at the
/// channels themselves, as it should anyhow.
const NEWS_KEPT: usize = 64;

/// What the node is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its settings, with absolute paths.
    pub settings: Settings,
    /// Where it reads the chain.
    pub chain: ChainSource,
    /// Where what arrives is booked.
    pub intake: Intake,
    /// Who knows, outside of the node's directory, how far it was.
    pub marks: Arc<dyn MarkKeeper>,
}

/// The node's task and what goes with it.
#[derive(Debug)]
pub struct Spawned {
    /// Talks to the node.
    pub lightning: Lightning,
    /// Runs it; ends some time after its token is cancelled.
    pub task: NodeTask,
    /// Tells that an outgoing payment is decided: look it up.
    pub outgoing: watch::Receiver<u64>,
    /// Tells of channels.
    pub channels: broadcast::Receiver<ChannelNews>,
}

/// The node's life as a future: see [`NodeTask::run`].
pub struct NodeTask {
    parts: Parts,
    state: watch::Sender<NodeState>,
    live: watch::Sender<Option<Live>>,
    outgoing: watch::Sender<u64>,
    channels: broadcast::Sender<ChannelNews>,
    desk: Arc<Desk>,
    directory: Arc<Directory>,
    /// Held from the first try on, and until the task ends.
    lock: Option<DirLock>,
    /// What the node was told to log in to its chain source with.
    login: Login,
}

/// How a time with the node ended.
enum Ended {
    Stop,
    /// Its chain source wants to see another user and password.
    NewLogin,
    Broken(String),
}

impl std::fmt::Debug for NodeTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeTask")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl Parts {
    /// A node that is not yet run.
    pub fn prepare(self) -> Spawned {
        let (state, state_seen) = watch::channel(NodeState::Starting);
        let (live, live_seen) = watch::channel(None);
        let (outgoing, outgoing_seen) = watch::channel(0);
        let (channels, channels_seen) = broadcast::channel(NEWS_KEPT);
        // Beside the node's store, with which it must be kept and lost.
        let journal = self.settings.storage_dir.join("outgoing.jsonl");
        let desk = Desk::new(journal, self.intake.offers(), Arc::clone(&self.marks));
        let directory = Arc::new(Directory::new(
            self.settings.storage_dir.clone(),
            Arc::clone(&self.marks),
        ));
        Spawned {
            lightning: Lightning {
                state: state_seen,
                live: live_seen,
                outgoing: outgoing_seen.clone(),
                sends: Arc::default(),
                chain_doubt: Arc::default(),
                directory: Arc::clone(&directory),
            },
            task: NodeTask {
                desk: Arc::new(desk),
                directory,
                lock: None,
                login: Login::default(),
                parts: self,
                state,
                live,
                outgoing,
                channels,
            },
            outgoing: outgoing_seen,
            channels: channels_seen,
        }
    }
}

impl NodeTask {
    /// Keeps the node up until `stop`. It never fails: what goes wrong is retried, and
    /// seen in the [`NodeState`].
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = START_AGAIN;
        while !stop.is_cancelled() {
            self.state.send_replace(NodeState::Starting);
            let mut accepted = self.directory.accepted();
            let why = match self.start().await {
                Ok((live, runtime)) => {
                    backoff.succeeded();
                    let ended = self.live(&live, &stop).await;
                    self.halt(live, runtime).await;
                    match ended {
                        Ended::Stop => break,
                        Ended::NewLogin => continue,
                        Ended::Broken(why) => why,
                    }
                }
                Err(error) => error.to_string(),
            };
            let wait = backoff.failed();
            tracing::warn!(
                why,
                tries = backoff.failures(),
                ?wait,
                "the lightning node is not up; mining goes on"
            );
            self.state.send_replace(NodeState::Waiting {
                why,
                tries: backoff.failures(),
                again_in_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            });
            let again = tokio::time::timeout(wait, accepted.changed());
            let _stopped = stop.run_until_cancelled(again).await;
        }
        // Whoever waits for the end may start another one at once.
        self.lock = None;
        self.state.send_replace(NodeState::Stopped);
    }

    /// One try. A node that failed half-way leaves tasks behind, so each try has a
    /// runtime of its own that takes them along.
    async fn start(&mut self) -> Result<(Live, Runtime), StartError> {
        if self.lock.is_none() {
            self.lock = Some(self.take_dir()?);
        }
        let (directory, desk) = (Arc::clone(&self.directory), Arc::clone(&self.desk));
        let comparing = tokio::task::spawn_blocking(move || directory.compare(&desk, now_secs()));
        let compared = comparing.await;
        compared.map_err(|error| StartError::BrokeOff(error.to_string()))??;
        let tip = build::probe(&self.parts.settings, &self.parts.chain).await?;
        let login = self.parts.chain.login().map_err(|error| {
            let source_name = self.parts.chain.clone();
            StartError::Cookie { source_name, error }
        })?;
        self.login = login.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lightning")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let handle = runtime.handle().clone();
        let (settings, chain) = (self.parts.settings.clone(), self.parts.chain.clone());
        let starting = {
            let handle = handle.clone();
            let keeper = Arc::clone(&self.parts.marks);
            runtime.spawn_blocking(move || {
                build::start(&settings, (&chain, &login), tip, handle, &keeper)
            })
        };
        let started = starting
            .await
            .unwrap_or_else(|error| Err(StartError::BrokeOff(error.to_string())));
        match started {
            Ok((node, store)) => Ok((
                Live {
                    node,
                    store,
                    runtime: handle,
                    desk: Arc::clone(&self.desk),
                },
                runtime,
            )),
            Err(error) => {
                let_go(runtime).await;
                Err(error)
            }
        }
    }

    /// Takes the node's directory, before anything of it is read.
    fn take_dir(&self) -> Result<DirLock, StartError> {
        let settings = &self.parts.settings;
        let holder = format!(
            "process {} with the words in {}",
            std::process::id(),
            settings.mnemonic_file.display()
        );
        Ok(DirLock::take(&settings.storage_dir, &holder)?)
    }

    /// Takes the node's events while it is up.
    async fn live(&mut self, live: &Live, stop: &CancellationToken) -> Ended {
        let node_id = live.node.node_id();
        tracing::info!(%node_id, "the lightning node is up");
        self.live.send_replace(Some(live.clone()));
        self.state.send_replace(NodeState::Running { node_id });
        let connector = tokio::spawn(keep_connected(
            live.clone(),
            self.parts.settings.peers.persistent.clone(),
        ));
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alarm = tokio::time::interval(UNDECIDED_ALARM);
        alarm.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut cookie = tokio::time::interval(COOKIE_EVERY);
        cookie.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break Ended::Stop,
                event = live.node.next_event_async() => {
                    if !self.take(live, &events::meaning(&event, now_secs()), stop).await {
                        break Ended::Stop;
                    }
                    let handled = live.with(ldk_node::Node::event_handled).await;
                    if let Err(error) = handled.and_then(|done| Ok(done?)) {
                        // Its store fails: it must not go on as if nothing were.
                        break Ended::Broken(format!("an event cannot be acknowledged: {error}"));
                    }
                }
                _ = sweep.tick() => self.parts.intake.sweep(live, stop).await,
                _ = cookie.tick() => if self.has_new_login().await {
                    break Ended::NewLogin;
                },
                _ = alarm.tick() => decided::tell_undecided(live).await,
            }
        };
        connector.abort();
        ended
    }

    /// True when bitcoind has started anew and answers to its new cookie: the node, which
    /// keeps the old one, has to start anew too. While bitcoind is down the node stays up.
    async fn has_new_login(&self) -> bool {
        let chain = &self.parts.chain;
        let is_new = chain.cookie().is_some_and(|cookie| {
            let now = cookie.read();
            now.is_ok_and(|now| now != self.login)
        });
        if !is_new {
            return false;
        }
        // The node's events wait meanwhile.
        let probe = build::probe(&self.parts.settings, chain);
        let probed = tokio::time::timeout(COOKIE_EVERY, probe).await;
        if !matches!(probed, Ok(Ok(_))) {
            return false;
        }
        tracing::info!(%chain, "bitcoind has a new cookie: the lightning node starts anew with it");
        true
    }

    /// False when it was stopped before the event was dealt with: it comes again.
    async fn take(&mut self, live: &Live, meaning: &Meaning, stop: &CancellationToken) -> bool {
        match meaning {
            Meaning::Received { hash, amount } => {
                return self.parts.intake.take(live, *hash, *amount, stop).await == Taken::Dealt;
            }
            Meaning::Outgoing(heard) => {
                let dealt = decided::hear(live, heard, stop).await;
                self.outgoing
                    .send_modify(|count| *count = count.wrapping_add(1));
                return dealt;
            }
            Meaning::Closed(channel) => {
                let one = channel.clone();
                let kept = live
                    .with(move |node| closed::add(&storage_dir(node), one, &node.list_balances()));
                // What it is about is told by the log and the balances all the same.
                if let Err(why) = kept
                    .await
                    .map_err(|error| error.to_string())
                    .and_then(|kept| kept.map_err(|error| error.to_string()))
                {
                    tracing::error!(why, "the record of a closed channel cannot be stored");
                }
                let _listeners = self.channels.send(ChannelNews::Closed);
            }
            Meaning::Channels(news) => {
                // Nobody listening is no failure.
                let _listeners = self.channels.send(news.clone());
            }
            Meaning::Nothing => {}
        }
        true
    }

    /// Stops the node cleanly: killed between two of its writes it may lose a channel.
    async fn halt(&self, live: Live, runtime: Runtime) {
        self.state.send_replace(NodeState::Stopping);
        self.live.send_replace(None);
        match live.with(ldk_node::Node::stop).await {
            Ok(Ok(())) => tracing::info!("the lightning node is stopped"),
            Ok(Err(error)) => tracing::error!(%error, "the lightning node did not stop cleanly"),
            Err(error) => tracing::error!(%error, "the lightning node did not stop cleanly"),
        }
        drop(live);
        let_go(runtime).await;
    }
}

/// Ends a runtime from where blocking is allowed.
async fn let_go(runtime: Runtime) {
    let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(RUNTIME_PATIENCE));
    if let Err(error) = ended.await {
        tracing::error!(%error, "the lightning node's runtime did not end");
    }
}

/// Connects to the persistent peers that are not there, for as long as the node is up.
async fn keep_connected(live: Live, peers: Vec<Peer>) {
    if peers.is_empty() {
        return;
    }
    let peers = Arc::new(peers);
    let mut tick = tokio::time::interval(CONNECT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let peers = Arc::clone(&peers);
        let done = live.with(move |node| {
            let there: Vec<_> = node
                .list_peers()
                .into_iter()
                .filter(|peer| peer.is_connected && peer.is_persisted)
                .map(|peer| peer.node_id)
                .collect();
            for peer in peers.iter().filter(|peer| !there.contains(&peer.node_id)) {
                if let Err(error) = node.connect(peer.node_id, peer.address.clone(), true) {
                    tracing::info!(%peer, %error, "a persistent peer does not answer");
                }
            }
        });
        if done.await.is_err() {
            return;
        }
    }
}
