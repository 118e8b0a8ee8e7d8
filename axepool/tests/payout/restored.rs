//! A pool that lost its disk, with a node that has nothing but its words.

use std::fs;

use crate::common::{axepool, stderr, stdout};
use crate::ocean::{look, node_status};
use crate::prepare::{earned, pool_and_ocean};
use crate::world::key;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_money_of_lost_channels_comes_back_to_the_wallet() {
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|_| {}).await;
    earned(&pool, &ocean, &offer, &[key(1)]).await;
    let node_id = look(&pool).await.node_id;

    let place = tempfile::tempdir().expect("a directory");
    let backup = place.path().join("backup").display().to_string();
    let made = pool.command(&["backup", &backup, "--with-secrets"]);
    assert!(made.status.success(), "{}", stderr(&made));
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
    let before = on_chain().await;

    let found = pool.command(&["node", "recover", "--look"]);
    assert!(found.status.success(), "{}", stderr(&found));
    assert!(stdout(&found).contains("500,000 sat"), "{}", stdout(&found));
    assert!(ocean.chain.lock().mempool().is_empty(), "only looked");
    let sent = pool.command(&["node", "recover"]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    assert!(
        stdout(&sent).contains("to the node's wallet"),
        "{}",
        stdout(&sent)
    );
    ocean.confirms("the transaction to the wallet").await;
    pool.poll("the money in the node's wallet", async |_| {
        let more = on_chain().await - before;
        (more > 490_000).then_some(())
    })
    .await;
    let again = pool.command(&["node", "recover"]);
    assert!(
        stdout(&again).contains("nothing of this node's"),
        "{}",
        stdout(&again)
    );
    ocean.end().await;
}
