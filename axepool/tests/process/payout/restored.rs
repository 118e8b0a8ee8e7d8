//! A pool that lost its disk, with a node that has nothing but its words.

use std::fs;

use bitcoin::hashes::Hash as _;
use bitcoin::{Address, BlockHash};
use serde_json::Value;

use crate::common::{PoolProcess, axepool, stderr, stdout};
use crate::ocean::{look, node_status};
use crate::payout::doubted::{doubts, is_refused};
use crate::payout::listed::List;
use crate::payout::prepare::{PAYOUT_MSAT, closed_by, mine_some, paid_sat, pool_and_ocean};
use crate::world::key;

/// What the operator put into the wallet before the backup, and after it.
const DEPOSIT_SAT: u64 = 1_000_000;
const LATER_SAT: u64 = 40_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_money_of_lost_channels_comes_back_to_the_wallet() {
    let list = List::serve().await;
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|setup| list.is_asked_by(setup)).await;
    mine_some(&pool, &[key(1)]).await;
    let (hash, height) = ocean.find_block();
    list.says(height, hash);
    ocean.mine(2);
    closed_by(&pool, height).await;
    ocean.pay(&offer, PAYOUT_MSAT, height).await;
    paid_sat(&pool).await;
    let node_id = look(&pool).await.node_id;
    // The operator's own coins, at an address that is given before the backup and one after.
    let mut given = Vec::new();
    let mut deposit = async |pool: &PoolProcess, sat: u64| {
        let told = pool.command(&["address", "--deposit"]);
        assert!(told.status.success(), "{}", stderr(&told));
        let address = stdout(&told).trim().to_owned();
        assert!(
            !given.contains(&address),
            "{address} is given a second time"
        );
        given.push(address.clone());
        let address: Address<_> = address.parse().expect("an address");
        if sat > 0 {
            ocean.gives(&address.clone().assume_checked(), sat);
        }
        address.assume_checked()
    };
    deposit(&pool, DEPOSIT_SAT).await;

    let place = tempfile::tempdir().expect("a directory");
    let backup = place.path().join("backup").display().to_string();
    let made = pool.command(&["backup", &backup, "--with-secrets"]);
    assert!(made.status.success(), "{}", stderr(&made));
    deposit(&pool, LATER_SAT).await;
    pool.kill();
    let data = pool.data_dir();
    fs::rename(&data, data.with_extension("lost")).expect("rename");
    let to = data.display().to_string();
    let restored = axepool(&["restore", &backup, "--data-dir", &to], place.path());
    assert!(restored.status.success(), "{}", stderr(&restored));
    let peer = ocean.node.id().to_string();
    assert!(stdout(&restored).contains(&peer), "{}", stdout(&restored));
    pool.spawn().await;
    pool.wait_ready().await;

    // The node is the same and has no channels; its peer sees that, and closes.
    let node = look(&pool).await;
    assert_eq!(node.node_id, node_id);
    assert!(node.channels.is_empty(), "{node:?}");
    ocean.confirms("the peer's closing transaction").await;
    let on_chain = async || {
        let node = node_status(&pool).await.node.expect("a node");
        node.on_chain_sat.get()
    };
    // On bitcoind the wallet has seen nothing of before.
    let before = on_chain().await;
    assert_eq!(before, 0);
    let payout = stdout(&pool.command(&["address"])).trim().to_owned();
    let next = deposit(&pool, 0).await;
    assert_ne!(next.to_string(), payout);

    let reminded = async |pool: &PoolProcess| {
        let shown = stdout(&pool.command(&["status"]));
        shown.contains("axepool node recover")
    };
    pool.poll("the status to tell", async |pool| {
        reminded(pool).await.then_some(())
    })
    .await;
    let found = pool.command(&["node", "recover", "--look"]);
    assert!(found.status.success(), "{}", stderr(&found));
    for sat in ["500,000 sat", "1,000,000 sat", "40,000 sat"] {
        assert!(stdout(&found).contains(sat), "{}", stdout(&found));
    }
    // The peer's own transactions may be in the mempool, so the words are held to it.
    assert!(
        !stdout(&found).contains("to the node's wallet"),
        "only looked: {}",
        stdout(&found)
    );
    assert_eq!(on_chain().await, 0, "only looked");
    // Nobody knows on which chain this money is.
    let mempool = || ocean.chain.lock().mempool().len();
    let before = mempool();
    let height = ocean.chain.lock().height();
    list.says(height - 3, BlockHash::all_zeros());
    doubts(&pool, true).await;
    is_refused(&pool, &["node", "recover"]);
    assert_eq!(mempool(), before);
    let (hash, height) = ocean.find_block();
    list.says(height, hash);
    ocean.mine(3);
    doubts(&pool, false).await;
    let sent = pool.command(&["node", "recover"]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    assert!(
        stdout(&sent).contains("to the node's wallet"),
        "{}",
        stdout(&sent)
    );
    ocean.confirms("the transactions to the wallet").await;
    pool.poll("the status to be still", async |pool| {
        (!reminded(pool).await).then_some(())
    })
    .await;
    let all = 500_000 + DEPOSIT_SAT + LATER_SAT;
    let there = pool
        .poll("the money in the node's wallet", async |_| {
            let there = on_chain().await;
            (there > all - 10_000).then_some(there)
        })
        .await;
    // What it cost is the operator's to bear, to the satoshi.
    let costs = ((all - there) * 1000).to_string();
    pool.poll("the costs in the books", async |pool| {
        let told = pool.command(&["fee", "status", "--json"]);
        let fee: Value = serde_json::from_str(&stdout(&told)).expect("JSON");
        (fee["node_costs_msat"] == costs.as_str()).then_some(())
    })
    .await;
    let again = pool.command(&["node", "recover"]);
    assert!(
        stdout(&again).contains("nothing of this node is"),
        "{}",
        stdout(&again)
    );
    ocean.end().await;
}
