//! State shared by the lanes' tasks, their supervisor and the leases.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounting::UpstreamResult;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::backlog::Slot;
use super::lease::{Held, Lease, Unavailable};
use super::seen_book::SeenBook;
use super::{LaneView, UpstreamMetrics, UpstreamStatus, UpstreamSubmit};
use crate::extranonce::Prefixes;

/// Shares queued for one lane's socket. Upstream-grade shares are rare and written at
/// once; when it is full the sessions wait, and with them their sockets.
const SUBMITS_CAPACITY: usize = 1024;

/// A share on its way to a lane, with the place kept for its result.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) submit: UpstreamSubmit,
    pub(super) slot: Option<Slot>,
}

/// The upstream as all its tasks and leases see it.
#[derive(Debug)]
pub(super) struct Shared {
    lanes: Mutex<Vec<Arc<LaneShared>>>,
    lane_wanted: Notify,
    seen: Mutex<SeenBook>,
    results: mpsc::Sender<UpstreamResult>,
    metrics: Arc<UpstreamMetrics>,
    status: watch::Sender<UpstreamStatus>,
}

impl Shared {
    pub(super) fn new(
        results: mpsc::Sender<UpstreamResult>,
        metrics: Arc<UpstreamMetrics>,
        status: UpstreamStatus,
        seen: SeenBook,
    ) -> Arc<Self> {
        Arc::new(Shared {
            lanes: Mutex::default(),
            lane_wanted: Notify::new(),
            seen: Mutex::new(seen),
            results,
            metrics,
            status: watch::Sender::new(status),
        })
    }

    pub(super) fn metrics(&self) -> &UpstreamMetrics {
        &self.metrics
    }

    /// The hashes credited so far, for the board of a lane that makes a job.
    pub(super) fn seen(&self) -> MutexGuard<'_, SeenBook> {
        lock(&self.seen)
    }

    pub(super) fn results(&self) -> &mpsc::Sender<UpstreamResult> {
        &self.results
    }

    pub(super) fn status(&self) -> &watch::Sender<UpstreamStatus> {
        &self.status
    }

    /// Resolves when a lease found every prefix taken.
    pub(super) async fn lane_wanted(&self) {
        self.lane_wanted.notified().await;
    }

    pub(super) fn lanes(&self) -> Vec<Arc<LaneShared>> {
        lock(&self.lanes).clone()
    }

    pub(super) fn add_lane(&self, lane: Arc<LaneShared>) {
        lock(&self.lanes).push(lane);
    }

    /// Takes the last lane out, if it is not the only one and no lease holds it. Under
    /// the same lock as [`Self::lease`]: nobody can take a prefix of it in between.
    pub(super) fn remove_unused_lane(&self, index: usize) -> Option<Arc<LaneShared>> {
        let mut lanes = lock(&self.lanes);
        let at = lanes
            .iter()
            .position(|lane| lane.index == index && index > 0)?;
        (lanes[at].leases() == 0).then(|| lanes.remove(at))
    }

    /// A lease of the first lane that has a prefix to give, so that later lanes drain.
    pub(super) fn lease(self: &Arc<Self>) -> Result<Lease, Unavailable> {
        let lanes = lock(&self.lanes);
        let mut why = Unavailable::NoWork;
        for lane in lanes.iter() {
            match lane.take_prefix() {
                Ok(held) => return Ok(Lease::new(Arc::clone(self), Arc::clone(lane), held)),
                Err(Unavailable::Full) => why = Unavailable::Full,
                Err(Unavailable::NoWork) => {}
            }
        }
        if why == Unavailable::Full {
            self.lane_wanted.notify_one();
        }
        Err(why)
    }
}

/// One lane, as its task writes it and its leases read it.
#[derive(Debug)]
pub(super) struct LaneShared {
    /// 0 for the one that is always there.
    pub(super) index: usize,
    /// Ends the lane's task.
    pub(super) cancel: CancellationToken,
    view: watch::Sender<Arc<LaneView>>,
    prefixes: Mutex<Option<Generation>>,
    submits: mpsc::Sender<Forward>,
    leases: AtomicUsize,
}

/// The prefixes of the lane's current extranonce1.
#[derive(Debug)]
struct Generation {
    number: u64,
    prefixes: Prefixes,
}

impl LaneShared {
    /// A lane that is down, and the end of its queue for the lane's task.
    pub(super) fn new(
        index: usize,
        cancel: CancellationToken,
    ) -> (Arc<Self>, mpsc::Receiver<Forward>) {
        let (submits, queue) = mpsc::channel(SUBMITS_CAPACITY);
        let lane = LaneShared {
            index,
            cancel,
            view: watch::Sender::new(Arc::new(LaneView::down())),
            prefixes: Mutex::default(),
            submits,
            leases: AtomicUsize::new(0),
        };
        (Arc::new(lane), queue)
    }

    pub(super) fn view(&self) -> watch::Receiver<Arc<LaneView>> {
        self.view.subscribe()
    }

    pub(super) fn is_up(&self) -> bool {
        self.view.borrow().up
    }

    pub(super) fn submits(&self) -> &mpsc::Sender<Forward> {
        &self.submits
    }

    /// How many leases there are.
    pub(super) fn leases(&self) -> usize {
        self.leases.load(Ordering::Relaxed)
    }

    pub(super) fn lease_begins(&self) {
        self.leases.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lease_ends(&self) {
        self.leases.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many prefixes could be given now; none while the lane is down.
    pub(super) fn prefixes_free(&self) -> usize {
        if !self.is_up() {
            return 0;
        }
        lock(&self.prefixes)
            .as_ref()
            .map_or(0, |generation| generation.prefixes.available())
    }

    pub(super) fn take_prefix(&self) -> Result<Held, Unavailable> {
        if !self.is_up() {
            return Err(Unavailable::NoWork);
        }
        let current = lock(&self.prefixes);
        let generation = current.as_ref().ok_or(Unavailable::NoWork)?;
        let prefix = generation.prefixes.take().map_err(|_| Unavailable::Full)?;
        Ok(Held {
            generation: generation.number,
            prefix,
        })
    }

    /// The lane's task: a new generation has begun. To be called before its view is
    /// published, so that who sees the view finds the prefixes.
    pub(super) fn begin_generation(&self, number: u64, prefixes: Prefixes) {
        *lock(&self.prefixes) = Some(Generation { number, prefixes });
    }

    /// The lane's task: shows `view` to the sessions, and frees the prefixes that rested
    /// for jobs that are gone.
    pub(super) fn publish(&self, view: Arc<LaneView>, newest_sequence: u64) {
        if let Some(generation) = lock(&self.prefixes).as_ref() {
            let oldest_living = view.jobs.first().map(|job| job.sequence);
            generation.prefixes.jobs(newest_sequence, oldest_living);
        }
        self.view.send_replace(view);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind them is whole after every statement; a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
