//! `GET /api/epochs` and `GET /api/epochs/{id}`.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use ledger::settle::EpochAccount;
use ledger::{Epoch, EpochId, LedgerError, MinerId, Work};
use serde::Serialize;

use super::Api;
use super::answer::{self, Newest, Refusal};

/// The most miners that an epoch's answer lists; all are in the audit file.
const MOST_MINERS: usize = 1000;

/// An epoch: the shares' side and the money's.
#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    epoch: Epoch,
    /// Terms, block and money; `null` for the moment in which it is being booked.
    account: Option<EpochAccount>,
}

#[derive(Debug, Serialize)]
struct List {
    /// The newest first.
    epochs: Vec<Entry>,
}

/// A miner in an epoch.
#[derive(Debug, Serialize)]
struct Row {
    miner: MinerId,
    work: Work,
    shares: u64,
    upstream_accepted_work: Work,
}

#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    entry: Entry,
    /// Most work first, at most 1,000; `totals.miners` says how many there are.
    miners: Vec<Row>,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    query: Result<Query<Newest>, QueryRejection>,
) -> Result<Response, Refusal> {
    let newest = Newest::read(query)?;
    let epochs = api.look(move |api| listed(api, newest)).await?;
    Ok(answer::json(&List { epochs }))
}

fn listed(api: &Api, newest: usize) -> Result<Vec<Entry>, LedgerError> {
    let mut accounts = api.reader.epoch_accounts()?;
    let epochs = api.reader.epochs(newest)?.into_iter();
    let entry = |epoch: Epoch| Entry {
        account: accounts.remove(&epoch.id),
        epoch,
    };
    Ok(epochs.map(entry).collect())
}

pub(super) async fn one(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let missing = || Refusal::Missing("there is no such epoch: /api/epochs lists them".to_owned());
    let id = id.parse().map(EpochId::new).map_err(|_| missing())?;
    let whole = api.look(move |api| whole(api, id)).await?;
    Ok(answer::json(&whole.ok_or_else(missing)?))
}

fn whole(api: &Api, id: EpochId) -> Result<Option<Whole>, LedgerError> {
    let Some(epoch) = api.reader.epoch(id)? else {
        return Ok(None);
    };
    let account = api.reader.epoch_account(id)?;
    let tallies = api.reader.tallies(id)?.into_iter();
    let row = |(miner, tally): (MinerId, ledger::Tally)| Row {
        miner,
        work: tally.work,
        shares: tally.shares,
        upstream_accepted_work: tally.upstream_accepted_work,
    };
    let mut miners: Vec<Row> = tallies.map(row).collect();
    miners.sort_by(|a, b| b.work.cmp(&a.work).then(a.miner.cmp(&b.miner)));
    miners.truncate(MOST_MINERS);
    let entry = Entry { epoch, account };
    Ok(Some(Whole { entry, miners }))
}
