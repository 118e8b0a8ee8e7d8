//! Two pools whose settings name one node directory: the second has no node, says so, and
//! mines on.

use std::fs;

use crate::common::stdout;
use crate::ocean::{look, node_status};
use crate::payout::prepare::{mine_some, pool_and_ocean};
use crate::world::{self, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_directory_is_one_pools_alone() {
    let (mut first, ocean, stratum, _offer) = pool_and_ocean(|_| {}).await;
    let node_id = look(&first).await.node_id;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("node.toml");
    let settings = format!(
        "storage_dir = \"{}\"\n{}",
        first.data_dir().join("node").display(),
        ocean.node_settings()
    );
    fs::write(&file, settings).expect("the node's settings");
    let sections = format!(
        "[chain]\nurl = \"{}\"\n[lightning]\nconfig = \"{}\"\n",
        ocean.chain_url(),
        file.display()
    );
    let mut second = world::pool(&stratum, |setup| setup.stratum.push_str(&sections)).await;
    let said = second
        .poll("the node that does not start", async |pool| {
            let status = node_status(pool).await;
            status
                .state
                .contains("could not start")
                .then_some(status.state)
        })
        .await;
    let holder = format!("in use by process {}", first.pid());
    assert!(said.contains(&holder), "{said}");
    let told = stdout(&second.command(&["status"]));
    assert!(told.contains(&holder), "{told}");
    mine_some(&second, &[key(2)]).await;
    assert!(second.stop().await.success(), "{}", second.log());

    // The first one's is untouched.
    ocean.channel_is_usable(&first).await;
    assert_eq!(look(&first).await.node_id, node_id);
    assert!(first.stop().await.success(), "{}", first.log());
    ocean.end().await;
}
