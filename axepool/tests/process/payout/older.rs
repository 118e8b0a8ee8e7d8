//! The node's directory is gone, or an older copy of it is in its place: nothing is paid twice
//! or given back by itself, and no old state of a channel is used.

use std::fs;
use std::path::Path;

use payout::outgoing::Undecided;

use crate::common::{PoolProcess, stderr, stdout};
use crate::ocean::{free_address, look, node_status};
use crate::owner::property::copy_all;
use crate::payout::prepare::{Purse, earned, pool_and_ocean};
use crate::world::key;

/// The node's store, with its channels.
const STORE: &str = "ldk_node_data.sqlite";

fn copy(from: &Path, to: &Path) {
    copy_all(from, to).expect("copies");
}

/// Waits until the node does not start, and both commands say why.
async fn says(pool: &PoolProcess, doubt: &str) {
    let told = async |pool: &PoolProcess| {
        let status = stdout(&pool.command(&["status"]));
        (status.contains(doubt) && status.contains("axepool node accept")).then_some(())
    };
    pool.poll("the status to tell", told).await;
    let status = pool.command(&["node", "status"]);
    assert!(!status.status.success());
    assert!(stdout(&status).contains(doubt), "{}", stdout(&status));
    assert!(node_status(pool).await.node.is_none());
}

fn undecided(pool: &PoolProcess) -> Vec<Undecided> {
    let told = pool.command(&["node", "payments", "--json"]);
    serde_json::from_str(&stdout(&told)).unwrap_or_default()
}

async fn restarts(pool: &mut PoolProcess) {
    pool.spawn().await;
    pool.wait_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_node_pays_nothing_twice_and_gives_nothing_back() {
    let http = free_address();
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|setup| setup.http = http).await;
    let owner = key(1);
    earned(&pool, &ocean, &offer, std::slice::from_ref(&owner)).await;
    let dir = tempfile::tempdir().expect("a directory");
    let purse = Purse::swept(&pool, &owner, dir.path()).await;
    let node = pool.data_dir().join("node");
    let older = dir.path().join("older");
    assert!(pool.stop().await.success(), "{}", pool.log());
    copy(&node, &older);

    // Its store is gone, a disk that is not mounted perhaps: no node without channels begins.
    fs::rename(node.join(STORE), dir.path().join(STORE)).expect("moves");
    restarts(&mut pool).await;
    says(&pool, "is gone").await;
    fs::rename(dir.path().join(STORE), node.join(STORE)).expect("moves back");
    ocean.channel_is_usable(&pool).await;

    // After the copy one melt was paid, and another is under way.
    let invoice = ocean.node.invoice(40_000_000).await.expect("an invoice");
    purse.pays(&[&invoice]);
    let held = ocean.node.hold_invoice(20_000_000, [5; 32]).await;
    let paying = purse.begin(&["pay", &held.expect("an invoice"), "--wait", "1"]);
    pool.poll("the payment at the receiver", async |_| {
        ocean.node.has_come([5; 32]).then_some(())
    })
    .await;
    paying.end();
    let left = purse.balance();
    assert!(left.1 >= 20_000, "{left:?}");
    pool.kill();
    fs::remove_dir_all(&node).expect("removes");
    copy(&older, &node);
    restarts(&mut pool).await;
    says(&pool, "is an older copy").await;
    assert!(
        !purse
            .run(&["pay", &invoice, "--wait", "1"])
            .status
            .success()
    );
    purse.run(&["recover"]);
    assert_eq!(purse.balance(), left);

    // The operator has no other copy.
    let how = pool.command(&["node", "accept"]);
    assert!(!how.status.success(), "{}", stdout(&how));
    let accepted = pool.command(&["node", "accept", "--set-aside"]);
    assert!(accepted.status.success(), "{}", stderr(&accepted));
    assert!(look(&pool).await.channels.is_empty());
    let again = pool.command(&["node", "accept", "--as-it-is"]);
    assert!(stderr(&again).contains("nothing to accept"), "{again:?}");
    let unknown = pool
        .poll("the melt that nobody knows", async |pool| {
            undecided(pool).pop()
        })
        .await;
    assert!(unknown.amount.is_zero(), "{unknown:?}");
    assert_eq!(undecided(&pool).len(), 1);
    let said = stdout(&pool.command(&["status"]));
    assert!(said.contains("axepool node payments"), "{said}");
    purse.run(&["recover"]);
    assert_eq!(purse.balance(), left, "nothing is given back");
    let twice = pool.command(&["node", "pay", &invoice]);
    let why = stderr(&twice);
    assert!(why.contains("older than the node's store"), "{why}");

    // The channel's money is on its way: its peer closes.
    ocean.confirms("the peer's closing transaction").await;
    // That is the node's directory from now on.
    assert!(pool.stop().await.success(), "{}", pool.log());
    restarts(&mut pool).await;
    look(&pool).await;
    assert_eq!(undecided(&pool), [unknown]);
    assert!(pool.stop().await.success(), "{}", pool.log());
    copy(&older, &node);
    restarts(&mut pool).await;
    says(&pool, "is another one than the last").await;
    assert!(pool.stop().await.success(), "{}", pool.log());
    ocean.end().await;
}
