//! A chain source that fails: within a minute the status, the node's report and the metrics
//! say which source it is, what it answered and what to do.

use std::sync::{Arc, Mutex};

use simnet::chain::{Chain, Mood, SharedChain, SharedMood, serve_in};
use tokio_util::sync::CancellationToken;

use crate::common::{PoolProcess, stdout};
use crate::ocean::now_secs;
use crate::world::{self, metric, metric_reaches};

struct Core {
    chain: SharedChain,
    mood: SharedMood,
}

impl Core {
    fn is(&self, change: impl FnOnce(&mut Mood)) {
        let mut mood = self.mood.lock().expect("no panic");
        *mood = Mood {
            login: mood.login.clone(),
            ..Mood::default()
        };
        change(&mut mood);
    }
}

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

fn hides_the_password(pool: &PoolProcess) {
    let everything = [&["status"][..], &["node", "status"], &["check-config"]];
    for command in everything {
        let output = pool.command(command);
        let said = format!("{}{}", stdout(&output), crate::common::stderr(&output));
        assert!(!said.contains("s3"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_fails_is_told_with_its_answer_and_the_remedy() {
    let core = Core {
        chain: SharedChain::new(Chain::with_faucet(now_secs())),
        mood: Arc::new(Mutex::new(Mood {
            login: Some("me:s3/cr@e#t?".to_owned()),
            ..Mood::default()
        })),
    };
    let serving = CancellationToken::new();
    let serves = serve_in(core.chain.clone(), Arc::clone(&core.mood), serving.clone());
    let at = serves.await.expect("it serves");
    let stratum = world::ocean(|_| {}).await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("node.toml");
    std::fs::write(&file, "network = \"regtest\"\n").expect("the node's settings");
    let sections = format!(
        "[chain]\nurl = \"http://me:s3/cr@e#t?@{at}\"\n[lightning]\nconfig = \"{}\"\n\
         [ocean]\nblocks = \"chain\"\n[expert.ocean]\nask_every_secs = 1\n",
        file.display()
    );
    let mut pool = world::pool(&stratum, |setup| setup.stratum.push_str(&sections)).await;
    tells(&pool, &["running as"]).await;
    let followed = |pool: &PoolProcess| stdout(&pool.command(&["node", "status"]));
    pool.poll("the chain is followed", async |pool| {
        followed(pool)
            .contains("the chain is followed")
            .then_some(())
    })
    .await;
    metric_reaches(&pool, "axepool_chain_source_up", "source=\"pool\"", 1.0).await;

    let name = format!("bitcoind at {at}");
    core.is(|mood| mood.warm_up = Some("Loading wallet…".to_owned()));
    tells(&pool, &[&name, "is starting", "Loading wallet…"]).await;
    assert!(!followed(&pool).contains("the chain is followed"));
    pool.poll("the metric", async |pool| {
        let up = metric(pool, "axepool_chain_source_up", "source=\"pool\"").await;
        (up == 0.0).then_some(())
    })
    .await;
    core.is(|mood| mood.forbids = Some("getblockchaininfo"));
    tells(&pool, &[&name, "HTTP 403", "rpcwhitelist"]).await;
    core.is(|mood| mood.is_syncing = true);
    tells(&pool, &[&name, "still loading the chain", "of 900000"]).await;
    let seen = core.chain.lock().height();
    core.is(|mood| mood.pruned_below = seen + 2);
    let next = format!("block {}", seen + 1);
    tells(&pool, &[&name, "has pruned", &next, "chain.url"]).await;
    core.is(|mood| mood.login = Some("me:other".to_owned()));
    tells(&pool, &[&name, "HTTP 401", "user and password"]).await;
    serving.cancel();
    tells(&pool, &[&name, "no answer", "check that it runs"]).await;

    hides_the_password(&pool);
    assert!(pool.stop().await.success(), "{}", pool.log());
    assert!(!pool.log().contains("s3/"), "{}", pool.log());
}

/// On mainnet the node does not start without estimates of fees: the pool says which source
/// has none and what to do, before somebody reads LDK's "Failed to update fee rate estimates".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bitcoind_without_an_estimate_of_fees_is_told_on_mainnet() {
    let mood = Arc::new(Mutex::new(Mood {
        says: Some("main"),
        has_no_fees: true,
        ..Mood::default()
    }));
    let chain = SharedChain::new(Chain::with_faucet(now_secs()));
    let serving = CancellationToken::new();
    let at = serve_in(chain, mood, serving.clone()).await;
    let at = at.expect("it serves");
    let stratum = world::ocean(|_| {}).await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("node.toml");
    std::fs::write(&file, "network = \"mainnet\"\n").expect("the node's settings");
    let sections = format!(
        "[chain]\nurl = \"http://me:secret@{at}\"\n[lightning]\nconfig = \"{}\"\n\
         [ocean]\nblocks = \"chain\"\n[mint]\nenabled = false\n",
        file.display()
    );
    let mut pool = world::pool(&stratum, |setup| {
        setup.network = "mainnet";
        setup.address = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq";
        setup.stratum.push_str(&sections);
    })
    .await;
    let name = format!("bitcoind at {at}");
    let remedy = "blocksonly=1";
    tells(&pool, &[&name, "has no estimate of fees", remedy]).await;
    let node = stdout(&pool.command(&["node", "status"]));
    assert!(node.contains("could not start"), "{node}");
    assert!(!node.contains("Failed to update"), "{node}");
    let checked = pool.command(&["check-config"]);
    let said = format!("{}{}", stdout(&checked), crate::common::stderr(&checked));
    assert!(said.contains(remedy), "{said}");
    assert!(pool.stop().await.success(), "{}", pool.log());
    assert!(pool.log().contains(remedy), "{}", pool.log());
    serving.cancel();
}
