//! `/v1/statsnap/{user}`: a user's present state. Everything is text; sums are bitcoins.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::{bitcoins, no_such_user, result, shares};
use crate::ocean::office::{Desk, Office, Terms, now_ms};

pub(super) async fn tell(State(office): State<Arc<Office>>, Path(user): Path<String>) -> Response {
    let terms = office.terms;
    let told = office
        .desk
        .read(|desk| answer(desk, &terms, &user, now_ms() / 1_000));
    told.map_or_else(no_such_user, |told| result(&told))
}

fn answer(desk: &Desk, terms: &Terms, user: &str, now_secs: u64) -> Option<Value> {
    let account = desk.books.users.get(user)?;
    let work_of = |secs: u64| desk.tides.work_since(user, now_secs.saturating_sub(secs));
    let window = desk.tides.window();
    let next_msat = desk.basis.map_or(0, |basis| {
        let divided = window.divide(basis.reward_sat * 1_000, terms.with_others);
        divided.users.get(user).copied().unwrap_or(0)
    });
    let owed_msat = account.owed_msat();
    Some(json!({
        "user": user,
        "snap_ts": now_secs.to_string(),
        "hashrate_60s": (work_of(60) / 60).to_string(),
        "hashrate_300s": (work_of(300) / 300).to_string(),
        "shares_60s": shares(work_of(60)).to_string(),
        "shares_300s": shares(work_of(300)).to_string(),
        "shares_in_tides": shares(window.users.get(user).copied().unwrap_or(0)).to_string(),
        "estimated_earn_next_block": bitcoins(next_msat),
        "estimated_payout_next_block": bitcoins(owed_msat + next_msat),
        "unpaid": bitcoins(owed_msat),
        "lastest_share_ts": (account.last_share_ms.unwrap_or(0) / 1_000).to_string(),
    }))
}
