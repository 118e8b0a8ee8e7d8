//! A stop while very much waits for the mint: in time, and nothing of it is lost.

use std::sync::Arc;

use accounting::{
    CloseCause, Identity, OutboxId, SessionId, ShareId, ShareRecord, Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use ledger::{Ledger, LedgerOptions, Reader, ShareAck};
use prometheus::Registry;

use crate::common::PoolProcess;
use crate::money::prepare::NOW_MS;
use crate::world;

const EPOCHS: u32 = 12;
const MINERS: u32 = 5_000;

/// Quotes that the mint's worker made: three batches are begun then, and two are told.
const CREATED: &str = "axepool_mint_quotes_created_total";

/// Each miner's one share in an epoch asks for a quote.
async fn mine_all(ledger: &Ledger) {
    let shares = ledger.shares();
    let whos: Vec<Arc<Identity>> = (0..MINERS)
        .map(|index| {
            let key = world::key(u64::from(index) + 10);
            Arc::new(Identity {
                miner: key.hex.parse().expect("a key"),
                worker: WorkerName::clean("axe"),
            })
        })
        .collect();
    for epoch in 0..EPOCHS {
        for (index, who) in (0..MINERS).zip(&whos) {
            let work = Work::from_hashes(1_000);
            let mut hash = [7; 32];
            hash[..4].copy_from_slice(&(epoch * MINERS + index).to_le_bytes());
            let share = ShareRecord {
                typed: Some(accounting::KeyPrefix::Even),
                id: ShareId {
                    session: SessionId::new(ledger.boot(), epoch * MINERS + index + 1),
                    sequence: 1,
                },
                who: Arc::clone(who),
                work,
                hash: BlockHash::from_byte_array(hash),
                upstream_work: work,
                meets_upstream: false,
                meets_network: false,
                time_ms: NOW_MS,
            };
            let permit = shares.reserve().await.expect("open");
            permit.send(share, Arc::new(ShareAck::default()));
        }
        let closed = ledger.close_epoch(CloseCause::Command, NOW_MS).await;
        assert_eq!(closed.expect("closes").totals.miners, u64::from(MINERS));
    }
}

/// How many rows wait in the outbox of a pool that does not run.
fn waiting(pool: &PoolProcess) -> usize {
    let reader = Reader::open(&pool.data_dir().join("ledger.redb")).expect("opens");
    let rows = reader.outbox(OutboxId::START, usize::MAX);
    rows.expect("rows").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_comes_in_time_whatever_waits_in_the_outbox() {
    let stratum = world::ocean(|_| {}).await;
    let sections = "[expert.mint]\nquote_min_work = 0\n";
    let mut pool = world::pool(&stratum, |setup| setup.stratum.push_str(sections)).await;
    assert!(pool.stop().await.success());
    let path = pool.data_dir().join("ledger.redb");
    let terms = Reader::open(&path).expect("opens").open_epoch().terms;
    let ledger = Ledger::open(LedgerOptions::new(path, terms, NOW_MS), &Registry::new());
    let ledger = ledger.expect("opens");
    mine_all(&ledger).await;
    ledger.close().await;
    let all = usize::try_from(EPOCHS * MINERS).expect("small");
    assert_eq!(waiting(&pool), all);

    // Stopped in the middle of it, again and again: `stop` looks at the clock.
    let mut left = all;
    for _ in 0..2 {
        pool.spawn().await;
        world::metric_reaches(&pool, CREATED, "", 2_500.0).await;
        assert!(pool.stop().await.success(), "{}", pool.log());
        let now = waiting(&pool);
        assert!(now <= left, "{now} rows wait after {left}");
        left = now;
    }
    // All rows were worked on from the first one on, and those that are left still wait.
    assert!((1..all).contains(&left), "{left} of {all} rows wait");
}
