//! Server-sent events: what changed, every few seconds, to a bounded number of readers.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use listener::{Full, Household, Place, Places, Refused, Visitor};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::super::api::Refusal;
use super::super::routes::for_anybody;

/// Streams at once; each looks at the books once an interval.
const MOST: usize = 256;

/// Of one household: a few tabs on a few devices.
const MOST_PER_HOUSEHOLD: usize = 8;

/// How often is looked. A look that finds all places taken is left out.
const INTERVAL: Duration = Duration::from_secs(3);

/// How often something is sent, at least: proxies close what is silent.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The places; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Places);

impl Default for Streams {
    fn default() -> Self {
        Streams(Places::new(MOST, MOST_PER_HOUSEHOLD))
    }
}

impl Streams {
    /// A place for a reader.
    ///
    /// # Errors
    /// All are taken, or too many by this household.
    pub(super) fn enter(&self, visitor: &Visitor) -> Result<Place, Refusal> {
        let place = self.take(visitor.household(), visitor.ending());
        place.map_err(|_| {
            visitor.refuse(Refused::Streams);
            Refusal::Busy
        })
    }

    fn take(&self, household: Household, ending: CancellationToken) -> Result<Place, Full> {
        let (place, _) = self.0.enter(household, ending)?;
        Ok(place)
    }
}

/// Events called `name` with what `look` gives, whenever that differs from the last one,
/// until `closing`. A reader that does not read is not looked for either: the connection
/// drops it.
pub(crate) fn events<L, F>(
    name: &'static str,
    place: Place,
    closing: CancellationToken,
    look: L,
) -> Response
where
    L: Fn() -> F + Send + 'static,
    F: Future<Output = Result<String, Refusal>> + Send,
{
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let state = (interval, String::new(), place, look, closing, name);
    let changes = stream::unfold(state, async |state| {
        let (mut interval, mut last, place, look, closing, name) = state;
        loop {
            closing.run_until_cancelled(interval.tick()).await?;
            // Busy or failing: it is logged where it happens, and looked again.
            let Ok(now) = look().await else { continue };
            if now != last {
                let event = Event::default().event(name).data(&now);
                last = now;
                let state = (interval, last, place, look, closing, name);
                return Some((Ok::<_, Infallible>(event), state));
            }
        }
    });
    let keep = KeepAlive::new().interval(HEARTBEAT);
    let mut response = for_anybody(Sse::new(changes).keep_alive(keep)).into_response();
    // nginx holds answers back unless told otherwise.
    let headers = response.headers_mut();
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn household(text: &str) -> Household {
        Household::of(text.parse().expect("an address"))
    }

    #[test]
    fn places_are_bounded_in_all_and_by_household_and_given_back() {
        let streams = Streams::default();
        let ending = CancellationToken::new();
        let enter = |text: &str| streams.take(household(text), CancellationToken::new());
        let one = || streams.take(household("192.0.2.1"), ending.clone());
        let mut own: Vec<Place> = (0..MOST_PER_HOUSEHOLD)
            .map(|_| one().expect("a place"))
            .collect();
        assert!(one().is_err());
        own.pop();
        own.push(one().expect("given back"));
        let others = (MOST_PER_HOUSEHOLD..MOST).map(|n| {
            let address = format!("10.0.{}.{}", n / 250, n % 250);
            enter(&address).expect("a place")
        });
        let others: Vec<Place> = others.collect();
        let newcomer = enter("192.0.2.2");
        assert!(newcomer.is_ok(), "who has most makes room");
        assert!(ending.is_cancelled());
        drop((own, others, newcomer));
        assert_eq!(streams.0.count(), 0);
    }
}
