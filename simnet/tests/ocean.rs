//! The simulated OCEAN as one thing: real sockets, real proof of work, real lightning.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod common;
#[path = "common/ocean.rs"]
mod world;

use simnet::ocean::{ApiFault, BlockState, OnChain, Via};
use simnet::stratum::Target;
use world::{ALICE, BOB, PATIENCE, World};

#[tokio::test]
async fn a_block_is_divided_listed_and_paid_over_the_chain() {
    let world = World::new(|options| options.fee_bps = 200).await;
    world.mine_quotas(&[20, 12, 9]).await;
    let block = world.find_block(0).await;

    // Alice's two devices and the block itself, and Bob's.
    let books = world.ocean.books();
    let (alice, bob) = (books.account(ALICE), books.account(BOB));
    assert_eq!((alice.shares, bob.shares), (33, 9));
    let share = Target::of_difficulty(common::EASY).unwrap().work();
    assert_eq!((alice.work, bob.work), (33 * share, 9 * share));
    // The stratum server's own books say the same.
    let pool = world.ocean.pool().books();
    assert_eq!(pool.accepted(), alice.shares + bob.shares);
    assert_eq!(pool.work(), alice.work + bob.work);
    let totals = books.totals();
    assert!(totals.is_balanced(), "{totals:?}");
    assert_eq!(totals.rewards_msat, 5_000_000_000_000);
    // 33 shares in a window of 8 blocks, of 50 bitcoins, less two percent.
    let window = 8 * Target::of_difficulty(250_000.0 * common::EASY)
        .unwrap()
        .work();
    let gross = 5_000_000_000_000 * 33 * share / window;
    let net = |gross: u128| u64::try_from(gross - gross * 200 / 10_000).unwrap();
    let expected = [net(gross), net(gross + 1)];
    assert!(expected.contains(&alice.pending_msat()), "{expected:?}");
    assert_eq!((alice.due_msat, alice.earnings[0].block), (0, block.hash));

    // It stands on the chain, with the tag.
    assert_eq!(block.state, BlockState::Waiting);
    assert_eq!(block.username, format!("{ALICE}.one"));
    assert_eq!(
        world.ocean.chain().lock().height_of(&block.hash),
        Some(block.height)
    );
    let tagged = world.ocean.chain().lock().tagged(b"OCEAN.XYZ");
    assert_eq!(tagged, [block.height]);

    // The API says so.
    let blocks = world.api("/blocks/0/30/0").await["result"]["blocks"].clone();
    assert_eq!(blocks.as_array().unwrap().len(), 1);
    assert_eq!(blocks[0]["height"], block.height);
    assert_eq!(blocks[0]["block_hash"], block.hash.to_string());
    assert_eq!(blocks[0]["total_reward_sats"], "5000000000");
    assert_eq!(
        (&blocks[0]["username"], &blocks[0]["workername"]),
        (&ALICE.into(), &"one".into())
    );
    let told = world.api(&format!("/earnpay/{ALICE}/0")).await["result"].clone();
    let earning = &told["earnings"][0];
    assert_eq!(earning["block_hash"], block.hash.to_string());
    let net = alice.earnings[0].net_msat / 1_000;
    assert_eq!(earning["satoshis_net_earned"], net.to_string());
    assert_eq!(
        earning["shares_in_window"], "0",
        "a simulated share is far below one"
    );
    assert!(earning["fees_colected_satoshis"].is_string());
    assert_eq!(told["payouts"].as_array().unwrap().len(), 0);
    let stats = world.api(&format!("/statsnap/{ALICE}")).await["result"].clone();
    let owed = alice.owed_msat() / 1_000;
    assert_eq!(stats["unpaid"], format!("0.{owed:08}"));
    assert!(
        stats["hashrate_60s"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );

    // Deep enough, and told to pay over the chain.
    world.ocean.mine_blocks(3);
    let is_due = |books: &simnet::ocean::OceanBooks| books.account(ALICE).due_msat > 0;
    world.ocean.wait_for(is_due, PATIENCE).await.unwrap();
    let txid = world.ocean.pay_on_chain_now().unwrap().unwrap();
    world.ocean.mine_blocks(1);
    let alice = world.ocean.account(ALICE);
    assert_eq!(alice.paid_msat(), net * 1_000);
    assert_eq!(alice.owed_msat(), alice.earned_msat() - net * 1_000);
    let told = world.api(&format!("/earnpay/{ALICE}/0")).await["result"].clone();
    let payout = &told["payouts"][0];
    assert_eq!(payout["on_chain_txid"], txid.to_string());
    assert_eq!(payout["total_satoshis_net_paid"], net);
    assert_eq!(payout["is_generation_txn"], false);
    assert_eq!(world.paid_by(txid, ALICE), net);
    assert!(world.ocean.books().totals().is_balanced());
    world.ocean.stop().await.unwrap();
}

#[tokio::test]
async fn an_orphaned_block_brought_nothing() {
    let world = World::new(|_| {}).await;
    world.mine_quotas(&[5, 0, 5]).await;
    let orphan = world.find_block(0).await;
    assert_eq!(world.ocean.reorganise(1), [orphan.hash]);
    let is_gone = |books: &simnet::ocean::OceanBooks| books.blocks[0].state == BlockState::Orphaned;
    world.ocean.wait_for(is_gone, PATIENCE).await.unwrap();
    assert_eq!(world.ocean.account(ALICE).earned_msat(), 0);
    let blocks = world.api("/blocks/0/30/0").await["result"]["blocks"].clone();
    assert_eq!(blocks.as_array().unwrap().len(), 0);

    // The work counts for the next one.
    let next = world.find_block(2).await;
    assert_eq!(next.height, orphan.height + 2);
    let books = world.ocean.books();
    assert_eq!(books.account(ALICE).shares, 6);
    assert!(books.account(ALICE).pending_msat() > 0);
    assert!(books.totals().is_balanced());
    world.ocean.stop().await.unwrap();
}

#[tokio::test]
async fn who_has_gathered_enough_is_paid_in_the_coinbase() {
    let world = World::new(|options| {
        options.policy.on_chain = OnChain::Coinbase;
        options.policy.on_chain_sat = 5_000;
    })
    .await;
    world.mine_quotas(&[5, 0, 1]).await;
    world.find_block(0).await;
    world.ocean.mine_blocks(3);
    let is_aside = |books: &simnet::ocean::OceanBooks| books.account(ALICE).in_coinbase_msat > 0;
    world.ocean.wait_for(is_aside, PATIENCE).await.unwrap();
    let aside = world.ocean.account(ALICE).in_coinbase_msat;
    let paying = world.find_block(2).await;
    let paid = world.ocean.account(ALICE).payments;
    assert_eq!(paid.len(), 1);
    assert_eq!(
        (paid[0].msat, paid[0].via),
        (aside, Via::Coinbase(paying.coinbase))
    );
    assert_eq!(world.paid_by(paying.coinbase, ALICE), aside / 1_000);
    let told = world.api(&format!("/earnpay/{ALICE}")).await["result"].clone();
    assert_eq!(told["payouts"][0]["is_generation_txn"], true);
    assert_eq!(
        world.ocean.account(BOB).payments,
        [],
        "he has not gathered enough"
    );
    assert!(world.ocean.books().totals().is_balanced());
    world.ocean.stop().await.unwrap();
}

#[tokio::test]
async fn the_api_can_be_wrong() {
    let world = World::new(|_| {}).await;
    world.mine_quotas(&[10, 0, 0]).await;
    let block = world.find_block(0).await;
    let earnpay = format!("/earnpay/{ALICE}/0/4000000000");
    let net = world.ocean.account(ALICE).earned_msat() / 1_000;
    let earned =
        |told: &serde_json::Value| told["result"]["earnings"][0]["satoshis_net_earned"].clone();
    assert_eq!(earned(&world.api(&earnpay).await), net.to_string());

    world
        .ocean
        .set_api_fault(ApiFault::LyingEarnings { percent: 300 });
    assert_eq!(earned(&world.api(&earnpay).await), (net * 3).to_string());
    world.ocean.set_api_fault(ApiFault::Behind {
        height: block.height - 1,
    });
    assert_eq!(
        world.api("/blocks").await["result"]["blocks"],
        serde_json::json!([])
    );
    world.ocean.set_api_fault(ApiFault::Down);
    assert_eq!(world.get("/blocks/0/30/0").await, (503, String::new()));
    world.ocean.set_api_fault(ApiFault::Garbage);
    let (status, body) = world.get("/blocks/0/30/0").await;
    assert!(
        status == 200 && serde_json::from_str::<serde_json::Value>(&body).is_err(),
        "{body}"
    );
    world
        .ocean
        .set_api_fault(ApiFault::Error("busy".to_owned()));
    assert_eq!(world.api(&earnpay).await["error"], "busy");
    let wait = std::time::Duration::from_millis(200);
    world.ocean.set_api_fault(ApiFault::Slow(wait));
    let asked = std::time::Instant::now();
    assert_eq!(earned(&world.api(&earnpay).await), net.to_string());
    assert!(asked.elapsed() >= wait);

    world.ocean.set_api_fault(ApiFault::None);
    assert_eq!(
        world.api("/earnpay/nobody/0").await["error"],
        "no such user"
    );
    assert_eq!(world.api("/statsnap/nobody").await["error"], "no such user");
    assert!(world.api("/blocks/x/30/0").await["error"].is_string());
    assert_eq!(world.api("/nothing").await["error"], "no such endpoint");
    assert_eq!(
        world.api("/blocks/1/30/0").await["result"]["blocks"],
        serde_json::json!([])
    );
    world.ocean.stop().await.unwrap();
}

/// Whoever is alone gets it all, whatever their luck.
#[tokio::test]
async fn blocks_of_an_old_chain_are_worth_little() {
    let world = World::new(|options| {
        options.start_height = 1_800;
        options.with_others = false;
        options.fee_bps = 100;
    })
    .await;
    world.mine_quotas(&[3, 1, 0]).await;
    world.find_block(1).await;
    let totals = world.ocean.books().totals();
    assert_eq!(totals.rewards_msat, 1_220_703_000);
    assert_eq!(totals.fees_msat, 12_207_030);
    assert_eq!((totals.owed_msat, totals.others_msat), (1_208_495_970, 0));
    assert_eq!(world.ocean.account(ALICE).owed_msat(), totals.owed_msat);
    world.ocean.stop().await.unwrap();
}
