//! The pool is killed while it withdraws the operator's money: what is booked is sent once
//! or not at all, and where nobody knows a person tells.

use std::time::{Duration, Instant};

use bitcoin::Txid;
use pool::admin::{WithdrawalOutcome, WithdrawalRow};

use crate::common::{ELSEWHERE, PATIENCE, PoolProcess};
use crate::money::prepare::{foreign, open, stopped_pool};
use crate::money::withdraw::{deposit, status, withdraw};
use crate::ocean::{self, Ocean};

/// How often it is killed.
const ROUNDS: u64 = 8;

/// Within so many milliseconds of the order all of a withdrawal happens.
const A_WITHDRAWAL_MS: u64 = 300;

/// The transactions in blocks that pay so much to the operator's address.
fn paid(ocean: &Ocean, sat: u64) -> Vec<Txid> {
    let chain = ocean.chain.lock();
    let blocks = (1..=chain.height()).filter_map(|height| chain.block(height));
    let script = ELSEWHERE
        .parse::<bitcoin::Address<_>>()
        .expect("an address")
        .assume_checked()
        .script_pubkey();
    let pays = |output: &bitcoin::TxOut| {
        output.script_pubkey == script && output.value == bitcoin::Amount::from_sat(sat)
    };
    blocks
        .flat_map(|block| &block.txdata)
        .filter(|transaction| transaction.output.iter().any(pays))
        .map(bitcoin::Transaction::compute_txid)
        .collect()
}

/// Waits until the node has seen the chain's last block, and with it its own coins.
async fn has_seen_the_chain(pool: &PoolProcess, ocean: &Ocean) {
    let tip = ocean.chain.lock().height();
    pool.poll("the node at the chain's tip", async |pool| {
        let node = ocean::look(pool).await;
        (node.tip_height == tip && node.spendable_sat.get() > 0).then_some(())
    })
    .await;
}

/// Waits until the log says that `id` is booked: the moment before it is sent.
async fn is_booked(pool: &PoolProcess, id: &str) {
    let asked = Instant::now();
    let booked = |line: &str| line.contains("a withdrawal is booked") && line.contains(id);
    while !pool.log().lines().any(booked) {
        assert!(asked.elapsed() < PATIENCE, "{id} is not booked");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn row(pool: &PoolProcess, id: &str) -> Option<WithdrawalRow> {
    let told = status(pool, None);
    told.withdrawals.into_iter().find(|row| row.id == id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_withdraws_nothing_is_sent_twice() {
    let ocean = Ocean::start().await;
    let (mut pool, _stratum) = stopped_pool(&ocean.config()).await;
    let ledger = open(&pool);
    let earned = foreign(5, 20_000_000);
    ledger.settle(earned).await.expect("books");
    ledger.close().await;
    pool.spawn().await;
    ocean::look(&pool).await;
    deposit(&pool, &ocean).await;
    let at_first = status(&pool, Some(0));

    let (mut gone, mut ends) = (0, Vec::new());
    for round in 1..=ROUNDS {
        // By its amount each is known on the chain.
        let (id, sat) = (format!("{round}-killed"), 1_000 + round);
        let amount = sat.to_string();
        let order = [
            "fee", "withdraw", "--json", "--id", &id, "--to", ELSEWHERE, &amount, "--force",
        ];
        has_seen_the_chain(&pool, &ocean).await;
        let ordering = pool.begin(&order);
        if round % 2 == 0 {
            is_booked(&pool, &id).await;
        } else {
            let moment = rand::random_range(0..A_WITHDRAWAL_MS);
            tokio::time::sleep(Duration::from_millis(moment)).await;
        }
        pool.kill();
        ordering.end();
        ocean.mine(1);
        let sent = paid(&ocean, sat);
        pool.spawn().await;
        has_seen_the_chain(&pool, &ocean).await;

        let before = row(&pool, &id);
        let outcome = before.as_ref().map(|row| row.outcome.clone());
        match &outcome {
            // Nothing was booked, so that nothing was sent; ordered anew it is.
            None => {
                assert_eq!(sent, []);
                let row = withdraw(&pool, &id, &amount);
                assert!(
                    matches!(row.outcome, WithdrawalOutcome::Sent { .. }),
                    "{row:?}"
                );
            }
            Some(WithdrawalOutcome::Sent { txid }) => assert_eq!(sent, [*txid]),
            Some(WithdrawalOutcome::Unknown) => {
                let again = withdraw(&pool, &id, &amount);
                assert_eq!(Some(again), before, "ordered again it is not sent");
                let txid = sent.first().map(Txid::to_string);
                let told = match &txid {
                    Some(txid) => vec!["--sent", txid],
                    None => vec!["--not-sent"],
                };
                let told = [&["fee", "resolve", &id], &told[..]].concat();
                assert!(pool.command(&told).status.success());
            }
            Some(other) => panic!("{other:?}"),
        }
        ends.push(outcome);
        pool.poll("the transaction in a block", async |_| {
            ocean.mine(1);
            let is_sent = !matches!(row(&pool, &id)?.outcome, WithdrawalOutcome::Returned { .. });
            (paid(&ocean, sat).len() == usize::from(is_sent)).then_some(())
        })
        .await;
        gone += sat * paid(&ocean, sat).len() as u64;
    }
    // Each once at most, and the account has lost what the chain shows.
    for sat in (1..=ROUNDS).map(|round| 1_000 + round) {
        assert!(paid(&ocean, sat).len() <= 1, "{ends:?}");
    }
    let told = status(&pool, Some(0));
    assert_eq!(told.withdrawn_msat, u128::from(gone) * 1000, "{ends:?}");
    assert_eq!(told.fee_msat, at_first.fee_msat);
    assert!(
        ends.iter()
            .flatten()
            .any(|end| *end == WithdrawalOutcome::Unknown),
        "no kill came between booking and outcome: {ends:?}"
    );
    assert!(pool.stop().await.success());
    ocean.end().await;
}
