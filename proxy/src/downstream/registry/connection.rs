//! One connection as others see it: who it is, what it did, and whether it was asked to
//! leave.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use accounting::Identity;
use futures::task::AtomicWaker;

use crate::downstream::address::AddressKey;
use crate::downstream::close::CloseReason;
use crate::estimate::Estimate;

/// The shared part of a connection: its state for others, and their way to end it. Its task
/// owns the rest.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) number: u64,
    /// When it was accepted, milliseconds since 1970.
    pub(crate) since_unix_ms: u64,
    asked: AtomicU8,
    waker: AtomicWaker,
    /// Counted in `leaving`. Written and read under the registry's lock.
    pub(super) evicted: AtomicBool,
    /// Set once it is authorized.
    pub(crate) who: OnceLock<Arc<Identity>>,
    /// Where it connects from, set with `who`.
    pub(super) address: OnceLock<AddressKey>,
    /// The device connected anew since its last share: this connection is probably dead.
    pub(super) replaced: AtomicBool,
    /// The device's name for itself, cleaned.
    pub(crate) user_agent: OnceLock<Box<str>>,
    /// True when it came over TLS.
    pub(crate) tls: bool,
    pub(super) proven: AtomicBool,
    accepted: AtomicU64,
    rejected: AtomicU64,
    last_share_unix_ms: AtomicU64,
    difficulty: AtomicU64,
    estimate: Mutex<Estimate>,
}

const ASKED_NOTHING: u8 = 0;
pub(super) const ASKED_EVICT: u8 = 1;
pub(super) const ASKED_STORE: u8 = 2;
pub(super) const ASKED_WIND_DOWN: u8 = 3;
pub(super) const ASKED_STOP: u8 = 4;

impl Connection {
    pub(super) fn new(number: u64, tls: bool, unix_ms: u64) -> Self {
        Connection {
            number,
            since_unix_ms: unix_ms,
            asked: AtomicU8::new(ASKED_NOTHING),
            waker: AtomicWaker::new(),
            evicted: AtomicBool::new(false),
            who: OnceLock::new(),
            address: OnceLock::new(),
            replaced: AtomicBool::new(false),
            user_agent: OnceLock::new(),
            tls,
            proven: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            last_share_unix_ms: AtomicU64::new(0),
            difficulty: AtomicU64::new(0),
            estimate: Mutex::default(),
        }
    }

    pub(super) fn ask(&self, what: u8) {
        self.asked.fetch_max(what, Ordering::Release);
        self.waker.wake();
    }

    /// Ready when somebody asked the connection to leave.
    pub(crate) fn poll_asked(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if let Some(reason) = self.asked() {
            return Poll::Ready(reason);
        }
        self.waker.register(cx.waker());
        // Asked between the look and the registration: nobody would wake us.
        self.asked().map_or(Poll::Pending, Poll::Ready)
    }

    /// Why the connection shall leave, if it shall.
    pub(crate) fn asked(&self) -> Option<CloseReason> {
        match self.asked.load(Ordering::Acquire) {
            ASKED_NOTHING => None,
            ASKED_EVICT => Some(CloseReason::Evicted),
            ASKED_STORE => Some(CloseReason::StoreFailing),
            ASKED_WIND_DOWN => Some(CloseReason::WindingDown),
            _ => Some(CloseReason::Stopping),
        }
    }

    /// Its number, for logs.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// True once it had an accepted share.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Counts an accepted share.
    pub(crate) fn share_accepted(&self, unix_ms: u64) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.last_share_unix_ms.store(unix_ms, Ordering::Relaxed);
        self.replaced.store(false, Ordering::Relaxed);
    }

    /// True once a submission of it was decided, either way.
    pub(super) fn has_sent(&self) -> bool {
        let counts = [&self.accepted, &self.rejected];
        counts.iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// Counts a submission that was refused.
    pub(crate) fn share_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// The estimate of the session's hashes a second.
    pub(crate) fn set_estimate(&self, estimate: Estimate) {
        *self.estimate.lock().unwrap_or_else(PoisonError::into_inner) = estimate;
    }

    fn hashrate(&self, now_ms: u64) -> f64 {
        let estimate = *self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        estimate.hashrate(now_ms)
    }

    /// The difficulty that the session was told last.
    pub(crate) fn set_difficulty(&self, difficulty: f64) {
        self.difficulty
            .store(difficulty.to_bits(), Ordering::Relaxed);
    }

    /// For the status page, as of `now_ms` of the monotonic clock; `None` before it is
    /// authorized.
    pub(crate) fn describe(&self, now_ms: u64) -> Option<crate::downstream::status::SessionStatus> {
        let replaced = self.replaced.load(Ordering::Relaxed);
        let last_share_unix_ms = self.last_share_unix_ms.load(Ordering::Relaxed);
        Some(crate::downstream::status::SessionStatus {
            connection: self.number,
            who: self.who.get()?.clone(),
            user_agent: self.user_agent.get().cloned().unwrap_or_default(),
            tls: self.tls,
            since_unix_ms: self.since_unix_ms,
            accepted: self.accepted.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            last_share_unix_ms: (last_share_unix_ms > 0).then_some(last_share_unix_ms),
            difficulty: f64::from_bits(self.difficulty.load(Ordering::Relaxed)),
            replaced,
            hashrate: if replaced { 0.0 } else { self.hashrate(now_ms) },
        })
    }
}
