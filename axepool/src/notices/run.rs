//! The two tasks: one looks at miners from time to time, the other sends what is due.
//! Neither is waited for by anything.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, DeskError};
use super::record::Delivery;
use super::send::send;
use crate::clock;

/// So many are sent at once; the others wait in their records.
const AT_ONCE: usize = 8;

/// What failed is looked for so often; what is new wakes the sender.
const SEND_INTERVAL: Duration = Duration::from_secs(5);

/// Looks every `interval` and sends, until `cancel`. What is under way then is sent
/// again after the start, or was: a receiver knows an entry by its id.
pub(crate) async fn run(desk: Arc<Desk>, interval: Duration, cancel: CancellationToken) {
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
            tracing::warn!(%error, "miners cannot be told what changed; tried again");
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

async fn deliver(desk: &Desk) {
    loop {
        let due = futures::stream::iter(desk.due(clock::now_ms()));
        due.for_each_concurrent(AT_ONCE, |delivery| one(desk, delivery))
            .await;
        // What comes sooner wakes it; what waits for its turn does not.
        let _ = tokio::time::timeout(SEND_INTERVAL, desk.wake.notified()).await;
    }
}

async fn one(desk: &Desk, delivery: Delivery) {
    let sent = send(&delivery, desk.policy(), desk.about()).await;
    if let Err(error) = &sent {
        tracing::debug!(miner = %delivery.miner, %error, "a notice did not arrive");
    }
    let kept = desk.sent(&delivery, sent.is_ok(), clock::now_ms()).await;
    match kept {
        // The owner ended it meanwhile, and the feed is gone too.
        Ok(()) | Err(DeskError::Unknown(_)) => {}
        Err(error) => tracing::warn!(%error, "what was sent cannot be kept: it may come twice"),
    }
}
