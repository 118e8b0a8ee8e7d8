//! OCEAN beside a pool's process, with what the binary needs of it to earn money: a chain
//! with OCEAN's blocks in it, and a lightning node that pays offers with OCEAN's note.

#![allow(dead_code, unreachable_pub)]

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bitcoin::{Address, Amount, BlockHash};
use pool::admin::{NodeLook, NodeReply, NodeRequest, NodeStatus, Reply, Request};
use simnet::chain::{Chain, SharedChain, SharedMood, serve_in};
use simnet::lightning::{NoteNames, OceanNode, OceanNodeOptions, payout};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::common::PoolProcess;

/// Channels take some seconds on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The chain and OCEAN's node.
pub struct Ocean {
    pub chain: SharedChain,
    /// That of the bitcoind which serves it.
    pub mood: SharedMood,
    pub node: OceanNode,
    rpc: SocketAddr,
    node_at: SocketAddr,
    /// Where the pool's node is to listen: the same over restarts.
    pool_at: SocketAddr,
    dir: TempDir,
    stop: CancellationToken,
}

pub fn now_secs() -> u32 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    u32::try_from(since.as_secs()).expect("before 2106")
}

/// An address at which nobody listens, for a program that is told of it before it binds it.
/// It is below the ports that the system gives by itself (from 32,768 on): no connection of a
/// test beside this one takes it meanwhile.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id() % 20_000 * 61;
    let ports = std::iter::repeat_with(|| begin + NEXT.fetch_add(1, Ordering::Relaxed));
    let ports = ports.map(|number| 10_000 + number % 20_000).take(20_000);
    let ports = ports.map(|port| u16::try_from(port).expect("below 30,000"));
    let mut free = ports.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let listener = free.next().expect("a port");
    listener.local_addr().expect("an address")
}

impl Ocean {
    /// A chain with some blocks, and a node with coins.
    pub async fn start() -> Ocean {
        let dir = tempfile::tempdir().expect("a directory");
        let chain = SharedChain::new(Chain::with_faucet(now_secs()));
        let stop = CancellationToken::new();
        let mood = SharedMood::default();
        let rpc = serve_in(chain.clone(), mood.clone(), stop.clone());
        let rpc = rpc.await.expect("RPC");
        let (node_at, pool_at) = (free_address(), free_address());
        let node = OceanNode::start(OceanNodeOptions {
            dir: dir.path().join("ocean"),
            chain: rpc,
            alias: Some("OCEAN".to_owned()),
            listen: node_at,
        })
        .await
        .expect("OCEAN's node");
        let ocean = Ocean {
            chain,
            mood,
            node,
            rpc,
            node_at,
            pool_at,
            dir,
            stop,
        };
        let address = ocean.node.address().await.expect("an address");
        ocean.gives(&address, 40_000_000);
        ocean.node.sync().await.expect("a sync");
        ocean
    }

    /// Somebody else's node on the same chain, with coins: its handle and its address.
    pub async fn stranger(&self) -> (OceanNode, SocketAddr) {
        let listen = free_address();
        let node = OceanNode::start(OceanNodeOptions {
            dir: self.dir.path().join("stranger"),
            chain: self.rpc,
            alias: Some("stranger".to_owned()),
            listen,
        })
        .await
        .expect("a stranger's node");
        let address = node.address().await.expect("an address");
        self.gives(&address, 100_000);
        node.sync().await.expect("a sync");
        (node, listen)
    }

    /// The faucet pays, and the coins can be spent.
    pub fn gives(&self, to: &Address, sat: u64) {
        let coins = Amount::from_sat(sat);
        let paid = self.chain.lock().faucet(to, coins, now_secs());
        paid.expect("the faucet");
        self.mine(6);
    }

    /// Waits for a transaction in the mempool, and confirms it.
    pub async fn confirms(&self, what: &str) {
        let since = Instant::now();
        while self.chain.lock().mempool().is_empty() {
            give_up(since, what);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.mine(6);
    }

    /// Where the pool reads the chain.
    pub fn chain_url(&self) -> String {
        format!("http://pool:pool@{}", self.rpc)
    }

    /// The settings of the pool's node.
    pub fn node_settings(&self) -> String {
        let (id, at) = (self.node.id(), self.node_at);
        format!(
            "network = \"regtest\"\n[log]\nfile = \"ldk.log\"\nlevel = \"debug\"\n\
             [reach]\nlisten = [\"{}\"]\nalias = \"pool\"\n\
             [peers]\npersistent = [\"{id}@{at}\"]\n[anchors]\ntrusted = [\"{id}\"]\n",
            self.pool_at
        )
    }

    /// Sections of the pool's config, to be put behind `[stratum]`.
    pub fn config(&self) -> String {
        let file = self.dir.path().join("node.toml");
        std::fs::write(&file, self.node_settings()).expect("the node's settings");
        format!(
            "[chain]\nurl = \"{}\"\n[lightning]\nconfig = \"{}\"\n\
             [ocean]\nblocks = [\"chain\"]\n[expert.ocean]\nask_every_secs = 1\n",
            self.chain_url(),
            file.display()
        )
    }

    /// Blocks of others.
    pub fn mine(&self, count: u32) {
        self.chain.lock().mine_to_faucet(count, now_secs());
    }

    /// OCEAN finds a block; its hash and height.
    pub fn find_block(&self) -> (BlockHash, u32) {
        let mut chain = self.chain.lock();
        let hash = chain.mine_tagged(b"< OCEAN.XYZ >".into(), now_secs());
        (hash, chain.height())
    }

    /// OCEAN opens a public channel to the pool; usable on both sides when this returns.
    pub async fn open_channel(&self, pool: &PoolProcess) {
        let node = look(pool).await;
        let size = Amount::from_sat(10_000_000);
        // On a busy machine its wallet may not have seen its coins yet.
        let since = Instant::now();
        while self.node.spendable().await.expect("its balance") <= size {
            give_up(since, "coins of OCEAN's node");
            self.node.sync().await.expect("a look at the chain");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let opened = self
            .node
            .open_channel(node.node_id, self.pool_at, size, true);
        opened.await.expect("a channel");
        self.confirms("a funding transaction").await;
        self.channel_is_usable(pool).await;
    }

    /// Waits until payments can flow.
    pub async fn channel_is_usable(&self, pool: &PoolProcess) {
        let since = Instant::now();
        loop {
            let node = look(pool).await;
            let here = node.channels.iter().any(|channel| channel.is_usable);
            let there = self.node.usable_channels(node.node_id).await;
            if here && there.expect("its channels") > 0 {
                return;
            }
            give_up(since, "a usable channel");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// OCEAN pays `offer` for its block at `height`.
    pub async fn pay(&self, offer: &str, amount_msat: u64, height: u32) {
        let names = NoteNames::Found;
        // Behind the pool's node by some blocks, its payment would expire too early.
        self.node.sync().await.expect("a look at the chain");
        let sent = payout(&self.node, &self.chain, offer, height, amount_msat, names);
        sent.await.expect("it pays");
    }

    pub async fn end(self) {
        self.node.stop().await.expect("it stops");
        self.stop.cancel();
    }
}

/// What the pool's node says of itself.
pub async fn node_status(pool: &PoolProcess) -> NodeStatus {
    match pool.ask(Request::Node(NodeRequest::Status)).await {
        Reply::Node(NodeReply::Status(status)) => *status,
        other => panic!("{other:?}"),
    }
}

/// What the pool's node looks like, once it is up.
pub async fn look(pool: &PoolProcess) -> NodeLook {
    let up = async |pool: &PoolProcess| node_status(pool).await.node;
    pool.poll("the lightning node", up).await
}

/// The offer for OCEAN.
pub async fn offer(pool: &PoolProcess) -> String {
    match pool
        .ask(Request::Node(NodeRequest::Offer { renew: false }))
        .await
    {
        Reply::Node(NodeReply::Offer(answer)) => {
            assert_eq!(answer.trouble, None);
            answer.offer
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn give_up(since: Instant, what: &str) {
    assert!(since.elapsed() < PATIENCE, "still not: {what}");
}
