//! Counts what the listeners take and refuse, and sums up in the log what was refused.

use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tokio_util::sync::CancellationToken;

/// How often is told what was refused, if anything was.
const TELL_EVERY: Duration = Duration::from_secs(60);

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// Why a connection or a request is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Refused {
            $($(#[$doc])* $name,)*
        }

        impl Refused {
            /// All of them, in the order of their numbers.
            const ALL: &[Refused] = &[$(Refused::$name,)*];

            /// The metric's label.
            pub fn label(self) -> &'static str {
                match self {
                    $(Refused::$name => $label,)*
                }
            }
        }
    };
}

refusals! {
    /// The household has all the connections that one may have.
    AddressConnections = "address_connections",
    /// All connections are taken.
    Full = "full",
    /// A connection was ended to make room for a household with fewer.
    MadeRoom = "made_room",
    /// The rest of the file descriptors is for mining.
    Descriptors = "descriptors",
    /// No TLS handshake, or no readable header of the tor process.
    Handshake = "handshake",
    /// There is no certificate to speak TLS with.
    Certificate = "certificate",
    /// The head of a request did not come in time, or is no head.
    Head = "head",
    /// The household asks too often.
    AddressRate = "address_rate",
    /// The household has all the requests under way that one may have.
    AddressRequests = "address_requests",
    /// A body beyond the route's limit.
    BodyTooLong = "body_too_long",
    /// A body that did not come in time.
    BodyTooSlow = "body_too_slow",
    /// Bodies of the household, or all bodies, have all the memory that they may have.
    BodyMemory = "body_memory",
    /// Too many claims of tokens by the household.
    Claims = "claims",
    /// Too many WebSockets of the household, or in all.
    Websockets = "websockets",
    /// Too many live streams of the household, or in all.
    Streams = "streams",
}

/// The metrics of all listeners; clones share them.
#[derive(Clone, Debug)]
pub struct Counts {
    connections: IntGaugeVec,
    refused: IntCounterVec,
}

impl Counts {
    /// # Errors
    /// A metric's name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let connections = IntGaugeVec::new(
            Opts::new(
                "axepool_listener_connections",
                "Open connections of an HTTP listener",
            ),
            &["listener"],
        )?;
        registry.register(Box::new(connections.clone()))?;
        let refused = IntCounterVec::new(
            Opts::new(
                "axepool_listener_refused_total",
                "Connections and requests that an HTTP listener refused",
            ),
            &["listener", "reason"],
        )?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Counts {
            connections,
            refused,
        })
    }

    /// Those of the listener `name`, each from 0.
    pub(super) fn of(&self, name: &'static str) -> (RefusedBy, IntGauge) {
        let counters = Refused::ALL.iter();
        let counters = counters.map(|why| self.refused.with_label_values(&[name, why.label()]));
        let refused = RefusedBy {
            name,
            counters: counters.collect(),
        };
        (refused, self.connections.with_label_values(&[name]))
    }
}

/// What a listener refused.
#[derive(Clone, Debug)]
pub(crate) struct RefusedBy {
    name: &'static str,
    /// In the order of [`Refused::ALL`].
    counters: std::sync::Arc<[IntCounter]>,
}

impl RefusedBy {
    /// Counts a refusal.
    pub(crate) fn count(&self, why: Refused) {
        // The enum has no other discriminants than its places in the list.
        if let Some(counter) = self.counters.get(why as usize) {
            counter.inc();
        }
    }

    /// Tells in one line an interval what was refused in it, until `cancel`.
    pub(super) async fn tell(self, cancel: CancellationToken) {
        let mut told: Vec<u64> = self.counters.iter().map(IntCounter::get).collect();
        let mut interval = tokio::time::interval(TELL_EVERY);
        while cancel.run_until_cancelled(interval.tick()).await.is_some() {
            let now: Vec<u64> = self.counters.iter().map(IntCounter::get).collect();
            if let Some(sum) = sum(&told, &now) {
                let seconds = TELL_EVERY.as_secs();
                tracing::warn!(listener = self.name, refused = %sum, seconds, "connections and requests refused in the last minute");
            }
            told = now;
        }
    }
}

/// `full=3 body_too_slow=128`; nothing when nothing was refused.
fn sum(before: &[u64], now: &[u64]) -> Option<String> {
    let counts = before.iter().zip(now);
    let parts: Vec<String> = Refused::ALL
        .iter()
        .zip(counts)
        .map(|(why, (before, now))| (why.label(), now.saturating_sub(*before)))
        .filter(|(_, more)| *more > 0)
        .map(|(label, more)| format!("{label}={more}"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let registry = Registry::new();
        let counts = Counts::register(&registry).expect("metrics");
        let (refused, _) = counts.of("http");
        for why in Refused::ALL {
            refused.count(*why);
            let counter = counts.refused.with_label_values(&["http", why.label()]);
            assert_eq!(counter.get(), 1, "{why:?}");
        }
    }

    #[test]
    fn only_what_was_refused_since_is_told() {
        let none = vec![0; Refused::ALL.len()];
        assert_eq!(sum(&none, &none), None);
        let mut some = none.clone();
        some[Refused::Full as usize] = 3;
        some[Refused::Head as usize] = 1;
        assert_eq!(sum(&none, &some).as_deref(), Some("full=3 head=1"));
        assert_eq!(sum(&some, &some), None);
    }
}
