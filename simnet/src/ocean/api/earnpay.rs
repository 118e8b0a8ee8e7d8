//! `/v1/earnpay/{user}/{start}/{end}`: a user's earnings and on-chain payments in a span
//! of time (seconds since 1970).

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::{ApiFault, error, no_such_user, result, shares, time};
use crate::ocean::books::{Account, Earning, Paid, Via};
use crate::ocean::office::Office;

pub(super) async fn tell(
    State(office): State<Arc<Office>>,
    Path(path): Path<HashMap<String, String>>,
) -> Response {
    let user = path.get("user").map_or("", String::as_str);
    let secs = |name, otherwise: u64| match path.get(name) {
        None => Ok(otherwise),
        Some(text) => text.parse(),
    };
    let (Ok(start), Ok(end)) = (secs("start", 0), secs("end", u64::MAX)) else {
        return error(StatusCode::OK, "start and end are unix times");
    };
    let told = office.desk.read(|desk| {
        let percent = match desk.api_fault {
            ApiFault::LyingEarnings { percent } => percent,
            _ => 100,
        };
        let account = desk.books.users.get(user)?;
        Some(answer(account, start, end, percent))
    });
    told.map_or_else(no_such_user, |told| result(&told))
}

fn answer(account: &Account, start: u64, end: u64, percent: u32) -> Value {
    let is_asked = |at_ms: u64| (start..=end).contains(&(at_ms / 1_000));
    let earnings = account.earnings.iter().rev();
    let earnings: Vec<Value> = earnings
        .filter(|earning| is_asked(earning.at_ms))
        .map(|earning| earned(earning, percent))
        .collect();
    let payouts = account.payments.iter().rev();
    let payouts: Vec<Value> = payouts
        .filter(|paid| is_asked(paid.at_ms))
        .filter_map(paid_on_chain)
        .collect();
    json!({ "earnings": earnings, "payouts": payouts })
}

/// Whole satoshis, rounded down.
fn earned(earning: &Earning, percent: u32) -> Value {
    let told = u128::from(earning.net_msat / 1_000) * u128::from(percent) / 100;
    json!({
        "block_hash": earning.block.to_string(),
        "ts": time::iso(earning.at_ms),
        "shares_in_window": shares(earning.work).to_string(),
        "fees_colected_satoshis": (earning.fee_msat / 1_000).to_string(),
        "satoshis_net_earned": told.to_string(),
    })
}

/// Lightning payments are not listed.
fn paid_on_chain(paid: &Paid) -> Option<Value> {
    let (txid, is_generation) = match paid.via {
        Via::Transaction(txid) => (txid, false),
        Via::Coinbase(txid) => (txid, true),
        Via::Lightning { .. } => return None,
    };
    Some(json!({
        "ts": time::iso(paid.at_ms),
        "on_chain_txid": txid.to_string(),
        "total_satoshis_net_paid": paid.msat / 1_000,
        "is_generation_txn": is_generation,
    }))
}
