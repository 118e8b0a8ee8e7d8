//! The two tasks: one looks at miners from time to time, the other sends what is due.
//! Neither is waited for by anything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::MinerId;
use basics::clock;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, DeskError};
use super::lanes::{Lane, Lanes};
use super::record::Delivery;
use super::send::{Outcome, send};
use signed::Target;

/// What waited for its time is looked for so often; what is new wakes the sender.
const SEND_INTERVAL: Duration = Duration::from_secs(5);

/// Looks every `interval` and sends, until `cancel`. What is under way then is sent
/// again after the start, or was: a receiver knows an entry by its id.
pub async fn run(desk: Arc<Desk>, interval: Duration, cancel: CancellationToken) {
    let both = async { tokio::join!(watch(&desk, interval), deliver(&desk)) };
    cancel.run_until_cancelled(both).await;
}

async fn watch(desk: &Desk, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut serving_since_ms = None;
    loop {
        ticks.tick().await;
        let now_ms = clock::now_ms();
        serving_since_ms = match (desk.is_serving(), serving_since_ms) {
            (false, _) => None,
            (true, None) => Some(now_ms),
            (true, since) => since,
        };
        if let Err(error) = look_at_all(desk, now_ms, serving_since_ms).await {
            // All of it is looked at again at the next tick.
            tracing::warn!(%error, "notices of miners cannot be updated; will retry");
        }
        desk.wake.notify_one();
    }
}

async fn look_at_all(
    desk: &Desk,
    now_ms: u64,
    serving_since_ms: Option<u64>,
) -> Result<(), DeskError> {
    desk.tidy(now_ms).await?;
    for miner in desk.watched() {
        desk.look(&miner, now_ms, serving_since_ms).await?;
    }
    Ok(())
}

/// Sends what is due until it is dropped. Each server has its lane; nothing waits for a
/// request of another lane.
async fn deliver(desk: &Desk) {
    let begun = Instant::now();
    let elapsed_ms = || clock::as_ms(begun.elapsed());
    let mut lanes = Lanes::default();
    let mut under_way = FuturesUnordered::new();
    // A key whose message is under way is not sent another one, wherever to.
    let mut busy = BTreeSet::new();
    loop {
        let begin = |miner: &MinerId, target: &Target| {
            let lane = Lane::of(target, desk.policy());
            !busy.contains(miner) && lanes.begin(&lane, elapsed_ms())
        };
        let deliveries = desk.due(clock::now_ms(), begin);
        busy.extend(deliveries.iter().map(|delivery| delivery.miner));
        under_way.extend(deliveries.into_iter().map(|delivery| one(desk, delivery)));
        tokio::select! {
            Some((delivery, outcome)) = under_way.next() => {
                let wait_ms = match outcome {
                    Outcome::Held { asked_ms } => Some(asked_ms),
                    Outcome::Arrived | Outcome::Failed => None,
                };
                busy.remove(&delivery.miner);
                let lane = Lane::of(&delivery.target, desk.policy());
                lanes.end(&lane, &delivery.miner, wait_ms, elapsed_ms());
            }
            () = desk.wake.notified() => {}
            () = tokio::time::sleep(SEND_INTERVAL) => {}
        }
    }
}

async fn one(desk: &Desk, delivery: Delivery) -> (Delivery, Outcome) {
    let sent = send(&delivery, desk.policy(), desk.about()).await;
    if let Err(error) = &sent {
        tracing::debug!(miner = %delivery.miner, %error, "a notice did not arrive");
    }
    let outcome = Outcome::of(delivery.target.channel, &sent);
    match desk.sent(&delivery, outcome, clock::now_ms()).await {
        // The owner ended it meanwhile, and the feed is gone too.
        Ok(()) | Err(DeskError::Unknown(_)) => {}
        Err(error) => tracing::warn!(%error, "what was sent cannot be kept: it may come twice"),
    }
    (delivery, outcome)
}

#[cfg(test)]
mod tests;
