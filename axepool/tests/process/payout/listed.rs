//! OCEAN's lists of its blocks and payouts, which say what a test wants them to say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use bitcoin::{BlockHash, Txid};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::common::PoolSetup;

/// What is listed.
#[derive(Default)]
struct Listed {
    blocks: Vec<(u32, BlockHash)>,
    /// Payouts on-chain, with the satoshis of each.
    payouts: Vec<(Txid, u64)>,
}

type Rows = Arc<Mutex<Listed>>;

/// OCEAN's API with those lists and nothing else, until this is dropped.
pub struct List {
    rows: Rows,
    url: String,
    _serving: DropGuard,
}

async fn blocks(State(rows): State<Rows>) -> Json<Value> {
    let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
    let rows = rows.blocks.iter();
    let rows = rows.map(|(height, hash)| json!({"height": height, "block_hash": hash}));
    Json(json!({"result": {"blocks": rows.collect::<Vec<_>>()}}))
}

async fn earnpay(State(rows): State<Rows>) -> Json<Value> {
    let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
    let payout = |(txid, sat): &(Txid, u64)| json!({"on_chain_txid": txid, "total_satoshis_net_paid": sat.to_string()});
    let payouts: Vec<Value> = rows.payouts.iter().map(payout).collect();
    Json(json!({"result": {"earnings": [], "payouts": payouts}}))
}

impl List {
    /// An empty list, which vetoes nothing.
    pub async fn serve() -> List {
        let rows = Rows::default();
        let router = Router::new()
            .route("/v1/blocks/{page}/{size}/{legacy}", get(blocks))
            .route("/v1/earnpay/{user}/{since}", get(earnpay))
            .with_state(Arc::clone(&rows));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let serving = CancellationToken::new();
        let ends = serving.clone().cancelled_owned();
        let server = axum::serve(listener, router).with_graceful_shutdown(ends);
        tokio::spawn(async move { server.await });
        List {
            rows,
            url: format!("http://{at}/v1"),
            _serving: serving.drop_guard(),
        }
    }

    /// Has the pool ask it, as well as the chain.
    pub fn is_asked_by(&self, setup: &mut PoolSetup) {
        let asks = self.config();
        let changed = setup.stratum.replace("blocks = [\"chain\"]\n", &asks);
        assert_ne!(changed, setup.stratum);
        setup.stratum = changed;
    }

    /// The line for the pool's `[ocean]`.
    pub fn config(&self) -> String {
        format!("api_url = \"{}\"\n", self.url)
    }

    /// It lists that block alone.
    pub fn says(&self, height: u32, hash: BlockHash) {
        self.rows().blocks = vec![(height, hash)];
    }

    /// It lists one more payout.
    pub fn pays(&self, txid: Txid, sat: u64) {
        self.rows().payouts.push((txid, sat));
    }

    fn rows(&self) -> MutexGuard<'_, Listed> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
