//! What the node says of payments of ours, to the desk; and to a person what it does not.

use std::time::Duration;

use basics::backoff::Backoff;
use basics::clock::now_secs;
use tokio_util::sync::CancellationToken;

use super::Live;
use crate::outgoing::{Heard, PayError};

/// How often it is tried to write down what became of an outgoing payment before it is
/// acknowledged without. The node's own store has nearly all of it, and behind it in the
/// queue OCEAN's payouts wait.
const WRITE_TRIES: u32 = 12;

/// Between such tries, first and longest: with [`WRITE_TRIES`] about two minutes.
const WRITE_AGAIN: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));

/// A payment that is not decided for so long is told of, and again after as long.
pub(super) const UNDECIDED_ALARM: Duration = Duration::from_secs(3600);

/// Writes down what became of an outgoing payment. False when it was stopped before.
pub(super) async fn hear(live: &Live, heard: &Heard, stop: &CancellationToken) -> bool {
    let mut backoff = WRITE_AGAIN;
    loop {
        let (desk, what) = (live.desk(), heard.clone());
        let written = live.with(move |node| desk.hear(node, &what)).await;
        let Err(error) = written.map_err(PayError::from).and_then(|done| done) else {
            return true;
        };
        let wait = backoff.failed();
        tracing::error!(?heard, %error, ?wait, "the outcome of an outgoing payment cannot be stored");
        if backoff.failures() >= WRITE_TRIES {
            return true;
        }
        let waited = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        if waited.is_none() {
            return false;
        }
    }
}

/// Tells a person of the payments of which nobody knows what became of them.
pub(super) async fn tell_undecided(live: &Live) {
    let desk = live.desk();
    let left = live.with(move |node| desk.undecided(node)).await;
    let left = match left.map_err(PayError::from).and_then(|left| left) {
        Ok(left) => left,
        Err(error) => {
            tracing::error!(%error, "nothing can be paid");
            return;
        }
    };
    for one in left {
        let (id, amount) = (one.id, one.amount);
        let age = now_secs().saturating_sub(one.since_secs);
        if age >= UNDECIDED_ALARM.as_secs() {
            tracing::warn!(id, amount_msat = %amount, age_secs = age, "an outgoing payment is still undecided; its ecash stays locked");
        }
    }
}
