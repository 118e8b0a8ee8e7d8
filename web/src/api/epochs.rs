//! `GET /api/epochs` and `GET /api/epochs/{id}`.

use std::sync::Arc;

use accounting::settle::EpochAccount;
use accounting::{Epoch, EpochId, MinerId, Work};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use ledger::LedgerError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::answer::{self, Refusal, parsed};
use super::audit;

/// The most miners that an epoch's answer lists; all are in the audit file.
const MOST_MINERS: usize = 1000;

/// What a list has unless more are asked for, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;

/// An epoch: the shares' side and the money's.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EpochEntry")]
pub(crate) struct Entry {
    /// The shares' side.
    #[serde(flatten)]
    pub(crate) epoch: Epoch,
    /// Terms, block and money; `null` for the moment in which it is being booked.
    pub(crate) account: Option<EpochAccount>,
}

/// A list of epochs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Epochs")]
pub(crate) struct List {
    /// The newest first.
    epochs: Vec<Entry>,
}

/// A miner in an epoch.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MinerInEpoch")]
struct Row {
    /// The miner.
    miner: MinerId,
    /// The miner's work.
    work: Work,
    /// The number of shares.
    shares: u64,
    /// The part of the work that the upstream accepted.
    upstream_accepted_work: Work,
}

/// An epoch with the payouts that concern it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct One {
    /// The epoch.
    #[serde(flatten)]
    pub(crate) entry: Entry,
    /// What it got, or what was split over its work, in the order of the audit files.
    pub(crate) payouts: Vec<audit::Row>,
}

/// An epoch with its payouts and miners.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Epoch")]
pub(crate) struct Whole {
    #[serde(flatten)]
    one: One,
    /// Most work first, at most 1,000; `totals.miners` says how many there are.
    #[schemars(length(max = MOST_MINERS))]
    miners: Vec<Row>,
}

/// How many of the list, and from where: `?newest=N&before=ID`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "EpochsAsked")]
pub(crate) struct Asked {
    /// The number of entries, the newest first.
    #[schemars(range(max = MOST), extend("default" = USUAL))]
    pub(crate) newest: Option<usize>,
    /// Those before this one.
    #[schemars(with = "Option<EpochId>")]
    pub(crate) before: Option<u64>,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = parsed(query)?;
    let epochs = api.epochs(asked).await?;
    Ok(answer::json(&List { epochs }))
}

pub(super) async fn one(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let id = epoch_id(&id)?;
    let whole = api.look(move |api| whole(api, id)).await?;
    Ok(answer::json(&whole.ok_or_else(missing)?))
}

/// An epoch's number, in decimal digits.
pub(crate) fn epoch_id(text: &str) -> Result<EpochId, Refusal> {
    text.parse().map(EpochId::new).map_err(|_| missing())
}

pub(crate) fn missing() -> Refusal {
    Refusal::Missing("there is no such epoch: /api/epochs lists them".to_owned())
}

impl Api {
    /// Epochs, the newest first.
    pub(crate) async fn epochs(self: &Arc<Self>, asked: Asked) -> Result<Vec<Entry>, Refusal> {
        self.look(move |api| listed(api, asked)).await
    }

    /// One epoch with its payouts.
    pub(crate) async fn epoch(self: &Arc<Self>, id: EpochId) -> Result<One, Refusal> {
        let found = self.look(move |api| found(api, id)).await?;
        found.ok_or_else(missing)
    }
}

fn listed(api: &Api, asked: Asked) -> Result<Vec<Entry>, LedgerError> {
    let newest = asked.newest.unwrap_or(USUAL).min(MOST);
    let open = api.reader.open_epoch().id.get();
    let before = asked.before.unwrap_or(u64::MAX);
    // They are numbered without gaps; one more may have been opened just now.
    let skipped = open
        .saturating_add(1)
        .saturating_sub(before.saturating_sub(1));
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    let mut epochs = api.reader.epochs(newest.saturating_add(skipped))?;
    epochs.retain(|epoch| epoch.id.get() < before);
    epochs.truncate(newest);
    let mut accounts = api.reader.epoch_accounts()?;
    let entry = |epoch: Epoch| Entry {
        account: accounts.remove(&epoch.id),
        epoch,
    };
    Ok(epochs.into_iter().map(entry).collect())
}

fn found(api: &Api, id: EpochId) -> Result<Option<One>, LedgerError> {
    let Some(epoch) = api.reader.epoch(id)? else {
        return Ok(None);
    };
    let account = api.reader.epoch_account(id)?;
    let mut settled = api.settled();
    let files = settled.touched.files(&api.reader, id)?;
    let rows = files.into_iter();
    let rows = rows.filter_map(|number| audit::row(api, &mut settled, number).transpose());
    let payouts = rows.collect::<Result<_, _>>()?;
    let entry = Entry { epoch, account };
    Ok(Some(One { entry, payouts }))
}

fn whole(api: &Api, id: EpochId) -> Result<Option<Whole>, LedgerError> {
    let Some(one) = found(api, id)? else {
        return Ok(None);
    };
    let tallies = api.reader.tallies(id)?.into_iter();
    let row = |(miner, tally): (MinerId, accounting::Tally)| Row {
        miner,
        work: tally.work,
        shares: tally.shares,
        upstream_accepted_work: tally.upstream_accepted_work,
    };
    let mut miners: Vec<Row> = tallies.map(row).collect();
    miners.sort_by(|a, b| b.work.cmp(&a.work).then(a.miner.cmp(&b.miner)));
    miners.truncate(MOST_MINERS);
    Ok(Some(Whole { one, miners }))
}
