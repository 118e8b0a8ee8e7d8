//! The operator's commands for the node, as typed, against somebody else's node.

use bitcoin::Txid;

use crate::common::{ADDRESS, ELSEWHERE, PoolProcess, stderr, stdout};
use crate::ocean::look;
use crate::payout::prepare::{PAYOUT_MSAT, json, pool_and_ocean};

/// What the operator puts into the node's wallet.
const DEPOSIT_SAT: u64 = 1_000_000;

/// The size of the channel that is opened.
const CHANNEL_SAT: u64 = 500_000;

/// The amount that a channel to a peer that is not trusted sets aside on-chain.
const RESERVE_SAT: u64 = 25_000;

/// Runs a command that has to do what it says; what it said.
#[track_caller]
fn done(pool: &PoolProcess, args: &[&str]) -> String {
    let output = pool.command(args);
    let told = stdout(&output);
    assert!(
        output.status.success(),
        "{args:?}: {told}{}",
        stderr(&output)
    );
    told.trim_end().to_owned()
}

/// Runs a command that has to fail, saying `why`.
#[track_caller]
fn refused(pool: &PoolProcess, args: &[&str], why: &str) {
    let output = pool.command(args);
    let told = stderr(&output);
    assert!(!output.status.success(), "{args:?} is done");
    assert!(told.contains(why), "{args:?}: {told:?} says {why:?}");
}

/// Waits until the books and the node were looked at, so that what is owed is known.
async fn owed_is(pool: &PoolProcess, msat: u64) {
    let shown = msat.to_string();
    let known = async |pool: &PoolProcess| {
        let solvency = json(pool, "/api/solvency").await;
        let owed = solvency["liabilities"]["total_msat"].as_str()?;
        (owed == shown).then_some(())
    };
    pool.poll("what is owed", known).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nodes_commands_do_what_they_say() {
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|_| {}).await;
    let (stranger, at) = ocean.stranger().await;
    let id = stranger.id();
    let peer = format!("{id}@{at}");

    // Without money it says how much is missing, and where to send it.
    let size = CHANNEL_SAT.to_string();
    let open = ["node", "open", &peer, &size, "--public"];
    let told = stderr(&pool.command(&open));
    let (_, missing) = told.split_once("Send ").expect("what to do");
    let mut words = missing.split([' ', ',']);
    let sat: u64 = words.next().and_then(|sat| sat.parse().ok()).expect("sat");
    let least = CHANNEL_SAT + RESERVE_SAT;
    assert!((least + 1..least + 10_000).contains(&sat), "{told}");
    let address = words.find(|word| word.starts_with("bcrt1"));
    let address: bitcoin::Address<_> = address.expect("an address").parse().expect("valid");
    ocean.gives(&address.assume_checked(), DEPOSIT_SAT);
    pool.poll("the deposit", async |pool| {
        (look(pool).await.spendable_sat.get() == DEPOSIT_SAT).then_some(())
    })
    .await;

    // A peer that the config does not name is still one after a restart.
    refused(&pool, &["node", "connect", "nobody"], "is no peer");
    let told = done(&pool, &["node", "connect", &peer]);
    assert_eq!(told, format!("connected to {peer}"));
    assert!(pool.stop().await.success());
    pool.spawn().await;
    pool.poll("the peer", async |pool| {
        let peers = look(pool).await.peers;
        let there = |peer: &payout::node::PeerView| peer.node_id == id && peer.is_connected;
        peers.iter().any(there).then_some(())
    })
    .await;

    owed_is(&pool, 0).await;
    let told = done(&pool, &open);
    let channel = told.split(' ').nth(1).expect("its number").to_owned();
    ocean.confirms("a funding transaction").await;
    pool.poll("the channel to be usable", async |pool| {
        let channels = look(pool).await.channels;
        let one = channels.iter().find(|one| one.peer == id)?;
        assert_eq!(one.id.to_string(), channel);
        assert_eq!(one.size.get(), CHANNEL_SAT);
        one.is_usable.then_some(())
    })
    .await;
    let shown = stdout(&pool.command(&["node", "status"]));
    assert!(shown.contains(&channel), "{shown}");

    // An invoice and an offer, once what is owed is known: nothing.
    owed_is(&pool, 0).await;
    // A tenth of a channel is the most at once.
    let invoice = stranger.invoice(40_000_000).await.expect("an invoice");
    let told = done(&pool, &["node", "pay", &invoice]);
    assert!(told.contains("paid, 40000000 msat with fees"), "{told}");
    refused(&pool, &["node", "pay", &invoice], "already");
    let any_amount = stranger.offer().await.expect("an offer");
    refused(&pool, &["node", "pay", &any_amount], "amount");
    let told = done(&pool, &["node", "pay", &any_amount, "2000"]);
    assert!(
        told.contains("paid, ") && told.contains("preimage"),
        "{told}"
    );
    let received = stranger.received().await.expect("its payments");
    assert_eq!(received.len(), 1, "{received:?}");
    assert!(received[0].msat >= 2_000_000, "{received:?}");
    let told = done(&pool, &["node", "payments"]);
    assert_eq!(told, "every payment is decided");

    // What is somebody else's stays, unless it is told twice.
    ocean.pay(&offer, PAYOUT_MSAT, 1).await;
    owed_is(&pool, PAYOUT_MSAT).await;
    let much = ["node", "send-onchain", ELSEWHERE, "5000000"];
    refused(&pool, &much, "msat are owed");
    refused(&pool, &[&much[..], &["--force"]].concat(), "nsufficient");
    refused(
        &pool,
        &["node", "send-onchain", ELSEWHERE, "some"],
        "neither",
    );
    let home = ["node", "send-onchain", ADDRESS, "20000", "--force"];
    refused(&pool, &home, "the payout address");
    let txid = done(&pool, &["node", "send-onchain", ELSEWHERE, "20000"]);
    let txid: Txid = txid.parse().expect("a transaction");
    pool.poll("the transaction", async |_| {
        ocean.chain.lock().mempool().contains(&txid).then_some(())
    })
    .await;
    ocean.mine(6);

    refused(&pool, &["node", "close", "17"], "has no channel 17");
    let told = done(&pool, &["node", "close", &channel]);
    assert!(told.contains("is being closed"), "{told}");
    ocean.confirms("a closing transaction").await;
    // What the stranger was paid is gone, and some fees; all else is in the wallet again.
    let least = DEPOSIT_SAT - 42_000 - 20_000 - 20_000;
    pool.poll("the channel's money", async |pool| {
        let node = look(pool).await;
        let gone = node.channels.iter().all(|one| one.peer != id);
        (gone && node.spendable_sat.get() > least).then_some(())
    })
    .await;
    let shown = stdout(&pool.command(&["node", "status"]));
    assert!(shown.contains("by agreement"), "{shown}");
    stranger.stop().await.expect("it stops");
    assert!(pool.stop().await.success());
    ocean.end().await;
}
