//! A ledger whose writer does not come to its next entry, as when its disk hangs.

use super::*;

/// The writer sleeps for so long after the first entry of a batch: for that long it is as
/// if it waited in a sync.
const SLEEPS: Duration = Duration::from_secs(2);

async fn house() -> House {
    let mut config = config();
    config.store_grace = Duration::from_secs(1);
    House::start_on(config, EVERY_HASH, ProxyListeners::default(), |ledger| {
        // Of five shares one is with the writer, one waits in the channel, and three have
        // no place in it.
        ledger.channel_capacity = 1;
        ledger.window = SLEEPS;
        ledger.max_window = SLEEPS;
    })
    .await
}

#[tokio::test]
async fn a_disk_that_hangs_sends_devices_to_their_fallback_until_it_is_back() {
    let house = house().await;
    let mut device = house.device().await;
    device.begin(MINER).await;
    for nonce in 1..=5 {
        device
            .send(&submit(6 + nonce, "1", "0000000001", nonce))
            .await;
    }
    // Closed although nothing is answered and nothing can be handed on.
    assert_eq!(soon(device.rest()).await, b"");
    assert_eq!(house.metric("store_hung", ""), 1.0);
    let hung = house.proxy.status(0).downstream.store_hung_for;
    assert!(
        hung.is_some_and(|hung| hung >= Duration::from_secs(1)),
        "{hung:?}"
    );

    let mut late = house.device().await;
    late.send("{\"id\":1,\"method\":\"mining.subscribe\"}\n")
        .await;
    late.send(&(authorize(2, MINER) + "\n")).await;
    soon(late.rest()).await;
    house
        .metric_becomes("connections_closed_total", "store_failing", 2.0)
        .await;

    house.metric_becomes("store_hung", "", 0.0).await;
    assert_eq!(house.proxy.status(0).downstream.store_hung_for, None);
    // What was checked before is credited, though nobody waited for the answer.
    soon(async {
        while house.ledger.open_epoch().totals.shares < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut back = house.device().await;
    back.begin(MINER).await;
    house.stop().await;
}
