//! `GET /api/`: what there is.

use std::sync::Arc;

use accounting::{Incarnation, schema};
use axum::extract::State;
use axum::response::Response;
use bitcoin::secp256k1::XOnlyPublicKey;
use schemars::JsonSchema;
use serde::Serialize;
use signed::ReceiptKey;

use super::Api;
use super::answer::json;

/// Overview of the API.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Index {
    /// The pool's name.
    name: String,
    /// `bitcoin`, `testnet4`, `signet`, `regtest`.
    network: String,
    /// The version of Axepool.
    version: &'static str,
    /// The address that OCEAN knows the pool by.
    payout_address: String,
    /// The mint's URL, as its tokens name it.
    mint: String,
    /// The mint's description of itself (NUT-06).
    #[schemars(with = "schema::UrlPath")]
    mint_info: &'static str,
    /// The ledger of this pool. A restored backup is another one.
    ledger: Incarnation,
    /// The key that signs receipts; `null`: this pool cannot sign now.
    #[schemars(with = "Option<schema::XOnlyKey>")]
    receipt_key: Option<XOnlyPublicKey>,
    /// The pool as a whole.
    #[schemars(with = "schema::UrlPath")]
    pool: &'static str,
    /// A miner.
    #[schemars(with = "schema::UrlPath")]
    miner: &'static str,
    /// A miner's work so far, signed.
    #[schemars(with = "schema::UrlPath")]
    receipt: &'static str,
    /// The epochs.
    #[schemars(with = "schema::UrlPath")]
    epochs: &'static str,
    /// The payments.
    #[schemars(with = "schema::UrlPath")]
    payouts: &'static str,
    /// The audit files.
    #[schemars(with = "schema::UrlPath")]
    audit: &'static str,
    /// Liabilities and assets.
    #[schemars(with = "schema::UrlPath")]
    solvency: &'static str,
    /// Whether the pool winds down.
    #[schemars(with = "schema::UrlPath")]
    wind_down: &'static str,
    /// What a pool that winds down owes to each miner.
    #[schemars(with = "schema::UrlPath")]
    balances: &'static str,
    /// The OpenAPI document.
    #[schemars(with = "schema::UrlPath")]
    openapi: &'static str,
}

pub(super) async fn get(State(api): State<Arc<Api>>) -> Response {
    let about = &api.about;
    json(&Index {
        name: about.name.clone(),
        network: about.network.clone(),
        version: env!("CARGO_PKG_VERSION"),
        payout_address: about.payout_address.clone(),
        mint: about.mint.clone(),
        mint_info: "/v1/info",
        ledger: api.reader.incarnation(),
        receipt_key: api.receipts.as_ref().map(ReceiptKey::public),
        pool: "/api/pool",
        miner: "/api/miners/{key}",
        receipt: "/api/miners/{key}/receipt",
        epochs: "/api/epochs",
        payouts: "/api/payouts",
        audit: "/api/audit",
        solvency: "/api/solvency",
        wind_down: "/api/wind-down",
        balances: "/api/wind-down/balances",
        openapi: "/api/openapi.json",
    })
}
