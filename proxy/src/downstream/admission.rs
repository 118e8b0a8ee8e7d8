//! Admission of connections: a limit and a rate limit per address. Pure; the clock is
//! handed in.
//!
//! The count of all connections is the [registry](super::registry)'s, which can make
//! room.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Limits;

use super::address::AddressKey;

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The address has all the connections that one may have.
    TooManyOfAddress,
    /// The address connects too often.
    TooFast,
}

impl Refused {
    /// Both of them, for metrics.
    pub(crate) const ALL: [Refused; 2] = [Refused::TooManyOfAddress, Refused::TooFast];

    /// The metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Refused::TooManyOfAddress => "address_limit",
            Refused::TooFast => "address_rate",
        }
    }
}

/// Counts the connections of each address.
#[derive(Debug)]
pub(crate) struct Admission {
    per_address: usize,
    /// Connections a second that an address earns.
    per_second: u64,
    /// What it can have saved up, in thousandths of a connection.
    burst: u64,
    peers: Mutex<Peers>,
}

#[derive(Debug, Default)]
struct Peers {
    by_address: HashMap<AddressKey, Peer>,
    /// The map is swept when it reaches this size: twice what the last sweep left, so
    /// that the sweeps cost a constant amount per connection.
    sweep_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    connections: usize,
    millitokens: u64,
    refilled_ms: u64,
}

/// One token.
const TOKEN: u64 = 1000;

/// The least size at which the map is swept.
const SWEEP_MIN: usize = 1024;

impl Admission {
    /// With nobody connected.
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Admission {
            per_address: limits.max_connections_per_address,
            per_second: u64::from(limits.new_per_second_per_address),
            burst: u64::from(limits.new_burst_per_address).max(1) * TOKEN,
            peers: Mutex::new(Peers {
                by_address: HashMap::new(),
                sweep_at: SWEEP_MIN,
            }),
        })
    }

    /// Counts a new connection until the guard is dropped.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<Admitted, Refused> {
        let key = AddressKey::of(address);
        let mut peers = self.lock();
        if peers.by_address.len() >= peers.sweep_at {
            peers.by_address.retain(|_, peer| {
                self.refill(peer, now_ms);
                peer.connections > 0 || peer.millitokens < self.burst
            });
            peers.sweep_at = (peers.by_address.len() * 2).max(SWEEP_MIN);
        }
        let fresh = Peer {
            connections: 0,
            millitokens: self.burst,
            refilled_ms: now_ms,
        };
        let peer = peers.by_address.entry(key).or_insert(fresh);
        self.refill(peer, now_ms);
        if peer.millitokens < TOKEN {
            return Err(Refused::TooFast);
        }
        // A refused try costs a token too, else a full address could try for ever at
        // full speed.
        peer.millitokens -= TOKEN;
        if peer.connections >= self.per_address {
            return Err(Refused::TooManyOfAddress);
        }
        peer.connections += 1;
        Ok(Admitted {
            admission: self.clone(),
            key,
        })
    }

    fn refill(&self, peer: &mut Peer, now_ms: u64) {
        // A millitoken a millisecond is a token a second.
        let earned = now_ms
            .saturating_sub(peer.refilled_ms)
            .saturating_mul(self.per_second);
        peer.millitokens = peer.millitokens.saturating_add(earned).min(self.burst);
        peer.refilled_ms = peer.refilled_ms.max(now_ms);
    }

    fn lock(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among those of its address; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    key: AddressKey,
}

impl Admitted {
    /// Whose connection it is.
    pub(crate) fn address(&self) -> AddressKey {
        self.key
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(peer) = self.admission.lock().by_address.get_mut(&self.key) {
            peer.connections = peer.connections.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(per_address: usize, per_second: u32, burst: u32) -> Arc<Admission> {
        Admission::new(&Limits {
            max_connections_per_address: per_address,
            new_per_second_per_address: per_second,
            new_burst_per_address: burst,
            ..Limits::default()
        })
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_has_so_many_connections_and_gets_its_places_back() {
        let admission = admission(2, 1000, 1000);
        let first = admission.admit(ip(1), 0).unwrap();
        let _second = admission.admit(ip(1), 0).unwrap();
        assert_eq!(
            admission.admit(ip(1), 0).unwrap_err(),
            Refused::TooManyOfAddress
        );
        let _other = admission.admit(ip(2), 0).unwrap();
        drop(first);
        let _third = admission.admit(ip(1), 0).unwrap();
    }

    #[test]
    fn an_address_connects_so_often() {
        let admission = admission(1000, 2, 3);
        for _ in 0..3 {
            drop(admission.admit(ip(1), 0).unwrap());
        }
        assert_eq!(admission.admit(ip(1), 0).unwrap_err(), Refused::TooFast);
        assert_eq!(admission.admit(ip(1), 499).unwrap_err(), Refused::TooFast);
        drop(admission.admit(ip(1), 500).unwrap());
        assert_eq!(admission.admit(ip(1), 500).unwrap_err(), Refused::TooFast);
        // A long silence earns the burst and no more.
        for _ in 0..3 {
            drop(admission.admit(ip(1), 1_000_000).unwrap());
        }
        assert_eq!(
            admission.admit(ip(1), 1_000_000).unwrap_err(),
            Refused::TooFast
        );
    }

    #[test]
    fn a_clock_that_steps_back_earns_nothing() {
        let admission = admission(1000, 1, 1);
        drop(admission.admit(ip(1), 5_000).unwrap());
        assert_eq!(admission.admit(ip(1), 0).unwrap_err(), Refused::TooFast);
        assert_eq!(admission.admit(ip(1), 5_999).unwrap_err(), Refused::TooFast);
        drop(admission.admit(ip(1), 6_000).unwrap());
    }

    #[test]
    fn addresses_that_left_are_forgotten() {
        let admission = admission(1, 1, 1);
        let far: Vec<IpAddr> = (0u32..5_000)
            .map(|n| IpAddr::from(n.to_be_bytes()))
            .collect();
        for (at, &address) in far.iter().enumerate() {
            drop(admission.admit(address, at as u64 * 10).unwrap());
        }
        assert!(admission.lock().by_address.len() <= 2 * SWEEP_MIN);
    }
}
