//! Devices that were closed for a storm of rejects, and are refused for a while.
//!
//! A device whose every share is refused reconnects as soon as it is closed, since any
//! answer to `mining.authorize` counts as a pool that is well, and so it never tries its
//! fallback. After a storm the same name from the same address is therefore refused for
//! a while, in the way that makes a fallback begin.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounting::Identity;

use super::address::AddressKey;

/// How long a device is refused. Three failed connections, about 15 seconds, are what a
/// Bitaxe needs before it tries its fallback; what ails it may be over in minutes.
pub(crate) const REFUSED_FOR_MS: u64 = 5 * 60 * 1000;

/// As many are remembered. The oldest is forgotten when there are more: it is served
/// again early, which costs nothing but its rejects.
const MOST: usize = 1024;

/// The devices that are refused, the one refused first at the front.
#[derive(Debug, Default)]
pub(crate) struct Storms(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    address: AddressKey,
    who: Arc<Identity>,
    until_ms: u64,
}

impl Storms {
    /// A session of `who` from `address` was closed for a storm of rejects.
    pub(crate) fn note(&self, address: AddressKey, who: Arc<Identity>, now_ms: u64) {
        let mut entries = self.lock();
        entries.retain(|entry| entry.until_ms > now_ms && !entry.is_of(address, &who));
        if entries.len() >= MOST {
            entries.pop_front();
        }
        entries.push_back(Entry {
            address,
            who,
            until_ms: now_ms.saturating_add(REFUSED_FOR_MS),
        });
    }

    /// True while `who` is refused at `address`.
    pub(crate) fn refuses(&self, address: AddressKey, who: &Identity, now_ms: u64) -> bool {
        let entries = self.lock();
        let mut entries = entries.iter();
        entries.any(|entry| entry.until_ms > now_ms && entry.is_of(address, who))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_of(&self, address: AddressKey, who: &Identity) -> bool {
        self.address == address && *self.who == *who
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use accounting::WorkerName;

    use super::*;

    fn address(last: u16) -> AddressKey {
        let [high, low] = last.to_be_bytes();
        AddressKey::of(IpAddr::from([192, 0, high, low]))
    }

    fn device(name: &str) -> Arc<Identity> {
        let key = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        Arc::new(Identity {
            miner: key.parse().expect("the generator's x"),
            worker: WorkerName::clean(name),
        })
    }

    #[test]
    fn a_storm_is_remembered_of_one_name_at_one_address_for_a_while() {
        let storms = Storms::default();
        storms.note(address(1), device("a"), 1_000);
        assert!(storms.refuses(address(1), &device("a"), 1_000));
        assert!(!storms.refuses(address(1), &device("b"), 1_000));
        assert!(!storms.refuses(address(2), &device("a"), 1_000));
        let last_ms = 1_000 + REFUSED_FOR_MS - 1;
        assert!(storms.refuses(address(1), &device("a"), last_ms));
        assert!(!storms.refuses(address(1), &device("a"), last_ms + 1));
        // The next storm begins it anew and leaves one entry.
        storms.note(address(1), device("a"), last_ms);
        assert!(storms.refuses(address(1), &device("a"), last_ms + 1));
        assert_eq!(storms.lock().len(), 1);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let storms = Storms::default();
        for last in 0..5_000 {
            storms.note(address(last), device("a"), u64::from(last));
        }
        assert_eq!(storms.lock().len(), MOST);
        assert!(!storms.refuses(address(0), &device("a"), 5_000));
        assert!(storms.refuses(address(4_999), &device("a"), 5_000));
        // What is over is swept with the next one.
        storms.note(address(1), device("a"), 5_000 + REFUSED_FOR_MS);
        assert_eq!(storms.lock().len(), 1);
    }
}
