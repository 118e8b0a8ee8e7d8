//! The registry of open connections: their number, eviction when the server is full, and
//! their state for a status page.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use accounting::Identity;
use futures::task::AtomicWaker;

use super::address::AddressKey;
use super::close::CloseReason;
use crate::estimate::Estimate;

/// Ended sessions are kept until somebody asks for them, at most so many: the oldest are
/// forgotten where nobody does.
const MOST_ENDED: usize = 16_384;

/// All connections.
#[derive(Debug)]
pub(crate) struct Registry {
    max_connections: usize,
    next_session: AtomicU32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    by_number: BTreeMap<u64, Arc<Connection>>,
    /// Those without an accepted share, oldest first: they leave a full server.
    unproven: BTreeSet<u64>,
    /// How many had an accepted share.
    proven: usize,
    /// Asked to leave for room, not gone yet.
    leaving: usize,
    /// The sessions of each device, a name at an address, in the order in which they
    /// were authorized.
    by_device: HashMap<Device, Vec<u64>>,
    /// Sessions that sent something and ended since the last question for them.
    ended: VecDeque<Arc<Connection>>,
}

/// What is one device as far as anybody can tell. Several devices can share a name.
type Device = (AddressKey, Arc<Identity>);

/// What others see of a connection, and their way to end it. Its task owns the rest.
#[derive(Debug)]
pub(crate) struct Connection {
    number: u64,
    /// When it was accepted, milliseconds since 1970.
    pub(crate) since_unix_ms: u64,
    asked: AtomicU8,
    waker: AtomicWaker,
    /// Counted in `leaving`. Written and read under the registry's lock.
    evicted: AtomicBool,
    /// Set once it is authorized.
    pub(crate) who: OnceLock<Arc<Identity>>,
    /// Where it connects from, set with `who`.
    address: OnceLock<AddressKey>,
    /// The device connected anew since its last share: this connection is probably dead.
    replaced: AtomicBool,
    /// The device's name for itself, cleaned.
    pub(crate) user_agent: OnceLock<Box<str>>,
    /// True when it came over TLS.
    pub(crate) tls: bool,
    proven: AtomicBool,
    accepted: AtomicU64,
    rejected: AtomicU64,
    last_share_unix_ms: AtomicU64,
    difficulty: AtomicU64,
    estimate: Mutex<Estimate>,
}

const ASKED_NOTHING: u8 = 0;
const ASKED_EVICT: u8 = 1;
const ASKED_STORE: u8 = 2;
const ASKED_WIND_DOWN: u8 = 3;
const ASKED_STOP: u8 = 4;

impl Registry {
    /// With nobody connected.
    pub(crate) fn new(max_connections: usize) -> Arc<Self> {
        Arc::new(Registry {
            max_connections,
            next_session: AtomicU32::new(1),
            inner: Mutex::default(),
        })
    }

    /// Enters a connection. A full server asks its oldest connection without an
    /// accepted share to leave; `None` when there is none, or when as many as may be here
    /// are leaving already: while the disk hangs they cannot.
    pub(crate) fn enter(self: &Arc<Self>, tls: bool, unix_ms: u64) -> Option<Entered> {
        let mut inner = self.lock();
        if inner.leaving >= self.max_connections {
            return None;
        }
        let staying = inner.by_number.len().saturating_sub(inner.leaving);
        if staying >= self.max_connections && !inner.evict_one() {
            return None;
        }
        let number = inner.next;
        inner.next += 1;
        let connection = Arc::new(Connection::new(number, tls, unix_ms));
        inner.by_number.insert(number, connection.clone());
        inner.unproven.insert(number);
        Some(Entered {
            registry: self.clone(),
            connection,
        })
    }

    /// Asks the oldest connection without an accepted share to leave; false when there
    /// is none.
    pub(crate) fn evict_one(&self) -> bool {
        self.lock().evict_one()
    }

    /// A number for a session, never given twice; `None` after 2^32 of them.
    pub(crate) fn next_session(&self) -> Option<u32> {
        self.next_session
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| {
                number.checked_add(1)
            })
            .ok()
    }

    /// Asks every connection to answer what waits for the disk, and to leave.
    pub(crate) fn stop_all(&self) {
        for connection in self.lock().by_number.values() {
            connection.ask(ASKED_STOP);
        }
    }

    /// Asks `share` of every `of` connections to leave, because what they find cannot be
    /// stored or the pool winds down: those whose number leaves the rest `share`.
    pub(crate) fn close_part(&self, share: u64, of: u64, why: CloseReason) {
        let asked = match why {
            CloseReason::WindingDown => ASKED_WIND_DOWN,
            _ => ASKED_STORE,
        };
        for connection in self.lock().by_number.values() {
            if connection.number % of == share {
                connection.ask(asked);
            }
        }
    }

    /// The number of connections.
    pub(crate) fn len(&self) -> usize {
        self.lock().by_number.len()
    }

    /// Up to `limit` authorized connections, the oldest first, and how many connections
    /// have an accepted share.
    pub(crate) fn sessions(&self, limit: usize) -> (Vec<Arc<Connection>>, usize) {
        let inner = self.lock();
        let authorized = inner
            .by_number
            .values()
            .filter(|one| one.who.get().is_some())
            .take(limit)
            .cloned()
            .collect();
        (authorized, inner.proven)
    }

    /// The sessions that sent something and ended since the last call.
    pub(crate) fn take_ended(&self) -> VecDeque<Arc<Connection>> {
        std::mem::take(&mut self.lock().ended)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn evict_one(&mut self) -> bool {
        let Some(oldest) = self.unproven.pop_first() else {
            return false;
        };
        if let Some(connection) = self.by_number.get(&oldest) {
            connection.evicted.store(true, Ordering::Relaxed);
            connection.ask(ASKED_EVICT);
            self.leaving += 1;
        }
        true
    }
}

impl Inner {
    /// Enters the newest session of a device; those before it count as dead until they
    /// send a share: a device that lost its connection without a word is back long before
    /// the system notices.
    fn enter_session(&mut self, device: Device, number: u64) {
        let sessions = self.by_device.entry(device).or_default();
        for earlier in sessions.iter().filter_map(|one| self.by_number.get(one)) {
            earlier.replaced.store(true, Ordering::Relaxed);
        }
        sessions.push(number);
    }

    fn end_session(&mut self, connection: &Arc<Connection>) {
        let (Some(address), Some(who)) = (connection.address.get(), connection.who.get()) else {
            return;
        };
        let device = (*address, who.clone());
        if let Some(sessions) = self.by_device.get_mut(&device) {
            sessions.retain(|number| *number != connection.number);
            if sessions.is_empty() {
                self.by_device.remove(&device);
            }
        }
        if connection.has_sent() {
            if self.ended.len() >= MOST_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(connection.clone());
        }
    }
}

impl Connection {
    fn new(number: u64, tls: bool, unix_ms: u64) -> Self {
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

    fn ask(&self, what: u8) {
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
    fn has_sent(&self) -> bool {
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

    /// What the session was told last.
    pub(crate) fn set_difficulty(&self, difficulty: f64) {
        self.difficulty
            .store(difficulty.to_bits(), Ordering::Relaxed);
    }

    /// For the status page, as of `now_ms` of the monotonic clock; `None` before it is
    /// authorized.
    pub(crate) fn describe(&self, now_ms: u64) -> Option<super::status::SessionStatus> {
        let replaced = self.replaced.load(Ordering::Relaxed);
        let last_share_unix_ms = self.last_share_unix_ms.load(Ordering::Relaxed);
        Some(super::status::SessionStatus {
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

/// A connection's entry; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Entered {
    registry: Arc<Registry>,
    connection: Arc<Connection>,
}

impl Entered {
    /// What others see of it.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// It is authorized as `who` from `address`: sessions of the same before it are
    /// probably dead.
    pub(crate) fn replace_earlier(&self, address: AddressKey, who: &Arc<Identity>) {
        let connection = &self.connection;
        if connection.address.set(address).is_ok() {
            let mut inner = self.registry.lock();
            inner.enter_session((address, who.clone()), connection.number);
        }
    }

    /// As [`Registry::next_session`].
    pub(crate) fn next_session(&self) -> Option<u32> {
        self.registry.next_session()
    }

    /// It had its first accepted share: a full server no longer drops it.
    pub(crate) fn prove(&self) {
        if !self.connection.proven.swap(true, Ordering::Relaxed) {
            let mut inner = self.registry.lock();
            inner.unproven.remove(&self.connection.number);
            inner.proven += 1;
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut inner = self.registry.lock();
        let number = self.connection.number;
        inner.unproven.remove(&number);
        inner.by_number.remove(&number);
        inner.end_session(&self.connection);
        if self.connection.is_proven() {
            inner.proven = inner.proven.saturating_sub(1);
        }
        if self.connection.evicted.load(Ordering::Relaxed) {
            inner.leaving = inner.leaving.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_server_asks_the_oldest_without_a_share_to_leave() {
        let registry = Registry::new(3);
        let worker = registry.enter(false, 0).unwrap();
        worker.prove();
        let old = registry.enter(false, 0).unwrap();
        let young = registry.enter(false, 0).unwrap();
        let newest = registry.enter(false, 0).unwrap();
        assert_eq!(worker.connection().asked(), None);
        assert_eq!(old.connection().asked(), Some(CloseReason::Evicted));
        assert_eq!(young.connection().asked(), None);
        // The one that leaves is not counted, so nobody else has to.
        drop(old);
        assert_eq!(registry.len(), 3);
        drop(newest);
        let _next = registry.enter(false, 0).unwrap();
        assert_eq!(young.connection().asked(), None);
    }

    #[test]
    fn workers_are_counted_once_until_they_are_gone() {
        let registry = Registry::new(3);
        let one = registry.enter(false, 0).unwrap();
        let other = registry.enter(false, 0).unwrap();
        one.prove();
        one.prove();
        assert_eq!(registry.sessions(0).1, 1);
        drop(other);
        assert_eq!(registry.sessions(0).1, 1);
        drop(one);
        assert_eq!(registry.sessions(0).1, 0);
    }

    #[test]
    fn all_leave_in_parts() {
        let registry = Registry::new(10);
        let all: Vec<_> = (0..7).map(|_| registry.enter(false, 0).unwrap()).collect();
        let asked = || {
            all.iter()
                .filter(|one| one.connection().asked() == Some(CloseReason::StoreFailing))
                .count()
        };
        let counts: Vec<_> = (0..3)
            .map(|part| {
                registry.close_part(part, 3, CloseReason::StoreFailing);
                asked()
            })
            .collect();
        assert_eq!(counts, [3, 5, 7]);
    }

    #[test]
    fn a_server_full_of_workers_takes_nobody() {
        let registry = Registry::new(2);
        let workers: Vec<_> = (0..2).map(|_| registry.enter(false, 0).unwrap()).collect();
        workers.iter().for_each(Entered::prove);
        assert!(registry.enter(false, 0).is_none());
        drop(workers);
        assert!(registry.enter(false, 0).is_some());
    }

    #[test]
    fn a_share_on_the_way_out_does_not_confuse_the_count() {
        let registry = Registry::new(1);
        let evicted = registry.enter(false, 0).unwrap();
        let other = registry.enter(false, 0).unwrap();
        evicted.prove();
        drop(evicted);
        drop(other);
        assert_eq!(registry.lock().leaving, 0);
        let _one = registry.enter(false, 0).unwrap();
        assert_eq!(registry.len(), 1);
    }

    #[test]
    fn those_who_take_long_to_leave_are_bounded_too() {
        let registry = Registry::new(3);
        let mut entered: Vec<_> = (0..20).filter_map(|_| registry.enter(false, 0)).collect();
        assert_eq!((entered.len(), registry.len()), (6, 6));
        // One of the first three, which were asked to leave, has left.
        drop(entered.remove(0));
        assert!(registry.enter(false, 0).is_some());
    }

    #[test]
    fn stopping_outranks_making_room() {
        let registry = Registry::new(1);
        let evicted = registry.enter(false, 0).unwrap();
        let _other = registry.enter(false, 0).unwrap();
        registry.stop_all();
        assert_eq!(evicted.connection().asked(), Some(CloseReason::Stopping));
    }

    fn address(last: u8) -> AddressKey {
        AddressKey::of(std::net::IpAddr::from([192, 0, 2, last]))
    }

    /// A session of the generator's key.
    fn session(registry: &Arc<Registry>, name: &str, last: u8) -> Entered {
        let entered = registry.enter(false, 0).unwrap();
        let key = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let who = Arc::new(Identity {
            miner: key.parse().unwrap(),
            worker: accounting::WorkerName::clean(name),
        });
        entered.connection().who.set(who.clone()).unwrap();
        entered.replace_earlier(address(last), &who);
        entered
    }

    /// Hashes at 1000 times 2^32 a second for some seconds before `now_ms`.
    fn mines(entered: &Entered, now_ms: u64) {
        let mut estimate = Estimate::default();
        for second in 1..=20 {
            let at_ms = now_ms - 20_000 + second * 1000;
            estimate.begin(at_ms - 1000);
            estimate.on_share(crate::Difficulty::new(1000.0).unwrap(), at_ms);
        }
        entered.connection().set_estimate(estimate);
        entered.connection().share_accepted(1);
    }

    /// All that is shown of the sessions at a moment, over what one device does.
    fn shown(registry: &Registry, now_ms: u64) -> f64 {
        let (sessions, _) = registry.sessions(usize::MAX);
        let shown = sessions.iter().filter_map(|one| one.describe(now_ms));
        shown.map(|one| one.hashrate).sum::<f64>() / (1000.0 * 2f64.powi(32))
    }

    #[test]
    fn a_device_that_is_back_is_not_shown_twice() {
        let registry = Registry::new(100);
        // Its connection is lost without a word every 20 s.
        let mut lost = Vec::new();
        for round in 1..=10 {
            let now_ms = round * 20_000;
            lost.push(session(&registry, "axe", 1));
            assert_eq!(shown(&registry, now_ms - 20_000), 0.0);
            mines(lost.last().unwrap(), now_ms);
            let shown = shown(&registry, now_ms);
            assert!((0.9..=1.1).contains(&shown), "{shown} in round {round}");
        }
        let (sessions, _) = registry.sessions(usize::MAX);
        let replaced = sessions.iter().filter_map(|one| one.describe(0));
        assert_eq!(replaced.filter(|one| one.replaced).count(), 9);
    }

    #[test]
    fn devices_of_one_name_are_shown_again_with_their_next_share() {
        let registry = Registry::new(100);
        let all: Vec<Entered> = (0..3).map(|_| session(&registry, "", 1)).collect();
        let elsewhere = session(&registry, "", 2);
        mines(&elsewhere, 20_000);
        all.iter().for_each(|one| mines(one, 20_000));
        assert!((3.6..=4.4).contains(&shown(&registry, 20_000)));
        let late = session(&registry, "", 1);
        assert!((0.9..=1.1).contains(&shown(&registry, 20_000)));
        all.iter().for_each(|one| mines(one, 40_000));
        mines(&elsewhere, 40_000);
        assert!((3.6..=4.4).contains(&shown(&registry, 40_000)));
        drop((all, elsewhere, late));
        assert!(registry.lock().by_device.is_empty());
    }

    #[test]
    fn the_last_counts_of_a_session_are_there_once() {
        let registry = Registry::new(100);
        let (one, silent) = (session(&registry, "a", 1), session(&registry, "b", 1));
        one.connection().share_accepted(5);
        one.connection().share_rejected();
        drop((one, silent));
        let ended = registry.take_ended();
        let counts: Vec<_> = ended
            .iter()
            .filter_map(|one| one.describe(0))
            .map(|one| (one.accepted, one.rejected))
            .collect();
        assert_eq!(counts, [(1, 1)]);
        assert!(registry.take_ended().is_empty());
        for _ in 0..MOST_ENDED + 10 {
            session(&registry, "a", 1).connection().share_rejected();
        }
        assert_eq!(registry.take_ended().len(), MOST_ENDED);
    }

    #[test]
    fn session_numbers_run_out_instead_of_repeating() {
        let registry = Registry::new(1);
        assert_eq!(registry.next_session(), Some(1));
        registry.next_session.store(u32::MAX, Ordering::Relaxed);
        assert_eq!(registry.next_session(), None);
    }
}
