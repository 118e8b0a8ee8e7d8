//! A crash at every single write of a melt: what the mint owes and what the node spent
//! stay what was paid in, and nothing is paid twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use accounting::Msat;
use async_trait::async_trait;
use cdk_common::PaymentMethod;

use super::crash::Crash;
use super::melts::{INVOICE, funded, until};
use super::support::Pool;
use crate::{Lightning, LightningError, PayId, PayQuote, PayRequest, PayState};

const FUNDED_SAT: u64 = 300_000;
const SPENT_SAT: u64 = 250_001;

/// A node that outlives the mint, and pays what it is asked to for the first time.
#[derive(Default)]
struct Node(Mutex<BTreeMap<String, u32>>);

impl Node {
    fn state(&self, id: &PayId) -> PayState {
        match self.0.lock().expect("no panics").contains_key(id.as_str()) {
            true => PayState::Paid {
                spent: Msat::new(SPENT_SAT * 1000 - 999),
                preimage: None,
            },
            false => PayState::NotPaid,
        }
    }

    fn asked_to_pay(&self) -> u32 {
        self.0.lock().expect("no panics").values().sum()
    }
}

#[async_trait]
impl Lightning for Node {
    async fn quote(&self, _: &PayRequest) -> Result<PayQuote, LightningError> {
        Ok(PayQuote {
            amount: Msat::new(250_000_000),
            fee_limit: Msat::new(1_000_000),
        })
    }

    async fn pay(&self, id: &PayId, _: &PayRequest, _: Msat) -> Result<PayState, LightningError> {
        let mut paid = self.0.lock().expect("no panics");
        *paid.entry(id.as_str().to_owned()).or_default() += 1;
        drop(paid);
        Ok(self.state(id))
    }

    async fn look_up(&self, id: &PayId) -> Result<PayState, LightningError> {
        Ok(self.state(id))
    }
}

/// One melt with a crash after `writes`; true when there was one.
async fn dies_at(writes: usize) -> bool {
    let node = Arc::new(Node::default());
    let crash = Crash::after(usize::MAX);
    let pool = Pool::guarded(Some(Arc::clone(&node) as _), Arc::clone(&crash) as _).await;
    let wallet = funded(&pool).await;
    crash.comes_after(writes);
    // Whatever the wallet is told: what counts is what the books say afterwards.
    let melted = async {
        let quote = wallet
            .melt_quote(PaymentMethod::from("bolt11"), INVOICE, None, None)
            .await?;
        let melt = wallet.prepare_melt(&quote.id, Default::default()).await?;
        melt.confirm().await.map(drop)
    };
    // After the crash a wallet asks for ever, and nothing is written any more.
    let melted: Result<(), cdk::Error> = tokio::select! {
        melted = melted => melted,
        () = until("the crash", async || crash.happened()) => Err(cdk::Error::PendingQuote),
    };
    assert!(crash.happened() || melted.is_ok(), "{melted:?}");

    let again = pool.again(Arc::clone(&node) as _).await;
    for round in 0..2 {
        assert_eq!(again.settle_melts().await.expect("reads"), 0, "{writes}");
        let owed = again.liabilities().await.expect("reads").outstanding_sat;
        let paid = node.asked_to_pay();
        assert!(paid <= 1, "asked to pay {paid} times after write {writes}");
        let left = FUNDED_SAT - SPENT_SAT * u64::from(paid);
        assert_eq!(owed.get(), left, "after write {writes}, look {round}");
    }
    crash.happened()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_write_of_a_melt_keeps_the_sums() {
    let mut writes = 0;
    while dies_at(writes).await {
        writes += 1;
    }
    assert!(writes > 10, "only {writes} writes were tried");
}
