//! `payouts`, `suspense` and `fee`: the same with and without a running process.

use accounting::{EpochId, Msat, Sat, Work};
use pool::admin::{PayoutFate, PayoutRow, PayoutSplit};
use serde_json::Value;

use crate::common::{PoolProcess, stderr, stdout};
use crate::money::prepare::{FIRST_MSAT, SECOND_MSAT, key, miners, stopped_pool};

/// A command's JSON, and its exit code.
fn json(pool: &PoolProcess, args: &[&str]) -> (Value, i32) {
    let done = pool.command(&[args, &["--json"]].concat());
    let text = stdout(&done);
    let value = serde_json::from_str(&text);
    let value = value.unwrap_or_else(|error| panic!("{args:?}: {error}: {text}{}", stderr(&done)));
    (value, done.status.code().expect("it ended by itself"))
}

/// All questions with their answers.
fn answers(pool: &PoolProcess) -> Vec<(Value, i32)> {
    let first = key(1).to_string();
    let questions: [&[&str]; 5] = [
        &["payouts"],
        &["payouts", "--newest", "1"],
        &["payouts", "show", &first],
        &["suspense", "list"],
        &["fee", "status"],
    ];
    questions.iter().map(|args| json(pool, args)).collect()
}

fn said(pool: &PoolProcess, args: &[&str], code: i32) -> String {
    let done = pool.command(args);
    assert_eq!(done.status.code(), Some(code), "{args:?}: {done:?}");
    format!("{}{}", stdout(&done), stderr(&done))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_are_the_same_with_and_without_a_process() {
    let (mut pool, _stratum) = stopped_pool("").await;
    let closed = answers(&pool);
    pool.spawn().await;
    assert_eq!(answers(&pool), closed);

    let list: Vec<PayoutRow> = serde_json::from_value(closed[0].0.clone()).expect("rows");
    let amounts: Vec<u64> = list.iter().map(|row| row.amount_msat.get()).collect();
    assert_eq!(amounts, [11_000, 7_000, SECOND_MSAT, FIRST_MSAT]);
    let PayoutFate::Settled {
        epochs,
        fee_msat,
        miners: paid,
        audit,
        ..
    } = &list[3].state
    else {
        panic!("{:?}", list[3]);
    };
    assert_eq!(
        (epochs[0].epoch, epochs[0].pays_over),
        (EpochId::FIRST, EpochId::FIRST)
    );
    assert_eq!(epochs[0].block.expect("its block").height, 100);
    // A twentieth, rounded down.
    assert_eq!((*fee_msat, *paid, *audit), (Msat::new(6_172), 2, 1));
    assert_eq!(closed[1].0.as_array().expect("a list").len(), 1);

    let split: PayoutSplit = serde_json::from_value(closed[2].0.clone()).expect("a split");
    assert_eq!(split.payout, list[3]);
    let whole: u64 = split
        .miners
        .iter()
        .map(|row| row.allocated_msat.get())
        .sum();
    assert_eq!(whole, FIRST_MSAT - 6_172);
    let [one, _] = miners();
    let row = split
        .miners
        .iter()
        .find(|row| row.miner == one)
        .expect("is there");
    // Three quarters of 117,285 msat, the remainder is the larger one's.
    assert_eq!(row.work, Work::from_hashes(3_000));
    assert_eq!(
        (row.allocated_msat, row.paid_sat),
        (Msat::new(87_964), Sat::new(87))
    );
    assert_eq!(row.carry_after_msat, Msat::new(964));

    let (suspended, code) = &closed[3];
    assert_eq!((suspended.as_array().expect("a list").len(), *code), (2, 1));
    assert_eq!(closed[4].0["fee_msat"], "8672");
    assert_eq!(closed[4].1, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_nobodys_is_decided_by_command() {
    let (mut pool, _stratum) = stopped_pool("").await;
    let (third, fourth) = (key(3).to_string(), key(4).to_string());
    let text = said(&pool, &["suspense", "list"], 1);
    assert!(
        text.contains("SUSPENDED: no epoch's block") && text.contains(&third),
        "{text}"
    );
    let text = said(&pool, &["payouts", "show", &third], 0);
    assert!(text.contains("at height `900`"), "{text}");

    // With nothing running, and once more: it is done once.
    for _ in 0..2 {
        let text = said(&pool, &["suspense", "to-fee", &third], 0);
        assert!(text.contains("7.000 sat are the operator's now"), "{text}");
    }
    let text = said(&pool, &["suspense", "assign", &third, "1"], 1);
    assert!(text.contains("is not in suspense"), "{text}");

    pool.spawn().await;
    let text = said(&pool, &["suspense", "assign", &fourth, "9"], 1);
    assert!(text.contains("there is no epoch 9"), "{text}");
    let text = said(&pool, &["suspense", "assign", &fourth, "1"], 0);
    assert!(
        text.contains("epoch 1, by the operator's command"),
        "{text}"
    );
    let text = said(&pool, &["suspense", "list"], 0);
    assert!(text.contains("nothing is in suspense"), "{text}");
    let (fee, _) = json(&pool, &["fee", "status"]);
    // 8,672 of the two, 7,000 taken, a twentieth of 11,000.
    assert_eq!(fee["withdrawable_msat"], "16222");
    let text = said(&pool, &["payouts"], 0);
    assert!(text.contains("taken out of suspense"), "{text}");

    let nobody = key(77).to_string();
    for args in [
        ["payouts", "show", &nobody],
        ["suspense", "to-fee", &nobody],
    ] {
        let text = said(&pool, &args, 1);
        assert!(text.contains("there is no payout"), "{text}");
    }
    said(&pool, &["payouts", "show", "rubbish"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_node_nothing_is_withdrawn() {
    let (mut pool, _stratum) = stopped_pool("").await;
    let to = crate::common::ADDRESS;
    let withdraw = ["fee", "withdraw", "--to", to, "all"];
    let text = said(&pool, &withdraw, 1);
    assert!(text.contains("start the pool"), "{text}");
    pool.spawn().await;
    let text = said(&pool, &withdraw, 1);
    assert!(text.contains("no lightning node"), "{text}");
    let (fee, _) = json(&pool, &["fee", "status"]);
    assert_eq!(
        (&fee["withdrawable_msat"], &fee["withdrawn_msat"]),
        (&"8672".into(), &"0".into())
    );
    assert_eq!(fee["withdrawals"], serde_json::json!([]));
    for amount in ["0", "-1", "1.5", "everything"] {
        said(&pool, &["fee", "withdraw", "--to", to, amount], 2);
    }
}
