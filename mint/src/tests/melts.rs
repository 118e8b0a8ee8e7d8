//! Melts through the mint's own lightning trait.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use cdk::wallet::ReceiveOptions;
use cdk_common::PaymentMethod;
use ledger::Msat;
use serde_json::json;

use super::support::{Owner, Pool};
use crate::{Lightning, LightningError, PayId, PayQuote, PayRequest, PayState};

/// The example of BOLT 11 for "1 cup coffee": 250,000 sat.
const INVOICE: &str = "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh";

/// A node that answers what it is told to.
#[derive(Default)]
struct FakeNode {
    answer: Mutex<Option<PayState>>,
    payments: Mutex<HashMap<PayId, u32>>,
}

impl FakeNode {
    fn answers(&self, state: PayState) {
        *self.answer.lock().expect("no panics") = Some(state);
    }

    fn state(&self) -> Result<PayState, LightningError> {
        let answer = self.answer.lock().expect("no panics").clone();
        answer.ok_or_else(|| LightningError("the node is down".into()))
    }
}

#[async_trait]
impl Lightning for FakeNode {
    async fn quote(&self, request: &PayRequest) -> Result<PayQuote, LightningError> {
        assert!(
            matches!(request, PayRequest::Bolt11 { invoice, amount: None } if invoice == INVOICE)
        );
        Ok(PayQuote {
            amount: Msat::new(250_000_000),
            fee_limit: Msat::new(1_000_001),
        })
    }

    async fn pay(
        &self,
        id: &PayId,
        _: &PayRequest,
        fee_limit: Msat,
    ) -> Result<PayState, LightningError> {
        assert_eq!(fee_limit, Msat::new(1_001_000), "rounded up to whole sats");
        *self
            .payments
            .lock()
            .expect("no panics")
            .entry(id.clone())
            .or_default() += 1;
        self.state()
    }

    async fn look_up(&self, id: &PayId) -> Result<PayState, LightningError> {
        assert!(
            self.payments.lock().expect("no panics").contains_key(id),
            "asked about {id}"
        );
        self.state()
    }
}

async fn funded(pool: &Pool) -> cdk::wallet::Wallet {
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 300_000)]).await;
    let claim = pool.claim(&owner, false).await;
    let wallet = pool.wallet().await;
    let options = ReceiveOptions {
        p2pk_signing_keys: vec![owner.secret],
        ..ReceiveOptions::default()
    };
    wallet
        .receive(claim["token"].as_str().expect("a token"), options)
        .await
        .expect("receives");
    wallet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ecash_becomes_a_lightning_payment() {
    let node = Arc::new(FakeNode::default());
    let pool = Pool::with(Some(Arc::clone(&node) as _)).await;
    let (_, info) = pool.get("/v1/info").await;
    assert_eq!(info["nuts"]["5"]["disabled"], false);
    let methods: Vec<_> = info["nuts"]["5"]["methods"]
        .as_array()
        .expect("methods")
        .iter()
        .map(|entry| entry["method"].clone())
        .collect();
    assert_eq!(methods, ["bolt11", "bolt12"]);
    assert_eq!(
        info["nuts"]["4"]["methods"].as_array().map(Vec::len),
        Some(1),
        "mints for work alone"
    );

    let wallet = funded(&pool).await;
    node.answers(PayState::Paid {
        spent: Msat::new(250_000_001),
        preimage: Some("00".repeat(32)),
    });
    let bolt11 = PaymentMethod::from("bolt11");
    let quote = wallet
        .melt_quote(bolt11, INVOICE, None, None)
        .await
        .expect("quotes");
    assert_eq!(
        (u64::from(quote.amount), u64::from(quote.fee_reserve)),
        (250_000, 1001)
    );
    let melt = wallet
        .prepare_melt(&quote.id, HashMap::new())
        .await
        .expect("prepares");
    melt.confirm().await.expect("pays");
    assert_eq!(
        node.payments
            .lock()
            .expect("no panics")
            .values()
            .copied()
            .collect::<Vec<_>>(),
        [1]
    );
    // What the way did not cost comes back; a begun satoshi is spent.
    assert_eq!(
        u64::from(wallet.total_balance().await.expect("sums")),
        300_000 - 250_001
    );
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(owed.outstanding_sat.get(), 49_999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_melts_are_refused_and_said_so() {
    let node = Arc::new(FakeNode::default());
    let pool = Pool::with(Some(node)).await;
    let ask = || {
        pool.post(
            "/v1/melt/quote/bolt11",
            json!({ "request": INVOICE, "unit": "sat" }),
        )
    };
    assert_eq!(ask().await.0, 200);
    pool.mint.pause_melts(true).await.expect("pauses");
    let (_, info) = pool.get("/v1/info").await;
    assert_eq!(info["nuts"]["5"]["disabled"], true);
    assert_eq!(ask().await.0, 400);
    pool.mint.pause_melts(false).await.expect("resumes");
    assert_eq!(ask().await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_payment_gives_the_ecash_back() {
    let node = Arc::new(FakeNode::default());
    let pool = Pool::with(Some(Arc::clone(&node) as _)).await;
    let wallet = funded(&pool).await;
    node.answers(PayState::NotPaid);
    let bolt11 = PaymentMethod::from("bolt11");
    let quote = wallet
        .melt_quote(bolt11, INVOICE, None, None)
        .await
        .expect("quotes");
    let melt = wallet
        .prepare_melt(&quote.id, HashMap::new())
        .await
        .expect("prepares");
    assert!(melt.confirm().await.is_err());
    assert_eq!(
        u64::from(wallet.total_balance().await.expect("sums")),
        300_000
    );
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(owed.outstanding_sat.get(), 300_000);
}
