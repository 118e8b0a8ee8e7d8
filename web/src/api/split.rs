//! `GET /api/epochs/{id}/split`: the miners of an epoch page by page, and the effect of one
//! payout on each of them.
//!
//! The table of 100,000 miners costs disk reads and a sort, and strangers page through it:
//! whole tables are cached, 64 MB of them in all, and pages are cut from memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use accounting::settle::{AllocationRow, PayoutKey};
use accounting::{EpochId, MinerId, Msat, Sat, Work};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use basics::clock;
use ledger::LedgerError;
use moka::future::Cache;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::answer::{self, Refusal, parsed};
use super::audit;
use super::epochs::{epoch_id, missing};

/// Miners of one page.
const PER_PAGE: usize = 100;

/// All tables that are kept. One of 100,000 miners has about 20 MB.
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// How long a table is kept that nothing has changed.
const KEPT: Duration = Duration::from_secs(60);

/// How old the open epoch's may be, milliseconds.
const OPEN_AGE_MS: u64 = 5_000;

/// A miner in an epoch.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "SplitEntry")]
pub(crate) struct Entry {
    /// The miner.
    pub(crate) miner: MinerId,
    /// Their work, that of epochs merged into this one included.
    pub(crate) work: Work,
    /// What the upstream took of it.
    pub(crate) upstream_accepted_work: Work,
    /// What the payout did to them; `null` where there is none, or it gave them nothing.
    pub(crate) got: Option<Got>,
}

/// What a payout did to a miner, over all epochs that it covers.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) struct Got {
    /// Their part.
    pub(crate) allocated_msat: Msat,
    /// Their carry before.
    pub(crate) carry_before_msat: Msat,
    /// What went to their quote.
    pub(crate) paid_sat: Sat,
    /// Their carry after.
    #[schemars(extend("maximum" = 999))]
    pub(crate) carry_after_msat: Msat,
}

impl Got {
    fn of(row: &AllocationRow) -> Got {
        Got {
            allocated_msat: row.allocated,
            carry_before_msat: row.carry_before,
            paid_sat: row.paid,
            carry_after_msat: row.carry_after,
        }
    }
}

/// One page of an epoch's miners, with what one payout did to each.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Split")]
pub(crate) struct Page {
    /// The epoch.
    pub(crate) epoch: EpochId,
    /// The number of the payout's audit file; `null` while none concerns the epoch.
    #[schemars(range(min = 1))]
    pub(crate) payout: Option<u64>,
    /// Which page, from 1.
    #[schemars(range(min = 1))]
    pub(crate) page: usize,
    /// How many there are, at least 1.
    #[schemars(range(min = 1))]
    pub(crate) pages: usize,
    /// All miners.
    pub(crate) miners: usize,
    /// Their work.
    pub(crate) work: Work,
    /// Most work first.
    #[schemars(length(max = PER_PAGE))]
    pub(crate) rows: Vec<Entry>,
}

/// Which page: `?payout=N&page=N`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "SplitAsked")]
pub(crate) struct Asked {
    /// The payout by the number of its audit file, unless the newest of this epoch.
    #[schemars(range(min = 1))]
    pub(crate) payout: Option<u64>,
    /// Which page of 100 miners, from 1.
    #[schemars(range(min = 1), extend("default" = 1))]
    pub(crate) page: Option<usize>,
}

/// What a table follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    epoch: EpochId,
    payout: Option<(u64, PayoutKey)>,
    /// Epochs are merged into it as long as it is not paid.
    absorbed: usize,
    /// An open epoch's is of a time, in units of [`OPEN_AGE_MS`].
    time: Option<u64>,
}

/// An epoch's miners, most work first.
#[derive(Debug)]
struct Table {
    rows: Vec<Entry>,
    work: Work,
}

/// The tables that are kept.
#[derive(Debug)]
pub(super) struct Tables(Cache<Key, Arc<Table>>);

impl Tables {
    pub(super) fn new() -> Self {
        let weigh = |_: &Key, table: &Arc<Table>| {
            let bytes = table.rows.len().saturating_mul(size_of::<Entry>());
            u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(256)
        };
        let tables = Cache::builder()
            .weigher(weigh)
            .max_capacity(MAX_KEPT_BYTES)
            .time_to_live(KEPT);
        Tables(tables.build())
    }
}

pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let epoch = epoch_id(&id)?;
    let Query(asked) = parsed(query)?;
    Ok(answer::json(&api.split(epoch, asked).await?))
}

impl Api {
    /// One page of an epoch's table.
    pub(crate) async fn split(
        self: &Arc<Self>,
        epoch: EpochId,
        asked: Asked,
    ) -> Result<Page, Refusal> {
        let key = self.look(move |api| key(api, epoch, asked.payout)).await?;
        let key = key.ok_or_else(missing)?;
        if asked.payout.is_some() && key.payout.is_none() {
            let why = "this payout does not concern that epoch: /api/audit lists them";
            return Err(Refusal::Missing(why.to_owned()));
        }
        let making = self.look(move |api| table(api, &key).map(Arc::new));
        let table = self.tables.0.try_get_with(key, making).await?;
        cut(&table, &key, asked.page.unwrap_or(1))
    }
}

/// `None` when there is no such epoch.
fn key(api: &Api, epoch: EpochId, payout: Option<u64>) -> Result<Option<Key>, LedgerError> {
    let Some(stored) = api.reader.epoch(epoch)? else {
        return Ok(None);
    };
    let account = api.reader.epoch_account(epoch)?;
    let files = api.settled().touched.files(&api.reader, epoch)?;
    let number = match payout {
        Some(asked) => files.into_iter().find(|number| *number == asked),
        None => files.last().copied(),
    };
    let payout = match number {
        Some(number) => audit::row(api, &mut api.settled(), number)?,
        None => None,
    };
    let time = stored.is_open().then(|| clock::now_ms() / OPEN_AGE_MS);
    Ok(Some(Key {
        epoch,
        payout: payout.map(|row| (row.number, row.payout)),
        absorbed: account.map_or(0, |account| account.absorbed.len()),
        time,
    }))
}

fn table(api: &Api, key: &Key) -> Result<Table, LedgerError> {
    let account = api.reader.epoch_account(key.epoch)?;
    let absorbed = account.map(|account| account.absorbed).unwrap_or_default();
    let mut works = BTreeMap::<MinerId, (Work, Work)>::new();
    for epoch in std::iter::once(key.epoch).chain(absorbed) {
        for (miner, tally) in api.reader.tallies(epoch)? {
            let (work, accepted) = works.entry(miner).or_default();
            *work = work.saturating_add(tally.work);
            *accepted = accepted.saturating_add(tally.upstream_accepted_work);
        }
    }
    let got = match &key.payout {
        Some((_, payout)) => api.reader.allocations(payout)?,
        None => Vec::new(),
    };
    Ok(Table::new(works, &got))
}

impl Table {
    /// `got` is in the order of the keys.
    fn new(works: BTreeMap<MinerId, (Work, Work)>, got: &[AllocationRow]) -> Table {
        let mut total = Work::ZERO;
        let entry = |(miner, (work, upstream_accepted_work)): (MinerId, (Work, Work))| {
            total = total.saturating_add(work);
            let found = got.binary_search_by(|row| row.miner.cmp(&miner)).ok();
            Entry {
                miner,
                work,
                upstream_accepted_work,
                got: found.and_then(|at| got.get(at)).map(Got::of),
            }
        };
        let mut rows: Vec<Entry> = works.into_iter().map(entry).collect();
        rows.sort_by(|a, b| b.work.cmp(&a.work).then(a.miner.cmp(&b.miner)));
        Table { rows, work: total }
    }
}

fn cut(table: &Table, key: &Key, page: usize) -> Result<Page, Refusal> {
    let pages = table.rows.len().div_ceil(PER_PAGE).max(1);
    if !(1..=pages).contains(&page) {
        return Err(Refusal::Missing(format!(
            "there is no page {page}: the epoch's miners have {pages}"
        )));
    }
    let rows = table.rows.chunks(PER_PAGE).nth(page - 1);
    Ok(Page {
        epoch: key.epoch,
        payout: key.payout.map(|(number, _)| number),
        page,
        pages,
        miners: table.rows.len(),
        work: table.work,
        rows: rows.unwrap_or_default().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miner(number: u16) -> MinerId {
        (0_u16..)
            .filter_map(|salt| {
                let mut bytes = [7; 32];
                bytes[..2].copy_from_slice(&number.to_be_bytes());
                bytes[2..4].copy_from_slice(&salt.to_be_bytes());
                MinerId::from_x_only_bytes(bytes)
            })
            .next()
            .expect("every second number is on the curve")
    }

    fn allocation(miner: MinerId, allocated: u64) -> AllocationRow {
        AllocationRow {
            miner,
            allocated: Msat::new(allocated),
            carry_before: Msat::ZERO,
            paid: Msat::new(allocated).to_sat_floor(),
            carry_after: Msat::new(allocated).below_sat(),
            quote_epoch: EpochId::FIRST,
        }
    }

    fn table(miners: u16) -> Table {
        let work = |number: u16| Work::from_hashes(u128::from(number % 50) + 1);
        let works = (0..miners).map(|number| (miner(number), (work(number), Work::ZERO)));
        let got: Vec<_> = (0..miners)
            .filter(|number| number % 3 > 0)
            .map(|number| allocation(miner(number), u64::from(number) + 1))
            .collect();
        Table::new(works.collect(), &got)
    }

    fn pages(table: &Table) -> Vec<Page> {
        let key = Key {
            epoch: EpochId::FIRST,
            payout: None,
            absorbed: 0,
            time: None,
        };
        let first = cut(table, &key, 1).expect("there is a first");
        let turn = |page| cut(table, &key, page).expect("there is one");
        let all = (1..=first.pages).map(turn).collect();
        for wrong in [0, first.pages + 1, usize::MAX] {
            assert!(cut(table, &key, wrong).is_err(), "{wrong}");
        }
        all
    }

    #[track_caller]
    fn case(miners: u16, expected: usize) {
        let table = table(miners);
        let pages = pages(&table);
        assert_eq!(pages.len(), expected, "{miners} miners");
        let rows: Vec<&Entry> = pages.iter().flat_map(|page| &page.rows).collect();
        assert_eq!(rows.len(), usize::from(miners));
        let most_first =
            |pair: &[&Entry]| (pair[1].work, pair[0].miner) < (pair[0].work, pair[1].miner);
        assert!(rows.windows(2).all(most_first));
        let sum = rows.iter().map(|row| row.work.hashes()).sum::<u128>();
        assert_eq!(sum, table.work.hashes());
        for number in 0..miners {
            let row = rows.iter().find(|row| row.miner == miner(number));
            let got = row
                .expect("is in it")
                .got
                .map(|got| got.allocated_msat.get());
            let expected = (number % 3 > 0).then(|| u64::from(number) + 1);
            assert_eq!(got, expected, "{number}");
        }
    }

    #[test]
    fn every_miner_is_on_one_page_with_what_they_got() {
        case(0, 1);
        case(1, 1);
        case(100, 1);
        case(101, 2);
        case(250, 3);
    }
}
