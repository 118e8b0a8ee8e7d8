//! `/v1/blocks/{page}/{size}/{legacy}`: the blocks that OCEAN found, the newest first.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::{ApiFault, error, result, time};
use crate::ocean::books::{BlockState, OceanBlock};
use crate::ocean::office::Office;

/// Without a size, and the most.
const SIZES: (usize, usize) = (20, 100);

pub(super) async fn list(
    State(office): State<Arc<Office>>,
    Path(path): Path<HashMap<String, String>>,
) -> Response {
    let number = |name, otherwise: usize| match path.get(name) {
        None => Ok(otherwise),
        Some(text) => text.parse(),
    };
    let (Ok(page), Ok(size)) = (number("page", 0), number("size", SIZES.0)) else {
        return error(StatusCode::OK, "page and size are numbers");
    };
    let size = size.min(SIZES.1);
    let rows = office.desk.read(|desk| {
        let newest = match desk.api_fault {
            ApiFault::Behind { height } => height,
            _ => u32::MAX,
        };
        let rows = desk.books.blocks.iter().rev().filter(|block| {
            block.height <= newest
                && matches!(block.state, BlockState::Waiting | BlockState::PaidOut)
        });
        let rows = rows.skip(page.saturating_mul(size)).take(size);
        rows.map(row).collect::<Vec<Value>>()
    });
    result(&json!({ "blocks": rows }))
}

fn row(block: &OceanBlock) -> Value {
    let (username, worker) = block
        .username
        .split_once('.')
        .unwrap_or((&block.username, ""));
    json!({
        "height": block.height,
        "ts": time::iso(block.at_ms),
        "total_reward_sats": block.reward_sat().to_string(),
        "subsidy_sats": block.subsidy_sat.to_string(),
        "txn_fees_sats": block.fees_sat.to_string(),
        "block_hash": block.hash.to_string(),
        "workername": worker,
        "username": username,
    })
}
