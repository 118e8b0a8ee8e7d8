//! The registry of open connections: their number, eviction when the server is full, and
//! their state for a status page.

mod connection;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounting::Identity;

use super::address::AddressKey;
use super::close::CloseReason;

pub(crate) use connection::Connection;

use connection::{ASKED_EVICT, ASKED_STOP, ASKED_STORE, ASKED_WIND_DOWN};

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

/// One device, as far as anybody can tell. Several devices can share a name.
type Device = (AddressKey, Arc<Identity>);

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

/// A connection's entry; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Entered {
    registry: Arc<Registry>,
    connection: Arc<Connection>,
}

impl Entered {
    /// Its shared part.
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
