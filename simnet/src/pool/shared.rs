//! State shared by all connections of a pool.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::job::Job;
use super::{
    BlockEntry, Books, Faults, FoundBlock, Reject, ShareEntry, SimPoolOptions, TemplateSource,
};
use crate::stratum::Hash;
use crate::watched::Watched;

/// Commands that may wait for a connection. One that does not keep up is closed, as a
/// pool closes a miner that does not read.
const COMMANDS: usize = 1024;

/// What a connection is told by the pool.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Job(Arc<Job>),
    Difficulty(f64),
    /// To those who subscribed to it, or to all.
    Extranonce {
        to_all: bool,
    },
    VersionMask(u32),
    /// Bytes as they are, line end included.
    Raw(Vec<u8>),
}

#[derive(Debug)]
struct Peer {
    commands: mpsc::Sender<Command>,
    kill: CancellationToken,
}

/// Everything behind the pool's lock.
pub(crate) struct State {
    pub(crate) source: Box<dyn TemplateSource>,
    pub(crate) job: Arc<Job>,
    pub(crate) difficulty: f64,
    pub(crate) version_mask: u32,
    pub(crate) extranonce2_size: usize,
    extranonces: u64,
    peers: HashMap<u64, Peer>,
    connections: u64,
    /// The hashes accepted on the current previous block.
    seen: HashSet<Hash>,
}

/// What the connections, the handle and the pool's tasks share.
pub(crate) struct Shared {
    pub(crate) options: SimPoolOptions,
    pub(crate) books: Watched<Books>,
    pub(crate) cancel: CancellationToken,
    /// Whether the pool should listen, and whether it does.
    pub(crate) listen: watch::Sender<bool>,
    pub(crate) listening: watch::Sender<bool>,
    faults: Mutex<Faults>,
    state: Mutex<State>,
    good_shares: AtomicU64,
}

/// How a share's hash stands with those accepted before.
pub(crate) enum Novelty {
    First,
    Seen,
    /// First, but to be rejected on demand.
    Unlucky(Reject),
}

impl Shared {
    pub(crate) fn new(options: SimPoolOptions, mut source: Box<dyn TemplateSource>) -> Shared {
        let template = source.template(false);
        let size = options.extranonce2_size;
        let job = Job::new(1, template, &options, size, now_secs(), true);
        let books = Books {
            jobs: 1,
            clean_jobs: 1,
            ..Books::default()
        };
        let state = State {
            source,
            job: Arc::new(job),
            difficulty: options.difficulty,
            version_mask: options.version_mask,
            extranonce2_size: size,
            extranonces: 0,
            peers: HashMap::new(),
            connections: 0,
            seen: HashSet::new(),
        };
        Shared {
            options,
            books: Watched::new(books),
            cancel: CancellationToken::new(),
            listen: watch::Sender::new(true),
            listening: watch::Sender::new(true),
            faults: Mutex::default(),
            state: Mutex::new(state),
            good_shares: AtomicU64::new(0),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Makes a job and gives it to everyone.
    pub(crate) fn new_job(&self, clean: bool) -> Arc<Job> {
        let mut state = self.state();
        self.make_job(&mut state, clean, false)
    }

    /// Tells everyone `command`, then makes a job: both in one go, so that nobody gets
    /// another job between.
    pub(crate) fn command_with_job(
        &self,
        command: Command,
        change: impl FnOnce(&mut State),
        job: Option<bool>,
    ) {
        let mut state = self.state();
        change(&mut state);
        state.broadcast(&command);
        if let Some(clean) = job {
            self.make_job(&mut state, clean, false);
        }
    }

    /// Somebody else's block: the next job is clean and one higher.
    pub(crate) fn network_block(&self) {
        let mut state = self.state();
        state.source.network_block();
        self.make_job(&mut state, true, true);
    }

    /// A good share of one of ours.
    pub(crate) fn share_accepted(&self, share: &ShareEntry) {
        self.state().source.share_accepted(share);
    }

    /// A block of one of ours.
    pub(crate) fn block_found(&self, block: &FoundBlock, username: &str) {
        let entry = BlockEntry {
            height: block.height,
            hash: block.hash,
            username: username.to_owned(),
        };
        self.books.update(|books| books.blocks.push(entry));
        let mut state = self.state();
        // Of two that find a block at the same height the second is too late.
        if state.job.template.height == block.height {
            state.source.block_found(block);
            if self.options.advance_on_block {
                self.make_job(&mut state, true, true);
            }
        }
    }

    fn make_job(&self, state: &mut State, clean: bool, empty: bool) -> Arc<Job> {
        let template = state.source.template(empty);
        let is_new_block = template.prev_hash != state.job.template.prev_hash;
        if is_new_block {
            state.seen.clear();
        }
        let sequence = state.job.sequence + 1;
        let clean = clean || is_new_block;
        let size = state.extranonce2_size;
        let job = Job::new(sequence, template, &self.options, size, now_secs(), clean);
        state.job = Arc::new(job);
        self.books.update(|books| {
            books.jobs += 1;
            books.clean_jobs += u64::from(clean);
        });
        let job = Arc::clone(&state.job);
        state.broadcast(&Command::Job(Arc::clone(&job)));
        job
    }

    /// Looks a good share's hash up and, unless it is to be rejected, remembers it.
    pub(crate) fn novelty(&self, hash: &Hash, prev_hash: &Hash) -> Novelty {
        let mut state = self.state();
        if state.seen.contains(hash) {
            return Novelty::Seen;
        }
        let faults = self.faults();
        if let Some(reject) = faults.reject_all {
            return Novelty::Unlucky(reject);
        }
        let count = self.good_shares.fetch_add(1, Ordering::Relaxed) + 1;
        let is_unlucky = |every: NonZeroU64| count.is_multiple_of(every.get());
        if faults.reject_every.is_some_and(is_unlucky) {
            return Novelty::Unlucky(Reject::OnDemand);
        }
        if state.job.template.prev_hash == *prev_hash {
            state.seen.insert(*hash);
        }
        Novelty::First
    }
}

impl State {
    /// Enters a connection: its number, what it is told, and what ends it.
    pub(crate) fn enter(
        &mut self,
        parent: &CancellationToken,
    ) -> (u64, mpsc::Receiver<Command>, CancellationToken) {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let kill = parent.child_token();
        self.connections += 1;
        self.peers.insert(
            self.connections,
            Peer {
                commands,
                kill: kill.clone(),
            },
        );
        (self.connections, receiver, kill)
    }

    pub(crate) fn leave(&mut self, connection: u64) {
        self.peers.remove(&connection);
    }

    /// The next extranonce1, unlike all before.
    pub(crate) fn next_extranonce1(&mut self, size: usize) -> Vec<u8> {
        self.extranonces += 1;
        let number = 0xa0ce_a000_a0ce_a000_u64.wrapping_add(self.extranonces);
        number.to_be_bytes()[8 - size..].to_vec()
    }

    pub(crate) fn broadcast(&mut self, command: &Command) {
        for peer in self.peers.values() {
            if peer.commands.try_send(command.clone()).is_err() {
                peer.kill.cancel();
            }
        }
    }

    pub(crate) fn kill_all(&self) {
        self.peers.values().for_each(|peer| peer.kill.cancel());
    }
}

/// Unix time in seconds, as headers carry it.
pub(crate) fn now_secs() -> u32 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
