//! `GET /api/payouts`.

use std::sync::Arc;

use accounting::settle::PayoutState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use ledger::LedgerError;
use pool::admin::PayoutRow;
use pool::control;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::answer::{self, Newest, Refusal};

/// A list of payments.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Payouts")]
pub(crate) struct List {
    /// The newest first.
    payouts: Vec<PayoutRow>,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    query: Result<Query<Newest>, QueryRejection>,
) -> Result<Response, Refusal> {
    let newest = Newest::read(query)?;
    let payouts = api.look(move |api| listed(api, newest)).await?;
    Ok(answer::json(&List { payouts }))
}

/// The newest payments that are the miners', or may become so. What others sent the
/// operator is nobody else's business.
pub(super) fn listed(api: &Api, newest: usize) -> Result<Vec<PayoutRow>, LedgerError> {
    let mut payouts = api.reader.payouts(newest)?;
    payouts.retain(|payout| payout.state != PayoutState::Operators);
    let mut rows = control::rows(&api.reader, &mut api.settled().index, payouts)?;
    for row in &mut rows {
        // Whoever pays us a msat would write on this page. The audit file has it.
        row.note = None;
    }
    Ok(rows)
}
