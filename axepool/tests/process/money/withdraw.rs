//! A withdrawal from a real node's wallet: not sent for want of coins, sent once, and
//! what is left of one that a crash cut off.

use accounting::settle::{Event, OperatorEntry, OperatorKind};
use accounting::{Msat, Sat};
use bitcoin::Address;
use pool::admin::{
    FeeStatus, NodeReply, NodeRequest, Reply, Request, WithdrawalOutcome, WithdrawalRow,
};
use serde_json::Value;
use simnet::chain::Fees;
use std::time::Duration;

use crate::common::{ADDRESS, ELSEWHERE, PoolProcess, stderr, stdout};
use crate::money::prepare::{block, open, payment, stopped_pool};
use crate::ocean::{self, Ocean};
use crate::world::get;

/// What the account says, and with which exit code unless that may be any.
pub fn status(pool: &PoolProcess, code: Option<i32>) -> FeeStatus {
    let done = pool.command(&["fee", "status", "--json"]);
    if code.is_some() {
        assert_eq!(done.status.code(), code, "{done:?}");
    }
    serde_json::from_str(&stdout(&done)).expect("a status")
}

/// Withdraws whatever is left for the miners.
pub fn withdraw(pool: &PoolProcess, id: &str, amount: &str) -> WithdrawalRow {
    withdrawn(pool, id, &[amount, "--force"])
}

fn withdrawn(pool: &PoolProcess, id: &str, rest: &[&str]) -> WithdrawalRow {
    let args = ["fee", "withdraw", "--json", "--id", id, "--to", ELSEWHERE];
    let done = pool.command(&[&args[..], rest].concat());
    let row = serde_json::from_str(&stdout(&done));
    row.unwrap_or_else(|error| panic!("{error}: {}", stderr(&done)))
}

pub async fn deposit(pool: &PoolProcess, ocean: &Ocean) {
    let asked = Request::Node(NodeRequest::DepositAddress);
    let Reply::Node(NodeReply::DepositAddress { address }) = pool.ask(asked).await else {
        panic!("an address");
    };
    let address: Address<_> = address.parse().expect("an address");
    ocean.gives(&address.assume_checked(), 100_000);
    pool.poll("the coins", async |pool| {
        (ocean::look(pool).await.spendable_sat.get() > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_money_is_sent_once() {
    let ocean = Ocean::start().await;
    let (mut pool, _stratum) = stopped_pool(&ocean.config()).await;
    // One that a crash cut off between booking and sending, and enough to withdraw.
    let ledger = open(&pool);
    let cut = OperatorEntry {
        id: "0-cut-off".into(),
        kind: OperatorKind::Withdrawal { to: ADDRESS.into() },
        amount: Msat::new(1_000),
    };
    ledger.settle(Event::Operator(cut)).await.expect("books");
    ledger.close().await;
    pool.spawn().await;
    ocean::look(&pool).await;
    let before = status(&pool, Some(1));
    assert_eq!(before.withdrawals[0].outcome, WithdrawalOutcome::Unknown);
    assert_eq!(before.withdrawable_msat, 7_672);

    // More than there is: nothing is booked. No coins: it is booked, and comes back.
    let too_much = pool.command(&["fee", "withdraw", "--to", ELSEWHERE, "8", "--force"]);
    assert!(
        stderr(&too_much).contains("cannot be withdrawn"),
        "{too_much:?}"
    );
    let foreign = pool.command(&[
        "fee",
        "withdraw",
        "--to",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "1",
    ]);
    assert!(
        stderr(&foreign).contains("is not an address of regtest"),
        "{foreign:?}"
    );
    assert_eq!(status(&pool, Some(1)), before);
    let home = pool.command(&["fee", "withdraw", "--to", ADDRESS, "1", "--force"]);
    assert!(stderr(&home).contains("the payout address"), "{home:?}");
    let all = pool.command(&["fee", "withdraw", "--to", ELSEWHERE, "all"]);
    assert!(stderr(&all).contains("sending costs about"), "{all:?}");
    assert_eq!(status(&pool, Some(1)), before);
    let row = withdraw(&pool, "1-no-coins", "7");
    assert!(
        matches!(row.outcome, WithdrawalOutcome::Returned { why: Some(_) }),
        "{row:?}"
    );
    let after = status(&pool, Some(1));
    assert_eq!(after.withdrawable_msat, 7_672);
    assert_eq!(after.withdrawals.len(), 2);

    deposit(&pool, &ocean).await;
    let row = withdraw(&pool, "1-no-coins", "7");
    assert!(
        matches!(row.outcome, WithdrawalOutcome::Returned { .. }),
        "asked again it is the same"
    );
    let text = stdout(&pool.command(&["fee", "status"]));
    assert!(text.contains("TRANSACTION UNKNOWN"), "{text}");

    // What nobody knows of is told by a person, once.
    let resolve = ["fee", "resolve", "0-cut-off", "--not-sent"];
    assert!(pool.command(&resolve).status.success());
    let again = pool.command(&resolve);
    assert!(stderr(&again).contains("is known already"), "{again:?}");
    assert_eq!(status(&pool, Some(0)).withdrawable_msat, 8_672);
    assert!(pool.stop().await.success());

    // A fee that is worth a transaction.
    let ledger = open(&pool);
    let third = crate::money::prepare::key(3);
    ledger
        .settle(Event::ToFee { payout: third })
        .await
        .expect("books");
    let foreign = crate::money::prepare::foreign(5, 20_000_000);
    ledger.settle(foreign).await.expect("books");
    ledger.close().await;
    pool.spawn().await;
    ocean::look(&pool).await;
    pool.poll("what is owed", async |pool| {
        let http = pool.status().await.http[0];
        let (_, told) = get(http, "/api/solvency").await;
        let told: Value = serde_json::from_str(&told).expect("JSON");
        told["liabilities"]["total_msat"].as_str().map(drop)
    })
    .await;
    let row = withdrawn(&pool, "2-sent", &["all"]);
    let WithdrawalOutcome::Sent { txid } = row.outcome else {
        panic!("{row:?}; {}", pool.log());
    };
    // One coin and 85 vbytes at a satoshi each stay for the network.
    assert_eq!(row.amount_sat, Sat::new(20_015 - (85 + 68)));
    assert!(row.after.is_some(), "{row:?}");
    let row = WithdrawalRow { after: None, ..row };
    assert_eq!(
        withdraw(&pool, "2-sent", "5"),
        row,
        "asked again it is the same"
    );
    let told = status(&pool, Some(0));
    assert_eq!(
        (told.withdrawable_msat, told.withdrawn_msat),
        (153_672, 19_862_000)
    );
    pool.poll("the transaction", async |_| {
        let sent = ocean.chain.lock().mempool().contains(&txid);
        sent.then_some(())
    })
    .await;
    assert_eq!(ocean.chain.lock().mempool().len(), 1, "once");
    // What it cost is the operator's, too, once it is confirmed.
    ocean.mine(6);
    let told = pool
        .poll("the transaction's fee in the books", async |pool| {
            let told = status(pool, Some(0));
            (told.node_costs_msat > 0).then_some(told)
        })
        .await;
    // What it cost was left for that.
    assert_eq!(
        told.withdrawable_msat + told.node_costs_msat,
        153_672,
        "{told:?}"
    );
    assert!(told.withdrawable_msat < 100_000, "{told:?}");
    // It is still told after a restart.
    assert!(pool.stop().await.success());
    assert_eq!(status(&pool, Some(0)), told);
    ocean.end().await;
}

/// A pool with coins of 100,000 sat, of which about 70,000 are owed to miners, and somewhat
/// more than 20,000 are the operator's.
async fn with_coins(ocean: &Ocean) -> PoolProcess {
    let (mut pool, _stratum) = stopped_pool(&ocean.config()).await;
    let ledger = open(&pool);
    let foreign = crate::money::prepare::foreign(5, 20_000_000);
    ledger.settle(foreign).await.expect("books");
    let paid = payment(6, 70_000_000, block(1));
    ledger.settle(paid).await.expect("books");
    ledger.close().await;
    pool.spawn().await;
    ocean::look(&pool).await;
    deposit(&pool, ocean).await;
    solvency(&pool).await;
    pool
}

/// The pool's liabilities and assets in millisatoshis.
async fn solvency(pool: &PoolProcess) -> (u64, u64) {
    pool.poll("what is owed and there", async |pool| {
        let http = pool.status().await.http[0];
        let (_, told) = get(http, "/api/solvency").await;
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let sum = |side: &str| told[side]["total_msat"].as_str()?.parse().ok();
        Some((sum("liabilities")?, sum("assets")?))
    })
    .await
}

/// A source whose estimates rise, or a liar: what is sent costs what was measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fee_rate_that_rises_meanwhile_is_not_paid() {
    let ocean = Ocean::start().await;
    let pool = with_coins(&ocean).await;
    let set = |fees: Fees| ocean.mood.lock().expect("no panic").fees = fees;
    set(Fees {
        sat_per_vbyte: 20_000,
        ..Fees::default()
    });
    let before = status(&pool, None);
    for order in [
        &["fee", "withdraw", "--to", ELSEWHERE, "1000"][..],
        &["node", "send-onchain", ELSEWHERE, "1000"],
    ] {
        let refused = pool.command(order);
        let said = stderr(&refused);
        assert!(said.contains("20000 sat/vB"), "{order:?}: {said}");
    }
    assert_eq!(status(&pool, None), before, "nothing is booked");

    set(Fees {
        sat_per_vbyte: 8,
        times: 4,
        ..Fees::default()
    });
    let row = withdrawn(&pool, "1-rising", &["1000"]);
    let WithdrawalOutcome::Sent { txid } = row.outcome else {
        panic!("{row:?}");
    };
    let told = row.after.expect("what is there afterwards").fee_sat.get();
    let paid = ocean.chain.lock().fee_of(&txid).expect("it waits there");
    let paid = paid.to_sat();
    assert!(
        paid <= told,
        "{paid} sat are paid, and {told} were measured"
    );
    ocean.end().await;
}

/// Both are measured against what is there before either is sent, unless they wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_orders_at_once_do_not_spend_the_same_money() {
    let ocean = Ocean::start().await;
    let pool = with_coins(&ocean).await;
    let (owed, there) = solvency(&pool).await;
    let operators = u64::try_from(status(&pool, None).withdrawable_msat).expect("small");
    let free_sat = (there - (owed - operators)) / 1_000;
    let amount = (free_sat * 6 / 10)
        .min(operators / 1_000 - 1_000)
        .to_string();
    let twice = amount.parse::<u64>().expect("a number") * 2;
    assert!(twice > free_sat, "{amount} of {free_sat}");
    let slow = Fees {
        sat_per_vbyte: 2,
        times: 2,
        takes: Duration::from_secs(3),
    };
    ocean.mood.lock().expect("no panic").fees = slow;
    let sent = pool.begin(&["node", "send-onchain", ELSEWHERE, &amount]);
    let asks = async |_: &PoolProcess| {
        let mut mood = ocean.mood.lock().expect("no panic");
        let is_asked = mood.fees.sat_per_vbyte > slow.sat_per_vbyte;
        is_asked.then(|| mood.fees = Fees::default())
    };
    pool.poll("the question for a fee rate", asks).await;
    // The first order has not measured anything yet.
    let withdrawn = pool.command(&["fee", "withdraw", "--to", ELSEWHERE, &amount]);
    let done = [sent.end(), withdrawn];
    let succeeded = done.iter().filter(|one| one.status.success()).count();
    assert_eq!(succeeded, 1, "{done:?}");
    let refused = done.iter().find(|one| !one.status.success());
    let said = stderr(refused.expect("one is refused"));
    assert!(said.contains("miners'"), "{said}");
    ocean.end().await;
}
