//! `POST /v1/mint/quote/{method}/pubkey`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use cdk_common::nuts::MintQuoteCustomResponse;
use cdk_common::quote_id::QuoteId;
use serde::Serialize;

use super::error::HttpError;
use crate::handle::Mint;
use crate::lookup::{LookupRequest, authenticate};
use crate::quote::METHOD;

#[derive(Serialize)]
pub(super) struct Answer {
    quotes: Vec<MintQuoteCustomResponse<QuoteId>>,
}

pub(super) async fn post(
    State(mint): State<Mint>,
    Path(method): Path<String>,
    body: Bytes,
) -> Result<Json<Answer>, HttpError> {
    if method != METHOD {
        return Err(HttpError::bad_request(format_args!(
            "quotes here are of method {METHOD}"
        )));
    }
    let request: LookupRequest = serde_json::from_slice(&body).map_err(HttpError::bad_request)?;
    let keys = authenticate(&request, mint.key())?;
    let mut quotes = mint.look_up(&keys).await?;
    for quote in &mut quotes {
        // cdk's 0 is no time: see the module `form`.
        quote.expiry = quote.expiry.filter(|expiry| *expiry != 0);
    }
    Ok(Json(Answer { quotes }))
}
