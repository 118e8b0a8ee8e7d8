//! `GET /epochs/{id}`: an epoch, its payouts, its miners, and how to check all of it.

use std::sync::Arc;

use accounting::EpochId;
use accounting::settle::{EpochAccount, Stage};
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use basics::humane;

use super::super::super::api::Refusal;
use super::super::super::api::audit::{Proof, Row};
use super::super::super::api::epochs::{One, epoch_id};
use super::super::super::api::split::{self, Asked};
use super::super::{Frame, Pages, format, page};
use super::check::Check;
use super::refused;
use super::words::{self, Badge};

#[derive(Debug, Template)]
#[template(path = "epoch.html")]
struct Epoch {
    frame: Frame,
    id: u64,
    badge: Badge,
    facts: Vec<Fact>,
    /// The block that closed it, or did until it was orphaned: height and hash.
    block: Option<(String, String)>,
    merged_into: Option<u64>,
    absorbed: Vec<u64>,
    orphaned: bool,
    payouts: Vec<Payout>,
    check: Option<Check>,
    split: Split,
}

/// A name and what it is.
#[derive(Debug)]
struct Fact {
    name: &'static str,
    value: String,
}

/// A payout that concerns the epoch.
#[derive(Debug)]
struct Payout {
    number: u64,
    received: String,
    /// All of it, and what this epoch got of it.
    amount: String,
    own: String,
    fee: String,
    proof: Proof,
    /// The other epochs that got something.
    others: Vec<u64>,
    /// The work of so many epochs is what it was split over.
    split_over: usize,
    hash: String,
    previous: Option<String>,
    json: String,
    csv: String,
    /// Its split is shown.
    is_shown: bool,
}

/// One page of the miners.
#[derive(Debug)]
struct Split {
    payout: Option<u64>,
    rows: Vec<Miner>,
    miners: String,
    page: usize,
    pages: usize,
}

/// A miner's line.
#[derive(Debug)]
struct Miner {
    key: String,
    short: String,
    work: String,
    part: String,
    got: Option<Got>,
}

/// What the payout did to them.
#[derive(Debug)]
struct Got {
    allocated: String,
    before: String,
    paid: String,
    after: String,
}

impl Epoch {
    fn new(pages: &Pages, one: &One, split: split::Page) -> Epoch {
        let epoch = &one.entry.epoch;
        let account = one.entry.account.as_ref();
        let shown = split.payout;
        let row = one.payouts.iter().find(|row| Some(row.number) == shown);
        let is_test = pages.frame.test_network().is_some();
        let address = (!is_test).then(|| pages.api.payout_address());
        let (block, merged_into) = match account.map(|account| account.stage) {
            Some(Stage::Closed { block }) => (block, None),
            Some(Stage::Merged { into, block }) => (Some(block), Some(into.get())),
            Some(Stage::Open) | None => (None, None),
        };
        let absorbed = account.map(|account| account.absorbed.iter().map(|id| id.get()));
        let payout = |row: &Row| Payout::new(row, epoch.id, Some(row.number) == shown);
        Epoch {
            frame: pages.frame.at("epochs"),
            id: epoch.id.get(),
            badge: Badge::of(account),
            facts: facts(epoch, account),
            block: block.map(|block| {
                let height = format::count(u64::from(block.height));
                (height, block.hash.to_string())
            }),
            merged_into,
            absorbed: absorbed.into_iter().flatten().collect(),
            orphaned: account.is_some_and(|account| account.orphaned),
            payouts: one.payouts.iter().map(payout).collect(),
            check: row.map(|row| Check::new(row, pages.api.url(), address)),
            split: Split::new(split),
        }
    }
}

fn facts(epoch: &accounting::Epoch, account: Option<&EpochAccount>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact = |name, value| facts.push(Fact { name, value });
    fact("Opened", format!("{} UTC", humane::utc(epoch.opened_ms)));
    if let Some(closed_ms) = epoch.closed_ms() {
        fact("Closed", format!("{} UTC", humane::utc(closed_ms)));
    }
    let totals = &epoch.totals;
    fact("Work, in shares of difficulty 1", format::work(totals.work));
    fact("Shares", format::count(totals.shares));
    fact("Miners", format::count(totals.miners));
    let accepted = format::work(totals.upstream_accepted_work);
    fact("Work that OCEAN took", accepted);
    if let Some(account) = account {
        if let Some(earnings) = account.earnings {
            let net = format::count(earnings.net.get());
            fact("OCEAN says it earned", format!("{net} sat"));
        }
        let received = format::msat(account.received);
        fact("Received", format!("{received} sat"));
    }
    fact("Operator's fee", words::fee(&epoch.terms));
    fact("Split", epoch.terms.split.words().to_owned());
    fact("Quotes", epoch.terms.quote_per.words().to_owned());
    facts
}

impl Payout {
    fn new(row: &Row, epoch: EpochId, is_shown: bool) -> Payout {
        let own = row.parts.iter().find(|part| part.epoch == epoch);
        let own = own.map(|part| format::msat(part.amount_msat));
        let others = row.epochs.iter().filter(|other| **other != epoch);
        Payout {
            number: row.number,
            received: humane::utc(row.received_ms),
            amount: format::msat(row.amount_msat),
            own: own.unwrap_or_else(|| "0.000".to_owned()),
            fee: format::msat(row.fee_msat),
            proof: row.proof,
            others: others.map(|other| other.get()).collect(),
            split_over: row.split_over.len(),
            hash: row.hash.to_string(),
            previous: row.previous.map(|hash| hash.to_string()),
            json: row.json.clone(),
            csv: row.csv.clone(),
            is_shown,
        }
    }
}

impl Split {
    fn new(page: split::Page) -> Split {
        let all = page.work;
        let miner = |entry: &split::Entry| {
            let key = entry.miner.to_string();
            Miner {
                short: humane::short_key(&key),
                key,
                work: format::work(entry.work),
                part: words::part(entry.work, all),
                got: entry.got.map(|got| Got {
                    allocated: format::count(got.allocated_msat.get()),
                    before: format::count(got.carry_before_msat.get()),
                    paid: format::count(got.paid_sat.get()),
                    after: format::count(got.carry_after_msat.get()),
                }),
            }
        };
        Split {
            payout: page.payout,
            rows: page.rows.iter().map(miner).collect(),
            miners: format::count(u64::try_from(page.miners).unwrap_or(u64::MAX)),
            page: page.page,
            pages: page.pages,
        }
    }

    /// The address of another page of it.
    fn turned(&self, page: usize) -> String {
        match self.payout {
            Some(payout) => format!("?payout={payout}&page={page}#miners"),
            None => format!("?page={page}#miners"),
        }
    }
}

pub(in super::super) async fn get(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Response {
    match look(&pages, &id, query).await {
        Ok(epoch) => page(StatusCode::OK, &epoch),
        Err(refusal) => refused(&pages.frame, refusal),
    }
}

async fn look(
    pages: &Pages,
    id: &str,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Epoch, Refusal> {
    let id = epoch_id(id)?;
    let Query(asked) = query.map_err(|error| Refusal::Bad(error.body_text()))?;
    let one = pages.api.epoch(id).await?;
    let split = pages.api.split(id, asked).await?;
    Ok(Epoch::new(pages, &one, split))
}
