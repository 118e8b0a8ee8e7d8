//! One miner.

use std::collections::BTreeMap;

use accounting::settle::MinerAccount;
use accounting::{MinerId, Resolution, Sat, Worker, WorkerName};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use ledger::{LedgerError, Reader};
use pool::run::Claimable;
use pool::run::history::{Device, believed};
use schemars::JsonSchema;
use serde::Serialize;

use super::earnings::{Books, Earning, OlderPaid, Prospects, StatementLine};
use super::hashrate::{Hashrate, Since};

/// A miner. Times are milliseconds since 1970.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Miner")]
pub(crate) struct MinerFigures {
    /// The miner's key.
    pub(crate) miner: MinerId,
    /// The same key as an npub.
    #[schemars(regex(pattern = "^npub1[02-9ac-hj-np-z]{58}$"))]
    pub(crate) npub: String,
    /// The pool's time.
    pub(crate) now_ms: u64,
    /// Hashes a second, estimated.
    pub(crate) hashrate: Hashrate,
    /// By name; those that were silent for 30 days are forgotten.
    pub(crate) workers: Vec<WorkerFigures>,
    /// The difficulty of the best hash ever found; luck, for display.
    pub(crate) best_difficulty: Option<f64>,
    /// Allocated, paid, carry: `allocated = 1000 x paid + carry`.
    pub(crate) account: MinerAccount,
    /// What can be claimed now; `null` while the mint is not open.
    pub(crate) ready_sat: Option<Sat>,
    /// The key's holder asked for no tokens.
    pub(crate) sweep_only: Option<bool>,
    /// By epoch, the newest first: the last ones with work, and before them those that were
    /// paid.
    pub(crate) earnings: Vec<Earning>,
    /// The sum that was paid for epochs before those.
    pub(crate) older_paid: OlderPaid,
    /// By payout, the newest first.
    pub(crate) statement: Vec<StatementLine>,
    /// What may come; estimates.
    pub(crate) estimates: Prospects,
}

/// One device, or several of one name.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Worker")]
pub(crate) struct WorkerFigures {
    /// The name.
    pub(crate) name: WorkerName,
    /// How many of this name are connected.
    pub(crate) connected: u32,
    /// Hashes a second, estimated; 0 when it is silent or away.
    pub(crate) hashrate: f64,
    /// What it was told last; 0 when it is away.
    pub(crate) difficulty: f64,
    /// When its last share came.
    pub(crate) last_share_ms: Option<u64>,
    /// Shares accepted within the last hour.
    pub(crate) accepted_last_hour: u64,
    /// Shares rejected within the last hour.
    pub(crate) rejected_last_hour: u64,
    /// All shares ever counted.
    pub(crate) shares: u64,
    /// The difficulty of its best hash.
    pub(crate) best_difficulty: Option<f64>,
    /// The device's own name for itself: foreign text.
    pub(crate) user_agent: Box<str>,
}

impl MinerFigures {
    pub(super) fn look(
        reader: &Reader,
        miner: MinerId,
        devices: Vec<Device>,
        claimable: Option<Claimable>,
        now_ms: u64,
    ) -> Result<Self, LedgerError> {
        let buckets = reader.buckets(Some(miner), Resolution::TenMinutes, now_ms)?;
        let now = Device::hashrate_of_all(&devices);
        let stored = reader.workers(&miner)?;
        let hashrate = Hashrate::of(now, &buckets, since(&stored), now_ms);
        let best = stored
            .iter()
            .map(|worker| worker.best)
            .max_by(|a, b| difficulty_of(a).total_cmp(&difficulty_of(b)));
        let account = reader.miner_account(&miner)?;
        let books = Books::look(reader, &miner, claimable.as_ref())?;
        // A miner without work for an hour may stay away: no day is promised.
        let expected = if hashrate.hour > 0.0 {
            hashrate.day
        } else {
            0.0
        };
        let estimates = books.prospects(expected, account.carry);
        Ok(MinerFigures {
            npub: miner.npub(),
            miner,
            now_ms,
            hashrate,
            workers: workers(stored, devices, now_ms),
            best_difficulty: best.as_ref().map(difficulty_of),
            account,
            ready_sat: claimable.as_ref().map(|claimable| claimable.ready),
            sweep_only: claimable.as_ref().map(|claimable| claimable.sweep_only),
            earnings: books.earnings,
            older_paid: books.older_paid,
            statement: books.statement,
            estimates,
        })
    }
}

/// Since when the miner is there.
fn since(workers: &[Worker]) -> Since {
    let first_ms = workers.iter().map(|worker| worker.first_ms).min();
    let shares = workers.iter().map(|worker| worker.shares).sum();
    Since::first_share(first_ms.unwrap_or(0), shares)
}

/// What the ledger knows of the devices together with what was seen of them lately.
fn workers(stored: Vec<Worker>, devices: Vec<Device>, now_ms: u64) -> Vec<WorkerFigures> {
    let mut all: BTreeMap<WorkerName, WorkerFigures> = BTreeMap::new();
    let unknown = |name: &WorkerName| WorkerFigures {
        name: name.clone(),
        connected: 0,
        hashrate: 0.0,
        difficulty: 0.0,
        last_share_ms: None,
        accepted_last_hour: 0,
        rejected_last_hour: 0,
        shares: 0,
        best_difficulty: None,
        user_agent: Box::default(),
    };
    for worker in stored {
        let figures = WorkerFigures {
            last_share_ms: believed(Some(worker.last_ms), now_ms),
            shares: worker.shares,
            best_difficulty: Some(difficulty_of(&worker.best)),
            ..unknown(&worker.name)
        };
        all.insert(worker.name, figures);
    }
    for device in devices {
        let figures = all
            .entry(device.name.clone())
            .or_insert_with(|| unknown(&device.name));
        figures.connected = device.connected;
        figures.hashrate = device.hashrate;
        figures.difficulty = device.difficulty;
        figures.last_share_ms = figures.last_share_ms.max(device.last_share_ms);
        figures.accepted_last_hour = device.accepted;
        figures.rejected_last_hour = device.rejected;
        figures.user_agent = device.user_agent;
    }
    all.into_values().collect()
}

/// The difficulty that a hash meets, as devices show it: `0xffff x 2^208 / hash`.
fn difficulty_of(hash: &BlockHash) -> f64 {
    let bytes = hash.as_byte_array().iter().rev();
    let hash = bytes.fold(0.0_f64, |sum, byte| sum * 256.0 + f64::from(*byte));
    65_535.0 * 2_f64.powi(208) / hash.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_the_difficulty_that_devices_show() {
        // 0xffff x 2^208 is difficulty 1; the genesis block's hash has about 2536.
        for (hash, difficulty) in [
            (
                "00000000ffff0000000000000000000000000000000000000000000000000000",
                1.0,
            ),
            (
                "0000000000ffff00000000000000000000000000000000000000000000000000",
                256.0,
            ),
            (
                "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
                2536.4,
            ),
        ] {
            let hash: BlockHash = hash.parse().expect("a hash");
            let given = difficulty_of(&hash);
            assert!(
                (given / difficulty - 1.0).abs() < 1e-4,
                "{given} {difficulty}"
            );
        }
    }

    #[test]
    fn a_worker_is_what_the_ledger_and_the_last_hour_say_of_it() {
        let worker = |name: &str, last_ms| Worker {
            name: WorkerName::clean(name),
            work: accounting::Work::from_hashes(1),
            shares: 5,
            best: BlockHash::all_zeros(),
            first_ms: 1,
            last_ms,
        };
        let device = |name: &str| Device {
            name: WorkerName::clean(name),
            connected: 1,
            hashrate: 2.0,
            difficulty: 3.0,
            last_share_ms: Some(70),
            accepted: 4,
            rejected: 6,
            user_agent: "x".into(),
        };
        let stored = vec![worker("away", 50), worker("here", 90)];
        let all = workers(stored, vec![device("here"), device("new")], 90);
        let names: Vec<&str> = all.iter().map(|worker| worker.name.as_str()).collect();
        assert_eq!(names, ["away", "here", "new"]);
        let last: Vec<_> = all.iter().map(|worker| worker.last_share_ms).collect();
        assert_eq!(last, [Some(50), Some(90), Some(70)]);
        // What a clock that was ahead wrote is not believed.
        let ahead = vec![worker("here", 90_000_000), worker("away", 90_000_000)];
        let last = workers(ahead, vec![device("here")], 90);
        let last: Vec<_> = last.iter().map(|worker| worker.last_share_ms).collect();
        assert_eq!(last, [None, Some(70)]);
        let counts: Vec<_> = all
            .iter()
            .map(|one| (one.shares, one.rejected_last_hour))
            .collect();
        assert_eq!(counts, [(5, 0), (5, 6), (0, 6)]);
    }
}
