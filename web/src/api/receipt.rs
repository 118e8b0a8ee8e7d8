//! `GET /api/miners/{key}/receipt`: the miner's work so far, signed by the pool. Of the
//! open epoch, or of the one named by `?epoch=N`. Whether or not the mint is open.

use std::sync::Arc;

use accounting::{Epoch, EpochId, MinerId};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use basics::clock;
use ledger::LedgerError;
use schemars::JsonSchema;
use serde::Deserialize;
use signed::{Claim, Receipt, ReceiptKey};

use super::Api;
use super::answer::{self, Refusal, miner_in, parsed};

/// Which receipt.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ReceiptAsked")]
pub(crate) struct Asked {
    /// Of this epoch, unless the open one.
    #[schemars(with = "Option<EpochId>")]
    epoch: Option<u64>,
}

pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Path(key): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let miner = miner_in(&key)?;
    let Query(Asked { epoch }) = parsed(query)?;
    let epoch = epoch.map(EpochId::new);
    let signer = api.receipts.clone();
    let signer = signer.ok_or(Refusal::Unavailable("this pool cannot sign receipts now"))?;
    let receipt = api
        .look(move |api| sign(api, &signer, miner, epoch))
        .await?;
    let receipt = receipt.ok_or_else(|| {
        Refusal::Missing("no share of this key is counted in that epoch".to_owned())
    })?;
    Ok(answer::json(&receipt))
}

fn sign(
    api: &Api,
    signer: &ReceiptKey,
    miner: MinerId,
    epoch: Option<EpochId>,
) -> Result<Option<Receipt>, LedgerError> {
    // Before the look: what it finds is at least what there was at that time.
    let time_ms = clock::now_ms();
    let epoch = epoch.unwrap_or_else(|| api.reader.open_epoch().id);
    let (Some(tally), Some(Epoch { terms, .. })) =
        (api.reader.tally(epoch, &miner)?, api.reader.epoch(epoch)?)
    else {
        return Ok(None);
    };
    Ok(Some(signer.sign(Claim {
        version: Claim::VERSION,
        pool: signer.public(),
        ledger: api.reader.incarnation(),
        epoch,
        miner,
        work: tally.work,
        shares: tally.shares,
        upstream_accepted_work: tally.upstream_accepted_work,
        time_ms,
        terms: Some(terms),
    })))
}
