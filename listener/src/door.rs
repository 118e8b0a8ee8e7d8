//! What one listener lets in, and what all of them share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use prometheus::IntGauge;
use proxy::config::IpNetwork;
use proxy::forwarded;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::circuit;
use super::counts::{Counts, Refused, RefusedBy};
use super::household::Household;
use super::io::Connection;
use super::memory::BodyMemory;
use super::places::{Full, Place, Places};
use super::tls::Tls;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the listeners of a process share; clones share it.
#[derive(Clone, Debug)]
pub struct Shared {
    counts: Counts,
    /// The file descriptors that mining leaves to HTTP, one a connection.
    descriptors: Arc<Semaphore>,
    for_public: usize,
    pub(super) memory: BodyMemory,
}

impl Shared {
    /// `descriptors` connections at all listeners together, `for_operator` of which are for
    /// the operator's own listeners; where there are fewer than twice as many, half.
    pub fn new(counts: Counts, descriptors: usize, for_operator: usize) -> Self {
        Shared {
            counts,
            for_public: descriptors.saturating_sub(for_operator.min(descriptors / 2)),
            descriptors: Arc::new(Semaphore::new(descriptors)),
            memory: BodyMemory::default(),
        }
    }

    /// Connections at the public listener and the onion service's together, at most.
    pub fn for_public(&self) -> usize {
        self.for_public
    }
}

/// Who is asking.
#[derive(Clone, Debug)]
pub enum Naming {
    /// The connection's peer.
    Peer,
    /// The peer, unless it is one of these: then whom its `X-Forwarded-For` names.
    Forwarded(Vec<IpNetwork>),
    /// The circuit that the tor process names.
    Onion,
}

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one household, and its requests under way.
    pub per_household: usize,
    /// From a request's first byte to the end of its body; also how long a connection may
    /// wait for a request.
    pub request_time: Duration,
}

/// A listener's side of the bounds.
#[derive(Debug)]
pub struct Door {
    pub(super) shared: Shared,
    pub(super) bounds: Bounds,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) refused: RefusedBy,
    naming: Naming,
    connections: Places,
    requests: Places,
    /// Connections whose circuit is not told yet.
    unnamed: Semaphore,
    open: IntGauge,
}

impl Door {
    /// The door of the listener that metrics and the log call `name`.
    pub fn new(
        name: &'static str,
        shared: &Shared,
        bounds: Bounds,
        naming: Naming,
        tls: Option<Arc<Tls>>,
    ) -> Arc<Self> {
        let (refused, open) = shared.counts.of(name);
        let most = bounds.connections;
        // Connections of a trusted proxy are never ended for others, but the requests on
        // them are: so there is always a connection left on which the next one can come.
        let requests = most.saturating_sub(most / 4);
        Arc::new(Door {
            shared: shared.clone(),
            bounds,
            tls,
            refused,
            naming,
            connections: Places::new(most, bounds.per_household),
            requests: Places::new(requests, bounds.per_household),
            unnamed: Semaphore::new(most),
            open,
        })
    }

    /// A descriptor for a connection; refused and counted when none is left.
    pub(super) fn descriptor(&self) -> Option<OwnedSemaphorePermit> {
        let descriptor = Arc::clone(&self.shared.descriptors).try_acquire_owned();
        if descriptor.is_err() {
            self.refused.count(Refused::Descriptors);
        }
        descriptor.ok()
    }

    /// Whose connection it is; refused and counted when that cannot be told.
    pub(super) async fn household(
        &self,
        stream: &mut TcpStream,
        peer: IpAddr,
    ) -> Option<Household> {
        match self.naming {
            Naming::Peer | Naming::Forwarded(_) => Some(Household::of(peer)),
            Naming::Onion => {
                // Until it is known whose it is, it has a place among those that wait for it.
                let Ok(_waits) = self.unnamed.try_acquire() else {
                    self.refused.count(Refused::Full);
                    return None;
                };
                let circuit = circuit::read(stream).await;
                if let Err(error) = &circuit {
                    tracing::debug!(%error, "no circuit");
                    self.refused.count(Refused::Handshake);
                }
                circuit.ok()
            }
        }
    }

    /// A connection with a place; refused and counted when there is none.
    pub(super) fn enter(
        &self,
        peer: IpAddr,
        household: Household,
        descriptor: OwnedSemaphorePermit,
    ) -> Option<Arc<Connection>> {
        let ending = CancellationToken::new();
        let place = match &self.naming {
            Naming::Forwarded(trusted) if is_in(trusted, peer) => self.connections.enter_trusted(),
            _ => self.connections.enter(household, ending.clone()),
        };
        let place = self.counted(place, Refused::AddressConnections)?;
        let connection = Connection::new(ending, descriptor, self.open.clone());
        connection.keep(place);
        Some(connection)
    }

    /// A place for a request of `household`; refused and counted when there is none.
    pub(super) fn request(&self, household: Household, connection: &Connection) -> Option<Place> {
        let place = self.requests.enter(household, connection.ending.clone());
        self.counted(place, Refused::AddressRequests)
    }

    fn counted(&self, place: Result<(Place, bool), Full>, of_household: Refused) -> Option<Place> {
        match place {
            Ok((place, made_room)) => {
                if made_room {
                    self.refused.count(Refused::MadeRoom);
                }
                Some(place)
            }
            Err(Full::Household) => {
                self.refused.count(of_household);
                None
            }
            Err(Full::All) => {
                self.refused.count(Refused::Full);
                None
            }
        }
    }

    /// Who asks on a connection of `household` from `peer`.
    pub(super) fn asks(
        &self,
        peer: IpAddr,
        household: Household,
        headers: &HeaderMap,
    ) -> Household {
        let Naming::Forwarded(trusted) = &self.naming else {
            return household;
        };
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let named = forwarded::client(peer, lines.map(HeaderValue::as_bytes), trusted);
        match named.is_readable {
            true => Household::of(named.address),
            false => Household::unreadable(named.address),
        }
    }
}

fn is_in(networks: &[IpNetwork], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Who asks, among a request's extensions.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub(super) household: Household,
    pub(super) refused: RefusedBy,
    pub(super) connection: Arc<Connection>,
}

impl Visitor {
    /// As whom it is counted.
    pub fn household(&self) -> Household {
        self.household
    }

    /// Cancelled when the connection has to end.
    pub fn ending(&self) -> CancellationToken {
        self.connection.ending.clone()
    }

    /// Holds `place` until the connection ends.
    pub fn keep(&self, place: Place) {
        self.connection.keep(place);
    }

    /// Counts a refusal.
    pub fn refuse(&self, why: Refused) {
        self.refused.count(why);
    }
}
