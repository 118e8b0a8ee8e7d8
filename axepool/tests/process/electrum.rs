//! A node with an Electrum server as its chain source: the pool asks the server itself, and
//! compares its chain with the upstream's and OCEAN's.

use bitcoin::script::PushBytes;
use simnet::chain::{Chain, ChainSource, SharedChain};
use simnet::pool::SimPool;

use crate::common::{PoolProcess, stdout};
use crate::electrum_server::{Electrum, Fault};
use crate::ocean::now_secs;
use crate::payout::listed::List;
use crate::world::{self, metric, metric_reaches};

/// Until `axepool status` and `axepool node status` say each of `words`.
async fn tells(pool: &PoolProcess, words: &[&str]) {
    pool.poll(&format!("{words:?} in the status"), async |pool| {
        let both = [&["status"][..], &["node", "status"]];
        let said = both.map(|command| stdout(&pool.command(command)));
        let has_all = |said: &String| words.iter().all(|word| said.contains(word));
        said.iter().all(has_all).then_some(())
    })
    .await;
}

async fn is_followed(pool: &PoolProcess) {
    pool.poll("the chain is followed", async |pool| {
        let said = stdout(&pool.command(&["node", "status"]));
        said.contains("the chain is followed").then_some(())
    })
    .await;
}

/// Blocks of somebody with that name.
fn mine(chain: &SharedChain, tag: &'static [u8], count: u32) {
    let tag = <&PushBytes>::try_from(tag).expect("short");
    for _ in 0..count {
        chain.lock().mine_tagged(tag, now_secs());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_electrum_server_is_asked_and_compared_as_other_sources_are() {
    let chain = SharedChain::new(Chain::with_faucet(now_secs()));
    let electrum = Electrum::serve(chain.clone()).await;
    let source = ChainSource::new(chain.clone());
    let stratum = SimPool::start_on(world::ocean_options(), source).await;
    let stratum = stratum.expect("a simulated pool");
    let list = List::serve().await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("node.toml");
    let settings = format!(
        "network = \"regtest\"\nchain_source = \"tcp://{}\"\n",
        electrum.at
    );
    std::fs::write(&file, settings).expect("the node's settings");
    let sections = format!(
        "[lightning]\nconfig = \"{}\"\n[ocean]\n{}[expert.ocean]\nask_every_secs = 1\n",
        file.display(),
        list.config()
    );
    let mut pool = world::pool(&stratum, |setup| setup.stratum.push_str(&sections)).await;
    tells(&pool, &["running as"]).await;
    is_followed(&pool).await;
    metric_reaches(&pool, "axepool_chain_source_up", "source=\"node\"", 1.0).await;

    let name = format!("electrum at tcp://{}", electrum.at);
    electrum.has(Fault::Silent);
    tells(&pool, &[&name, "no answer", "check that it runs"]).await;
    pool.poll("the metric", async |pool| {
        let up = metric(pool, "axepool_chain_source_up", "source=\"node\"").await;
        (up == 0.0).then_some(())
    })
    .await;
    assert!(pool.log().contains("the chain source cannot be followed"));
    electrum.has(Fault::OnMainnet);
    tells(&pool, &[&name, "is on bitcoin, and the pool on regtest"]).await;
    electrum.has(Fault::Nothing);
    is_followed(&pool).await;
    pool.poll("the server among the witnesses", async |pool| {
        let at = |witness| metric(pool, "axepool_chain_witness_height", witness);
        let (own, upstream) = (at("\"own\"").await, at("\"upstream\"").await);
        (own > 0.0 && own == upstream).then_some(())
    })
    .await;

    // The server follows another chain from here on, as deep as the upstream's.
    let other = SharedChain::new(Chain::with_faucet(now_secs()));
    mine(&other, b"others", 6);
    electrum.follows(other);
    mine(&chain, b"ours", 6);
    stratum.new_job(true);
    let (height, hash) = {
        let chain = chain.lock();
        let height = chain.height() - 3;
        (height, chain.block(height).expect("a block").block_hash())
    };
    list.says(height, hash);
    tells(&pool, &["our chain source differs from the others"]).await;
    metric_reaches(&pool, "axepool_chain_doubt", "witness=\"own\"", 1.0).await;
    assert!(pool.stop().await.success(), "{}", pool.log());
}
