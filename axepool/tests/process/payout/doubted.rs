//! OCEAN lists a block that our chain source does not have: nobody can tell which chain is
//! the network's, so nothing goes on-chain, whoever orders it.

use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;

use crate::common::{ELSEWHERE, PoolProcess, stderr, stdout};
use crate::ocean::look;
use crate::payout::listed::List;
use crate::payout::prepare::pool_and_ocean;

/// What the operator puts into the node's wallet.
const DEPOSIT_SAT: u64 = 1_000_000;

/// Waits until `axepool status` tells of a doubt, or of none.
pub async fn doubts(pool: &PoolProcess, expected: bool) {
    pool.poll("the witnesses compared", async |pool| {
        let status = stdout(&pool.command(&["status"]));
        (status.contains("THE CHAIN IS IN DOUBT") == expected).then_some(())
    })
    .await;
}

#[track_caller]
pub fn is_refused(pool: &PoolProcess, args: &[&str]) {
    let output = pool.command(args);
    let told = stderr(&output);
    assert!(!output.status.success(), "{args:?} is done");
    assert!(
        told.contains("while the chain is in doubt"),
        "{args:?}: {told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_on_chain_while_oceans_list_contradicts_our_source() {
    let list = List::serve().await;
    let (mut pool, ocean, _stratum, _offer) = pool_and_ocean(|setup| list.is_asked_by(setup)).await;
    let deposit = stdout(&pool.command(&["address", "--deposit"]));
    let address: bitcoin::Address<_> = deposit.trim().parse().expect("an address");
    ocean.gives(&address.assume_checked(), DEPOSIT_SAT);
    pool.poll("the deposit", async |pool| {
        (look(pool).await.spendable_sat.get() == DEPOSIT_SAT).then_some(())
    })
    .await;
    doubts(&pool, false).await;

    let height = ocean.chain.lock().height();
    list.says(height - 3, BlockHash::all_zeros());
    doubts(&pool, true).await;
    let peer = look(&pool).await.peers.remove(0);
    let peer = format!("{}@{}", peer.node_id, peer.address);
    is_refused(&pool, &["node", "open", &peer, "100000", "--force"]);
    is_refused(
        &pool,
        &["node", "send-onchain", ELSEWHERE, "20000", "--force"],
    );
    is_refused(
        &pool,
        &["fee", "withdraw", "--to", ELSEWHERE, "1000", "--force"],
    );
    assert!(ocean.chain.lock().mempool().is_empty());
    let node = pool.command(&["node", "status"]);
    let said = stdout(&node);
    assert!(!node.status.success(), "{said}");
    assert!(said.contains("the chain is in doubt"), "{said}");
    assert!(!said.contains("the chain is followed"), "{said}");

    // It was an orphan: OCEAN's next block is everybody's.
    let (hash, height) = ocean.find_block();
    list.says(height, hash);
    ocean.mine(3);
    doubts(&pool, false).await;
    pool.poll("the money to be sent", async |pool| {
        let sent = pool.command(&["node", "send-onchain", ELSEWHERE, "20000"]);
        sent.status.success().then_some(())
    })
    .await;
    let said = stdout(&pool.command(&["node", "status"]));
    assert!(said.contains("the chain is followed"), "{said}");
    assert!(pool.stop().await.success(), "{}", pool.log());
    ocean.end().await;
}
