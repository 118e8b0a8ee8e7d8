//! Melts through the mint's own lightning trait: paid, refused, paused, and open for
//! longer than the process lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use accounting::Msat;
use async_trait::async_trait;
use cdk::wallet::{ReceiveOptions, Wallet};
use cdk_common::PaymentMethod;
use cdk_common::nuts::{MeltRequest, Proofs};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::support::{Owner, Pool};
use crate::{Lightning, LightningError, PayId, PayQuote, PayRequest, PayState};

/// The example of BOLT 11 for "1 cup coffee": 250,000 sat.
pub(super) const INVOICE: &str = "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh";

/// A node that answers what it is told to.
#[derive(Default)]
pub(super) struct FakeNode {
    answer: Mutex<Option<PayState>>,
    payments: Mutex<HashMap<PayId, u32>>,
    /// Why it gives no quotes.
    down: Mutex<Option<String>>,
}

impl FakeNode {
    fn payments(&self) -> Vec<u32> {
        let payments = self.payments.lock().expect("no panics");
        payments.values().copied().collect()
    }

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
        if let Some(why) = self.down.lock().expect("no panics").clone() {
            return Err(LightningError(why));
        }
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

pub(super) async fn funded(pool: &Pool) -> Wallet {
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
    assert_eq!(node.payments(), [1]);
    // What the way did not cost comes back; a begun satoshi is spent.
    assert_eq!(
        u64::from(wallet.total_balance().await.expect("sums")),
        300_000 - 250_001
    );
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(owed.outstanding_sat.get(), 49_999);
}

pub(super) async fn ask(pool: &Pool) -> (u16, Value) {
    let asked = json!({ "request": INVOICE, "unit": "sat" });
    pool.post("/v1/melt/quote/bolt11", asked).await
}

/// Pays the quote as a wallet would, with no wallet that remembers it.
async fn melt(pool: &Pool, quote: &str, proofs: &Proofs) -> (u16, Value) {
    let request = MeltRequest::new(quote.to_owned(), proofs.clone(), None);
    let body = serde_json::to_value(request).expect("json");
    pool.post("/v1/melt/bolt11", body).await
}

#[track_caller]
fn refused(answer: (u16, Value), code: u64, words: &str) {
    let (status, answer) = answer;
    assert_eq!(
        (status, answer["code"].as_u64()),
        (400, Some(code)),
        "{answer}"
    );
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(words), "{words:?} is not in {answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_melts_are_refused_with_the_reason() {
    let (node, pool, proofs) = pending().await;
    let (status, unpaid) = ask(&pool).await;
    assert_eq!(status, 200, "{unpaid}");
    let why = "the pool owes more than it has";
    pool.mint
        .pause_melts(Some(why.into()))
        .await
        .expect("pauses");
    assert_eq!(pool.mint.melts_paused().as_deref(), Some(why));
    let (_, info) = pool.get("/v1/info").await;
    assert_eq!(info["nuts"]["5"]["disabled"], true);
    assert_eq!(
        info["nuts"]["4"]["disabled"], false,
        "ecash is still issued"
    );
    assert_eq!(info["motd"], format!("melts are paused: {why}"));
    refused(ask(&pool).await, 50000, why);
    let wallet = pool.wallet().await;
    let quote = wallet.melt_quote(PaymentMethod::from("bolt11"), INVOICE, None, None);
    let error = quote.await.expect_err("paused").to_string();
    assert!(error.contains(why), "{error}");
    // A payment's code is one that wallets take for certain: its ecash is free again.
    let unpaid = unpaid["quote"].as_str().expect("an id");
    refused(melt(&pool, unpaid, &proofs).await, 20003, why);
    assert!(node.payments().is_empty(), "it reached the node");

    // It outlasts a restart, until somebody says otherwise.
    let again = pool.again(Arc::clone(&node) as _).await;
    assert_eq!(again.melts_paused().as_deref(), Some(why));
    let info = again.cdk().mint_info().await.expect("reads");
    assert!(info.nuts.nut05.disabled);

    pool.mint.pause_melts(None).await.expect("resumes");
    let (_, info) = pool.get("/v1/info").await;
    assert_eq!(
        (&info["nuts"]["5"]["disabled"], &info["motd"]),
        (&json!(false), &Value::Null)
    );
    node.answers(PayState::Paid {
        spent: Msat::new(250_000_000),
        preimage: None,
    });
    let (status, paid) = melt(&pool, unpaid, &proofs).await;
    assert_eq!((status, &paid["state"]), (200, &json!("PAID")), "{paid}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_goes_on_while_melts_are_paused() {
    let (node, pool, proofs) = pending().await;
    let (_, quote) = ask(&pool).await;
    let quote = quote["quote"].as_str().expect("an id");
    begin(&pool, quote, &proofs).await;
    pool.mint
        .pause_melts(Some("a test".into()))
        .await
        .expect("pauses");
    // Asked again by a wallet that lost the answer: it is not told that nothing happened.
    refused(melt(&pool, quote, &proofs).await, 11002, "");
    node.answers(PayState::Paid {
        spent: Msat::new(250_000_000),
        preimage: None,
    });
    let path = format!("/v1/melt/quote/bolt11/{quote}");
    let (status, found) = pool.get(&path).await;
    assert_eq!((status, &found["state"]), (200, &json!("PAID")), "{found}");
    assert_eq!(node.payments(), [1]);
}

/// A pool with ecash out, whose node does not know what becomes of a payment.
pub(super) async fn pending() -> (Arc<FakeNode>, Pool, Proofs) {
    let node = Arc::new(FakeNode::default());
    node.answers(PayState::Pending);
    let pool = Pool::with(Some(Arc::clone(&node) as _)).await;
    let proofs = funded(&pool).await.get_unspent_proofs().await;
    (node, pool, proofs.expect("reads"))
}

/// Begins the payment of a quote and does not wait for its outcome.
async fn begin(pool: &Pool, quote: &str, proofs: &Proofs) {
    let request = MeltRequest::new(quote.to_owned(), proofs.clone(), None);
    let mut body = serde_json::to_value(request).expect("json");
    body["prefer_async"] = json!(true);
    let (status, answer) = pool.post("/v1/melt/bolt11", body).await;
    assert_eq!(
        (status, &answer["state"]),
        (200, &json!("PENDING")),
        "{answer}"
    );
    until("a payment that the store knows to be pending", async || {
        pool.mint.settle_melts().await.expect("reads") == 1
    })
    .await;
}

pub(super) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_not_up_is_told_in_words() {
    let node = Arc::new(FakeNode::default());
    let words = "the node is not up yet: try again in a minute";
    *node.down.lock().expect("no panics") = Some(words.into());
    let pool = Pool::with(Some(Arc::clone(&node) as _)).await;
    let (_, info) = pool.get("/v1/info").await;
    assert_eq!(info["nuts"]["5"]["disabled"], false, "it will be up");
    refused(ask(&pool).await, 50000, words);
    let wallet = pool.wallet().await;
    let quote = wallet.melt_quote(PaymentMethod::from("bolt11"), INVOICE, None, None);
    let error = quote.await.expect_err("no node").to_string();
    assert!(error.contains(words), "{error}");
    *node.down.lock().expect("no panics") = None;
    assert_eq!(ask(&pool).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mint_without_a_node_says_so() {
    let pool = Pool::start().await;
    refused(ask(&pool).await, 50000, "it has no node");
}

/// The process ends with a payment under way, and comes back before its node does.
#[track_caller]
fn open_melt_ends(outcome: PayState, left_sat: u64) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let (node, pool, proofs) = pending().await;
        let (_, quote) = ask(&pool).await;
        begin(&pool, quote["quote"].as_str().expect("an id"), &proofs).await;
        pool.mint.close().await.expect("closes");

        *node.answer.lock().expect("no panics") = None;
        let again = pool.again(Arc::clone(&node) as _).await;
        assert_eq!(again.settle_melts().await.expect("reads"), 1, "{place}");
        let (decided, told) = watch::channel(0);
        let cancel = CancellationToken::new();
        let settler = again.spawn_melt_settler(told, cancel.clone());
        node.answers(outcome);
        decided.send_replace(1);
        until("the melt's end", async || {
            again
                .liabilities()
                .await
                .expect("reads")
                .outstanding_sat
                .get()
                == left_sat
        })
        .await;
        assert_eq!(again.settle_melts().await.expect("reads"), 0, "{place}");
        assert_eq!(node.payments(), [1], "{place}: paid once");
        cancel.cancel();
        settler.await.expect("ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_melt_is_settled_by_itself_once_the_node_is_back() {
    let paid = PayState::Paid {
        spent: Msat::new(250_000_000),
        preimage: None,
    };
    // No outputs for change were given: all inputs are burnt.
    open_melt_ends(paid, 0).await;
    open_melt_ends(PayState::NotPaid, 300_000).await;
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
