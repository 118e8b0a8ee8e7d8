//! The outbox worker: batches, repeats, parked rows, and a store that was lost.

use std::sync::Arc;

use accounting::{EpochId, Lineage, OutboxId, Sat, SessionId, ShareId};
use prometheus::Registry;

use super::restored::lineage;
use super::support::{FakeLedger, Owner, Pool, config, row_sums, work};
use crate::worker::Worker;
use crate::{EpochMark, Mint, Order, QuoteKey, Row};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_in_many_batches_are_done_once() {
    let pool = Pool::start().await;
    let owners: Vec<Owner> = (0..5).map(|_| Owner::new()).collect();
    for epoch in 1..=250 {
        for owner in &owners {
            pool.ledger.create(owner.quote(epoch));
        }
    }
    for epoch in 1..=250 {
        for owner in &owners {
            pool.ledger.pay(owner.quote(epoch), "one", epoch);
        }
    }
    pool.work().await;
    assert_eq!(pool.ledger.waiting(), 0);
    let sums = row_sums(&pool.mint).await;
    assert_eq!(sums, (5 * 250 * 251 / 2, 0));
    // Delivered once more, as after a crash before they were marked: nothing changes.
    work(&pool.mint, Arc::new(pool.ledger.forgetful())).await;
    assert_eq!(row_sums(&pool.mint).await, sums);
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(owed.paid_unissued_sat.get(), sums.0);
    assert_eq!(
        pool.mint
            .quotes(&owners[0].miner)
            .await
            .expect("reads")
            .len(),
        250
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_makes_the_quote_that_it_needs() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.ledger.pay(owner.quote(1), "one", 4);
    pool.ledger.pay(owner.quote(1), "two", 5);
    pool.ledger.pay(owner.quote(1), "one", 4);
    pool.ledger.create(owner.quote(1));
    pool.work().await;
    assert_eq!(row_sums(&pool.mint).await, (9, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_row_is_parked_and_the_others_proceed() {
    let pool = Pool::start().await;
    let (owner, taken) = (Owner::new(), Owner::new());
    // A quote of another id that has the name of one to come: the store's own rule
    // refuses the second, for good.
    let id = pool.mint.ids().id(&taken.quote(1));
    let mut squatter = crate::quote::unpaid(
        uuid::Uuid::from_u128(1).into(),
        &taken.quote(1),
        accounting::KeyPrefix::Even,
        1,
    );
    squatter.request = format!("axepool:{id}");
    let mut tx = pool.mint.store().begin_transaction().await.expect("begins");
    tx.add_mint_quote(squatter).await.expect("adds");
    tx.commit().await.expect("commits");

    pool.ledger.pay(owner.quote(1), "one", 4);
    pool.ledger.pay(taken.quote(1), "one", 6);
    pool.ledger.pay(owner.quote(2), "one", 0);
    pool.ledger.pay(owner.quote(3), "one", 5);
    pool.work().await;
    assert_eq!(pool.ledger.waiting(), 0);
    assert_eq!(row_sums(&pool.mint).await, (9, 0));
    let mut parked = pool.mint.parked().await.expect("reads");
    parked.sort_by_key(|parked| parked.row.id);
    let ids: Vec<u64> = parked.iter().map(|parked| parked.row.id.get()).collect();
    assert_eq!(ids, [2, 3]);
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(
        (owed.parked_sat.get(), owed.total()),
        (6, Some(Sat::new(15)))
    );

    // The repair at the next start asks again and parks nothing twice.
    pool.work().await;
    assert_eq!(pool.mint.parked().await.expect("reads").len(), 2);
    assert_eq!(pool.mint.retry_parked().await.expect("retries"), 0);
    assert_eq!(pool.mint.liabilities().await.expect("reads"), owed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_row_is_done_when_it_can_be() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    let quote = owner.quote(1);
    let payout = "one".parse().expect("an id");
    let row = Row {
        id: OutboxId::new(9),
        order: Order::PayQuote {
            quote,
            payout,
            amount: Sat::new(6),
        },
    };
    pool.mint
        .park(&row, "a reason that went away".into())
        .await
        .expect("parks");
    assert_eq!(
        pool.mint
            .liabilities()
            .await
            .expect("reads")
            .parked_sat
            .get(),
        6
    );
    assert_eq!(pool.mint.retry_parked().await.expect("retries"), 1);
    assert_eq!(row_sums(&pool.mint).await, (6, 0));
    assert_eq!(
        pool.mint
            .liabilities()
            .await
            .expect("reads")
            .parked_sat
            .get(),
        0
    );
    assert_eq!(pool.mint.retry_parked().await.expect("retries"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_is_made_again_after_a_restore() {
    let ledger = Arc::new(FakeLedger::default());
    let owner = Owner::new();
    for epoch in 1..=30 {
        ledger.create(owner.quote(epoch));
        ledger.pay(owner.quote(epoch), "one", epoch);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let open = async |lineage: Option<Lineage>| {
        let mut config = config(dir.path(), "http://127.0.0.1:1".into());
        config.lineage = lineage.unwrap_or(config.lineage);
        let opened = Mint::open(config, None, &Registry::new()).await;
        opened.expect("opens")
    };
    let mint = open(None).await;
    work(&mint, Arc::clone(&ledger) as _).await;
    let before = row_sums(&mint).await;
    mint.close().await.expect("closes");
    drop(mint);
    for name in ["mint.sqlite", "mint.sqlite-wal", "mint.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    let mint = open(Some(lineage(9))).await;
    assert_eq!(row_sums(&mint).await, (0, 0));
    assert_eq!(ledger.waiting(), 0);
    work(&mint, Arc::clone(&ledger) as _).await;
    assert_eq!(row_sums(&mint).await, before);
    assert_eq!(mint.quotes(&owner.miner).await.expect("reads").len(), 30);
    assert!(mint.closed_by_restore().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_an_epoch_outlives_a_restart() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 2), (2, 0), (3, 0)]).await;
    pool.ledger.settle(1);
    pool.ledger.settle(2);
    let (epoch, into) = (EpochId::new(3), EpochId::new(4));
    pool.ledger.order(Order::MergeEpoch { epoch, into });
    pool.work().await;
    let config = config(pool.dir.path(), pool.url.clone());
    let again = Mint::open(config, None, &Registry::new())
        .await
        .expect("opens");
    for mint in [&pool.mint, &again] {
        let quotes = mint.quotes(&owner.miner).await.expect("reads");
        let seen: Vec<_> = quotes
            .iter()
            .map(|view| (view.mark, view.got_nothing()))
            .collect();
        let expected = [
            (Some(EpochMark::Settled), false),
            (Some(EpochMark::Settled), true),
            (Some(EpochMark::MergedInto(into)), true),
        ];
        assert_eq!(seen, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_runs_until_it_is_told_to_stop() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    let cancel = tokio_util::sync::CancellationToken::new();
    let outbox = Arc::clone(&pool.ledger) as _;
    let worker = tokio::spawn(Worker::new(pool.mint.clone(), outbox).run(cancel.clone()));
    pool.ledger.pay(owner.quote(1), "one", 3);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while pool.ledger.waiting() > 0 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the worker did nothing"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    cancel.cancel();
    worker.await.expect("stops");
    assert_eq!(row_sums(&pool.mint).await, (3, 0));
    let metrics = pool.registry.gather();
    let paid = metrics
        .iter()
        .find(|family| family.name() == "axepool_mint_paid_sat_total");
    let paid = paid.expect("registered").get_metric()[0]
        .get_counter()
        .get_value();
    assert!((paid - 3.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_per_share_pay_the_same_total() {
    let pool = Pool::start().await;
    let (by_epoch, by_share) = (Owner::new(), Owner::new());
    pool.ledger.create(by_epoch.quote(1));
    pool.ledger.pay(by_epoch.quote(1), "one", 10);
    let share = |sequence| QuoteKey {
        share: Some(ShareId {
            session: SessionId::new(1, 1),
            sequence,
        }),
        ..by_share.quote(1)
    };
    for sequence in 1..=40 {
        pool.ledger.create(share(sequence));
    }
    // Cumulative rounding gives every fourth share a satoshi.
    for sequence in (4..=40).step_by(4) {
        pool.ledger.pay(share(sequence), "one", 1);
    }
    pool.work().await;
    assert_eq!(
        pool.mint
            .quotes(&by_share.miner)
            .await
            .expect("reads")
            .len(),
        40
    );
    for owner in [&by_epoch, &by_share] {
        assert_eq!(pool.claim(owner, false).await["amount"], 10);
    }
}
