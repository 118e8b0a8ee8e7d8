//! OCEAN lists a block that our chain source does not have, so that nobody can tell which
//! chain is the network's; or the upstream mines on another chain than the two others have.
//! Nothing goes on-chain then, whoever orders it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;

use simnet::chain::{Chain, ChainSource, SharedChain};
use simnet::pool::{FoundBlock, SimPool, Template, TemplateSource};

use crate::common::{ELSEWHERE, PoolProcess, stderr, stdout};
use crate::ocean::{Ocean, look, now_secs};
use crate::payout::listed::List;
use crate::payout::prepare::pool_and_ocean;
use crate::world::{self, metric, metric_reaches};

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

/// The operator puts money into the node's wallet.
async fn deposit(pool: &PoolProcess, ocean: &Ocean) {
    let deposit = async |pool: &PoolProcess| {
        let told = pool.command(&["address", "--deposit"]);
        stdout(&told).trim().parse::<bitcoin::Address<_>>().ok()
    };
    let address = pool.poll("an address", deposit).await;
    ocean.gives(&address.assume_checked(), DEPOSIT_SAT);
    pool.poll("the deposit", async |pool| {
        (look(pool).await.spendable_sat.get() == DEPOSIT_SAT).then_some(())
    })
    .await;
}

/// Every order that would send money on-chain is refused.
async fn nothing_goes_on_chain(pool: &PoolProcess, ocean: &Ocean) {
    let peer = look(pool).await.peers.remove(0);
    let peer = format!("{}@{}", peer.node_id, peer.address);
    is_refused(pool, &["node", "open", &peer, "100000", "--force"]);
    is_refused(
        pool,
        &["node", "send-onchain", ELSEWHERE, "20000", "--force"],
    );
    is_refused(
        pool,
        &["fee", "withdraw", "--to", ELSEWHERE, "1000", "--force"],
    );
    assert!(ocean.chain.lock().mempool().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_on_chain_while_oceans_list_contradicts_our_source() {
    let list = List::serve().await;
    let (mut pool, ocean, _stratum, _offer) = pool_and_ocean(|setup| list.is_asked_by(setup)).await;
    deposit(&pool, &ocean).await;
    doubts(&pool, false).await;

    let height = ocean.chain.lock().height();
    list.says(height - 3, BlockHash::all_zeros());
    doubts(&pool, true).await;
    nothing_goes_on_chain(&pool, &ocean).await;
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

/// The templates of an upstream that can go over to another chain.
struct TwoChains {
    ours: ChainSource,
    other: ChainSource,
    is_astray: Arc<AtomicBool>,
}

impl TwoChains {
    fn now(&mut self) -> &mut ChainSource {
        match self.is_astray.load(Ordering::SeqCst) {
            true => &mut self.other,
            false => &mut self.ours,
        }
    }
}

impl TemplateSource for TwoChains {
    fn template(&mut self, empty: bool) -> Template {
        self.now().template(empty)
    }

    fn block_found(&mut self, block: &FoundBlock) {
        self.now().block_found(block);
    }

    fn network_block(&mut self) {
        self.now().network_block();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_on_chain_while_the_upstream_mines_on_another_chain() {
    let ocean = Ocean::start().await;
    let other = SharedChain::new(Chain::with_faucet(now_secs()));
    let is_astray = Arc::new(AtomicBool::new(false));
    let source = TwoChains {
        ours: ChainSource::new(ocean.chain.clone()),
        other: ChainSource::new(other.clone()),
        is_astray: Arc::clone(&is_astray),
    };
    let stratum = SimPool::start_on(world::ocean_options(), source).await;
    let stratum = stratum.expect("a simulated pool");
    let list = List::serve().await;
    let sections = ocean.config();
    let mut pool = world::pool(&stratum, |setup| {
        setup.stratum.push_str(&sections);
        list.is_asked_by(setup);
    })
    .await;
    deposit(&pool, &ocean).await;
    stratum.new_job(true);
    pool.poll("the upstream on our chain", async |pool| {
        let at = |witness| metric(pool, "axepool_chain_witness_height", witness);
        let (own, upstream) = (at("\"own\"").await, at("\"upstream\"").await);
        (own > 0.0 && own == upstream).then_some(())
    })
    .await;
    doubts(&pool, false).await;

    // OCEAN and our own source have the same blocks, and the upstream others.
    let met = ocean.chain.lock().height();
    let (hash, height) = ocean.find_block();
    ocean.mine(4);
    list.says(height, hash);
    let more = met + 4 - other.lock().height();
    other.lock().mine_to_faucet(more, now_secs());
    is_astray.store(true, Ordering::SeqCst);
    stratum.new_job(true);
    doubts(&pool, true).await;
    pool.poll("the witness that differs", async |pool| {
        let status = stdout(&pool.command(&["status"]));
        status
            .contains("the upstream differs from the others")
            .then_some(())
    })
    .await;
    metric_reaches(&pool, "axepool_chain_doubt", "witness=\"upstream\"", 1.0).await;
    nothing_goes_on_chain(&pool, &ocean).await;
    let said = stdout(&pool.command(&["node", "status"]));
    assert!(said.contains("the upstream differs"), "{said}");

    is_astray.store(false, Ordering::SeqCst);
    stratum.new_job(true);
    doubts(&pool, false).await;
    pool.poll("the money to be sent", async |pool| {
        let sent = pool.command(&["node", "send-onchain", ELSEWHERE, "20000"]);
        sent.status.success().then_some(())
    })
    .await;
    assert!(pool.stop().await.success(), "{}", pool.log());
    ocean.end().await;
}
