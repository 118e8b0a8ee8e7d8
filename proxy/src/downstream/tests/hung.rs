//! A ledger whose writer does not come to its next entry, as when its disk hangs.

use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

const GRACE: Duration = Duration::from_secs(3);

/// Holds up the thread that wakes it while it is shut. The ledger's writer wakes whoever
/// waits for its answer, so that a writer held up here comes to no entry, exactly as one
/// whose sync does not return.
#[derive(Debug, Default)]
struct Barrier {
    state: Mutex<BarrierState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct BarrierState {
    is_reached: bool,
    is_open: bool,
}

impl Wake for Barrier {
    fn wake(self: Arc<Self>) {
        let mut state = self.state.lock().unwrap();
        state.is_reached = true;
        self.changed.notify_all();
        while !state.is_open {
            state = self.changed.wait(state).unwrap();
        }
    }
}

impl Barrier {
    fn wait_until_reached(&self) {
        let state = self.state.lock().unwrap();
        let waiting = self
            .changed
            .wait_timeout_while(state, Duration::from_secs(20), |state| !state.is_reached);
        assert!(waiting.unwrap().0.is_reached, "the writer was not held up");
    }

    fn open(&self) {
        self.state.lock().unwrap().is_open = true;
        self.changed.notify_all();
    }
}

/// Polls `answer` until it waits for the writer, with the barrier as its waker. `Ready` is
/// an answer that came before the barrier was registered.
fn register<F: Future>(answer: Pin<&mut F>, barrier: &Arc<Barrier>) -> Poll<F::Output> {
    answer.poll(&mut Context::from_waker(&Waker::from(Arc::clone(barrier))))
}

#[tokio::test]
async fn a_disk_that_hangs_sends_devices_to_their_fallback_until_it_is_back() {
    let mut config = config();
    // Long enough for a busy machine to read and check five shares before it is over.
    config.store_grace = GRACE;
    let house = House::start_on(config, EVERY_HASH, ProxyListeners::default(), |ledger| {
        // The watchdog's question takes the one place, and five shares have none.
        ledger.channel_capacity = 1;
        // Long enough to register the barrier before the writer answers.
        ledger.window = Duration::from_millis(200);
        ledger.max_window = Duration::from_millis(200);
    })
    .await;
    let mut device = house.device().await;
    device.begin(MINER).await;

    let barrier = Arc::new(Barrier::default());
    let shares = house.ledger.shares();
    let turn = loop {
        let mut turn = Box::pin(shares.turn());
        if register(turn.as_mut(), &barrier).is_pending() {
            break turn;
        }
    };
    barrier.wait_until_reached();

    // In one segment: while a share waits for a place in the channel nothing more is read.
    let shares: String = (1..=5)
        .map(|nonce| submit(6 + nonce, "1", "0000000001", nonce))
        .collect();
    device.send(&shares).await;
    // Closed although nothing is answered and nothing can be handed on.
    assert_eq!(soon(device.rest()).await, b"");
    assert_eq!(house.metric("store_hung", ""), 1.0);
    let hung = house.proxy.status(0).downstream.store_hung_for;
    assert!(hung.is_some_and(|hung| hung >= GRACE), "{hung:?}");

    let mut late = house.device().await;
    late.send("{\"id\":1,\"method\":\"mining.subscribe\"}\n")
        .await;
    late.send(&(authorize(2, MINER) + "\n")).await;
    soon(late.rest()).await;
    house
        .metric_becomes("connections_closed_total", "store_failing", 2.0)
        .await;

    barrier.open();
    soon(turn).await.expect("the ledger is open");
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
