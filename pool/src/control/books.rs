//! Questions to the ledger, and their answers.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use accounting::settle::{EpochAccount, Stage};
use accounting::{CloseCause, Epoch, EpochId, EpochTerms, MinerId, Resolution, Tally};
use anyhow::Result;
use basics::clock;
use ledger::{Ledger, LedgerError, Reader, RecentWork};
use thiserror::Error;

use super::store;
use crate::admin::{Epochs, MinerRow, Miners, OrphanedEpoch, Reply, Request, SuspectRow};
use crate::{amounts, data_dir};

/// Over how many epochs withholding is looked for: some months of OCEAN's blocks.
pub(crate) const SUSPECT_EPOCHS: u64 = 100;

/// How many buckets of ten minutes a hashrate is estimated from.
pub(crate) const HASHRATE_BUCKETS: u64 = 4;

/// So many epochs are looked at for a miner's first recent share: more do not begin within
/// those buckets, or their age says enough.
const RECENT_EPOCHS: usize = 20;

/// Why a question has no answer.
#[derive(Debug, Error)]
pub(super) enum BooksError {
    /// There is no such epoch.
    #[error("there is no epoch {given}; the newest is {newest}")]
    NoEpoch {
        /// What was asked for.
        given: EpochId,
        /// The open one.
        newest: EpochId,
    },
    /// It is a question for the running process.
    #[error("this needs a running axepool")]
    NotTheLedgers,
    /// The ledger could not answer or obey.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The answer to what is asked of the ledger, of a running process.
pub(crate) async fn answer(ledger: &Ledger, request: Request) -> Reply {
    let reply = match request {
        Request::CloseEpoch => close_epoch(ledger).await,
        // The others look at the disk, and so they wait elsewhere.
        looking => {
            let reader = ledger.reader().clone();
            let task = tokio::task::spawn_blocking(move || look(&reader, &looking));
            task.await
                .unwrap_or(Err(BooksError::Ledger(LedgerError::Closed)))
        }
    };
    reply.unwrap_or_else(|error| Reply::Error {
        why: error.to_string(),
    })
}

/// The answer from the store in `data_dir`, which no process has open.
pub(super) async fn ask_the_store(
    data_dir: &Path,
    terms: Option<EpochTerms>,
    request: Request,
) -> Result<Reply> {
    match request {
        Request::CloseEpoch => {
            let ledger = store::open_to_write(data_dir, terms)?;
            let reply = close_epoch(&ledger).await;
            ledger.close().await;
            Ok(reply?)
        }
        looking => Ok(look(&Reader::open(&data_dir::ledger(data_dir))?, &looking)?),
    }
}

async fn close_epoch(ledger: &Ledger) -> Result<Reply, BooksError> {
    let epoch = ledger
        .close_epoch(CloseCause::Command, clock::now_ms())
        .await?;
    tracing::info!(epoch = epoch.id.get(), work = %epoch.totals.work, shares = epoch.totals.shares, "closed by command");
    Ok(Reply::EpochClosed { epoch })
}

fn look(reader: &Reader, request: &Request) -> Result<Reply, BooksError> {
    match request {
        Request::Epochs => {
            let mut epochs = reader.epochs(usize::MAX)?;
            epochs.reverse();
            let orphaned = orphaned(&reader.epoch_accounts()?);
            Ok(Reply::Epochs(Epochs { epochs, orphaned }))
        }
        Request::Miners { epoch, workers } => miners(reader, *epoch, *workers),
        Request::Suspects => suspects(reader),
        Request::Status
        | Request::CloseEpoch
        | Request::MintParked { .. }
        | Request::Node(_)
        | Request::Health
        | Request::Log { .. }
        | Request::Money(_)
        | Request::Backup(_)
        | Request::Restore(_)
        | Request::WindDown(_) => Err(BooksError::NotTheLedgers),
    }
}

/// The epochs whose block was orphaned: the ledger's own row of one says only that it was
/// closed.
fn orphaned(accounts: &BTreeMap<EpochId, EpochAccount>) -> Vec<OrphanedEpoch> {
    let fate = |account: &EpochAccount| {
        let merged_into = match account.stage {
            Stage::Merged { into, .. } => Some(into),
            _ if account.orphaned => None,
            _ => return None,
        };
        Some(OrphanedEpoch {
            epoch: account.epoch,
            merged_into,
        })
    };
    accounts.values().filter_map(fate).collect()
}

fn miners(
    reader: &Reader,
    wanted: Option<EpochId>,
    with_workers: bool,
) -> Result<Reply, BooksError> {
    let (open, tallies) = reader.open_tallies()?;
    let (epoch, tallies) = match wanted.filter(|id| *id != open.id) {
        None => (open, tallies),
        // Of a closed one nothing changes any more.
        Some(id) => {
            let epoch = reader.epoch(id)?.ok_or(BooksError::NoEpoch {
                given: id,
                newest: open.id,
            })?;
            (epoch, reader.tallies(id)?)
        }
    };
    let now_ms = clock::now_ms();
    let recent = || reader.recent_work(Resolution::TenMinutes, HASHRATE_BUCKETS, now_ms);
    let recent = epoch.is_open().then(recent).transpose()?;
    let firsts = match &recent {
        Some(recent) => first_shares(reader, recent)?,
        None => BTreeMap::new(),
    };
    let mut miners = Vec::new();
    for (miner, tally) in tallies {
        let workers = if with_workers {
            reader.workers(&miner)?
        } else {
            Vec::new()
        };
        let hashrate = match &recent {
            Some(recent) => hashrate_now(recent, miner, firsts.get(&miner).copied(), now_ms),
            None => hashrate_then(&epoch, &tally),
        };
        miners.push(MinerRow {
            miner,
            tally,
            hashrate,
            workers,
        });
    }
    miners.sort_by_key(|row| (Reverse(row.tally.work), row.miner));
    Ok(Reply::Miners(Miners { epoch, miners }))
}

/// The miner's rate over the whole of a closed epoch.
fn hashrate_then(epoch: &Epoch, tally: &Tally) -> f64 {
    let closed_ms = epoch.closed_ms().unwrap_or(epoch.opened_ms);
    let length = Duration::from_millis(closed_ms.saturating_sub(epoch.opened_ms));
    amounts::rate(tally.work, length)
}

/// When each miner's first share of those epochs came in which recent work was done.
fn first_shares(
    reader: &Reader,
    recent: &RecentWork,
) -> Result<BTreeMap<MinerId, u64>, LedgerError> {
    let mut firsts = BTreeMap::new();
    for epoch in reader.epochs(RECENT_EPOCHS)? {
        let is_recent = |closed_ms| closed_ms > recent.since_ms;
        if !epoch.closed_ms().is_none_or(is_recent) {
            break;
        }
        for (miner, tally) in reader.tallies(epoch.id)? {
            let first = firsts.entry(miner).or_insert(tally.first_ms);
            *first = tally.first_ms.min(*first);
        }
    }
    Ok(firsts)
}

/// The miner's rate now: since their first share, or over all that is recent.
fn hashrate_now(recent: &RecentWork, miner: MinerId, first_ms: Option<u64>, now_ms: u64) -> f64 {
    let work = recent.miners.get(&miner).copied().unwrap_or_default();
    let since_ms = recent.since_ms.max(first_ms.unwrap_or(0));
    amounts::rate(work, Duration::from_millis(now_ms.saturating_sub(since_ms)))
}

fn suspects(reader: &Reader) -> Result<Reply, BooksError> {
    let one = accounting::UpstreamOdds::ONE.to_raw() as f64;
    let suspects = reader
        .suspects(SUSPECT_EPOCHS)?
        .into_iter()
        .map(|suspect| SuspectRow {
            miner: suspect.miner,
            work: suspect.work,
            expected: suspect.expected.to_raw() as f64 / one,
            found: suspect.found,
            chance: suspect.chance,
        });
    Ok(Reply::Suspects {
        suspects: suspects.collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use accounting::{Identity, SessionId, ShareId, ShareRecord, Work, WorkerName};
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash as _;
    use ledger::{LedgerOptions, ShareAck};
    use prometheus::Registry;

    use super::*;

    const MINUTE_MS: u64 = 60_000;

    /// A miner's share of 6,000 hashes.
    async fn share(ledger: &Ledger, number: u8, miner: MinerId, time_ms: u64) {
        let ack = Arc::<ShareAck>::default();
        let record = ShareRecord {
            typed: Some(accounting::KeyPrefix::Even),
            id: ShareId {
                session: SessionId::new(ledger.boot(), u32::from(number)),
                sequence: 1,
            },
            who: Arc::new(Identity {
                miner,
                worker: WorkerName::clean("axe"),
            }),
            work: Work::from_hashes(6_000),
            hash: BlockHash::from_byte_array([number; 32]),
            upstream_work: Work::from_hashes(1 << 40),
            meets_upstream: false,
            meets_network: false,
            time_ms,
        };
        let permit = ledger.shares().reserve().await.expect("a place");
        permit.send(record, Arc::clone(&ack));
        poll_fn(|cx| ack.poll_decided(cx, 0)).await;
    }

    #[tokio::test]
    async fn a_rate_is_since_the_first_share_whatever_its_epoch() {
        let dir = tempfile::tempdir().expect("a directory");
        let now_ms = clock::now_ms();
        let begun_ms = now_ms - 10 * MINUTE_MS;
        let path = dir.path().join("ledger.redb");
        let options = LedgerOptions::new(path, EpochTerms::default(), begun_ms);
        let ledger = Ledger::open(options, &Registry::new()).expect("opens");
        let [old, new] = [1, 2].map(|number| {
            let key = simnet::keys::SimKey::derive(3, number);
            key.npub.parse::<MinerId>().expect("a key")
        });
        share(&ledger, 1, old, begun_ms).await;
        let closed = ledger.close_epoch(CloseCause::Command, begun_ms + 5 * MINUTE_MS);
        closed.await.expect("closes");
        share(&ledger, 2, old, begun_ms + 6 * MINUTE_MS).await;
        share(&ledger, 3, new, begun_ms + 8 * MINUTE_MS).await;

        let Ok(Reply::Miners(told)) = miners(ledger.reader(), None, false) else {
            panic!("no miners");
        };
        let rate = |miner| {
            let row = told.miners.iter().find(|row| row.miner == miner);
            row.expect("a row").hashrate
        };
        // 12,000 hashes in ten minutes, and 6,000 in two.
        assert!((19.0..=20.0).contains(&rate(old)), "{}", rate(old));
        assert!((47.0..=50.0).contains(&rate(new)), "{}", rate(new));
        ledger.close().await;
    }
}
