//! OCEAN's payouts on-chain, over a regtest chain of our own and the RPC that the node
//! and our own chain client ask: what is told to the books, and when.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::nodes::{PATIENCE, Pool, Recorder, World, give_up, now_secs};
use accounting::settle::{Block, Event, Via};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use bitcoin::hashes::Hash as _;
use bitcoin::{Address, Amount, Network, Txid};
use payout::chain::ChainClient;
use payout::ocean::{OCEAN_TAG, OceanApi, OceanWatch, SourceHealth};
use payout::{BookError, Booked, Booking, ChainSource, Seed, Settings, payout_address};
use serde_json::{Value, json};
use simnet::chain::{Chain, SharedChain, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PAYOUT_SAT: u64 = 1_048_576;

/// What the books were told: amount, whether OCEAN made it, confirmations.
type Told = (u64, bool, u32);

/// The chain, OCEAN's API, and books that remember.
struct OnChain {
    chain: SharedChain,
    at: SocketAddr,
    api: SocketAddr,
    listed: Arc<Mutex<Vec<Txid>>>,
    books: Arc<Books>,
    address: Address,
    dir: tempfile::TempDir,
    stop: CancellationToken,
    watch: Option<Run>,
}

#[derive(Default)]
struct Books(Mutex<Vec<Told>>);

struct Run {
    task: JoinHandle<std::io::Result<()>>,
    health: tokio::sync::watch::Receiver<SourceHealth>,
    stop: CancellationToken,
}

#[async_trait::async_trait]
impl Booking for Books {
    async fn book(&self, event: Event) -> Result<Booked, BookError> {
        if let Event::Paid(payment) = event
            && let Via::OnChain {
                from_ocean,
                confirmations,
                ..
            } = payment.via
        {
            let sats = payment.amount.to_sat_floor().get();
            self.0
                .lock()
                .unwrap()
                .push((sats, from_ocean, confirmations));
        }
        Ok(Booked::New)
    }

    async fn close_epoch(&self, _: Block) -> Result<Booked, BookError> {
        Ok(Booked::New)
    }
}

fn address(n: u8) -> Address {
    let hash = bitcoin::WPubkeyHash::from_byte_array([n; 20]);
    let script = bitcoin::ScriptBuf::new_p2wpkh(&hash);
    Address::from_script(&script, Network::Regtest).unwrap()
}

async fn earnpay(State(listed): State<Arc<Mutex<Vec<Txid>>>>) -> Json<Value> {
    let payouts = listed.lock().unwrap();
    let payouts: Vec<Value> = payouts
        .iter()
        .map(|txid| json!({"on_chain_txid": txid, "total_satoshis_net_paid": PAYOUT_SAT.to_string()}))
        .collect();
    Json(json!({"result": {"earnings": [], "payouts": payouts}}))
}

impl OnChain {
    async fn new() -> OnChain {
        let stop = CancellationToken::new();
        let chain = SharedChain::new(Chain::with_faucet(now_secs()));
        let at = serve(chain.clone(), stop.clone()).await.unwrap();
        Self::over(chain, at, address(1), stop).await
    }

    /// Over a chain that is served already.
    async fn over(
        chain: SharedChain,
        at: SocketAddr,
        address: Address,
        stop: CancellationToken,
    ) -> OnChain {
        let listed = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .route(
                "/v1/blocks/{page}/{size}/{legacy}",
                get(async || Json(json!({"result": {"blocks": []}}))),
            )
            .route("/v1/earnpay/{user}/{since}", get(earnpay))
            .with_state(Arc::clone(&listed));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap();
        let ends = stop.clone().cancelled_owned();
        let serving = axum::serve(listener, router).with_graceful_shutdown(ends);
        tokio::spawn(async move { serving.await.unwrap() });
        let mut world = OnChain {
            chain,
            at,
            api,
            listed,
            books: Arc::default(),
            address,
            dir: tempfile::tempdir().unwrap(),
            stop,
            watch: None,
        };
        world.start();
        // It begins at the tip, and has none of its own before the next block.
        let health = &mut world.watch.as_mut().unwrap().health;
        let begun = health.wait_for(|health| health.chain_heard_secs.is_some());
        drop(
            tokio::time::timeout(PATIENCE, begun)
                .await
                .unwrap()
                .unwrap(),
        );
        world.grow(1).await;
        world
    }

    fn start(&mut self) {
        let source: ChainSource = format!("http://pool:pool@{}", self.at).parse().unwrap();
        let watch = OceanWatch {
            api: Some(OceanApi::new(&format!("http://{}/v1", self.api)).unwrap()),
            chain: Some(ChainClient::new(&source).unwrap()),
            compared: Some(ChainClient::new(&source).unwrap()),
            upstream: None,
            are_own_chains: false,
            address: self.address.clone(),
            tag: OCEAN_TAG.to_vec(),
            ask_every: Duration::from_millis(20),
            file: self.dir.path().join("watch.json"),
            booking: Arc::clone(&self.books) as Arc<dyn Booking>,
        };
        let stop = CancellationToken::new();
        let (tell, health) = tokio::sync::watch::channel(SourceHealth::default());
        self.watch = Some(Run {
            task: tokio::spawn(watch.run(tell, stop.clone())),
            health,
            stop,
        });
    }

    async fn halt(&mut self) {
        let run = self.watch.take().unwrap();
        run.stop.cancel();
        run.task.await.unwrap().unwrap();
    }

    async fn restart(&mut self) {
        self.halt().await;
        self.start();
    }

    /// The watch has read to the chain's tip, and finished a round behind it.
    async fn has_seen_the_tip(&mut self) {
        let height = self.chain.lock().height();
        let health = &mut self.watch.as_mut().unwrap().health;
        let seen = health.wait_for(|health| health.tip_height == Some(height));
        drop(tokio::time::timeout(PATIENCE, seen).await.unwrap().unwrap());
        // A round changes it twice, and tells the books last: after four changes a whole
        // one lies behind that tip.
        for _ in 0..4 {
            let answered = health.changed();
            tokio::time::timeout(PATIENCE, answered)
                .await
                .unwrap()
                .unwrap();
        }
    }

    /// Pays `sats` to `to` in the next block.
    fn pay(&self, to: &Address, sats: u64) -> Txid {
        let mut chain = self.chain.lock();
        let txid = chain
            .faucet(to, Amount::from_sat(sats), now_secs())
            .unwrap();
        chain.mine_to_faucet(1, now_secs());
        txid
    }

    async fn grow(&mut self, count: u32) {
        self.chain.lock().mine_to_faucet(count, now_secs());
        self.has_seen_the_tip().await;
    }

    fn list(&self, txid: Txid) {
        self.listed.lock().unwrap().push(txid);
    }

    async fn has_told(&self, expected: &[Told]) {
        let since = Instant::now();
        while *self.books.0.lock().unwrap() != expected {
            let told = self.books.0.lock().unwrap().clone();
            give_up(since, &format!("{expected:?}, told {told:?}"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Nothing more than this, after all that was there has been looked at.
    async fn still_told(&mut self, expected: &[Told]) {
        self.has_seen_the_tip().await;
        assert_eq!(*self.books.0.lock().unwrap(), expected);
    }

    async fn end(mut self) {
        self.halt().await;
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_listed_payout_is_told_with_its_sixth_confirmation() {
    let mut world = OnChain::new().await;
    world.list(world.pay(&world.address, PAYOUT_SAT));
    // The operator's own deposit, to another address, is nobody's payout.
    world.pay(&address(2), 5_000_000);
    world.grow(3).await;
    world.still_told(&[]).await;
    world.restart().await;
    world.still_told(&[]).await;
    world.grow(1).await;
    let told = [(PAYOUT_SAT, true, 6)];
    world.has_told(&told).await;
    world.grow(20).await;
    world.restart().await;
    world.grow(1).await;
    world.still_told(&told).await;
    world.end().await;
}

/// A coinbase that pays us, told by the API: OCEAN's way for its largest miners.
#[tokio::test]
async fn a_coinbase_is_told_when_it_can_be_spent() {
    let mut world = OnChain::new().await;
    let script = world.address.script_pubkey();
    let (txid, sats) = {
        let mut chain = world.chain.lock();
        chain.mine(1, &script, now_secs());
        let coinbase = &chain.block(chain.height()).unwrap().txdata[0];
        (coinbase.compute_txid(), coinbase.output[0].value.to_sat())
    };
    world.list(txid);
    world.grow(50).await;
    world.restart().await;
    world.grow(48).await;
    world.still_told(&[]).await;
    world.grow(1).await;
    world.has_told(&[(sats, true, 100)]).await;
    world.end().await;
}

/// Taken off the chain before it was deep enough, it counts from where it comes back.
#[tokio::test]
async fn a_payout_that_moves_into_another_block_counts_from_there() {
    let mut world = OnChain::new().await;
    world.list(world.pay(&world.address, PAYOUT_SAT));
    world.grow(4).await;
    // Its block goes, and all above; in their place come more, and it in the first.
    world.chain.lock().orphan(5, now_secs());
    world.grow(2).await;
    world.restart().await;
    world.grow(3).await;
    world.still_told(&[]).await;
    world.grow(1).await;
    world.has_told(&[(PAYOUT_SAT, true, 6)]).await;
    world.grow(10).await;
    world.still_told(&[(PAYOUT_SAT, true, 6)]).await;
    world.end().await;
}

/// What OCEAN does not list is a stranger's: the books put it into suspense, and it may
/// still turn out to be OCEAN's.
#[tokio::test]
async fn a_strangers_payment_is_told_as_such() {
    let mut world = OnChain::new().await;
    let txid = world.pay(&world.address, 12_345);
    world.grow(6).await;
    let since = Instant::now();
    while world.books.0.lock().unwrap().is_empty() {
        // How long the API is listened to before it counts as silent is its own affair;
        // blocks are what it is measured in.
        give_up(since, "the stranger's payment is told");
        world.grow(1).await;
    }
    let told = world.books.0.lock().unwrap()[0];
    assert_eq!((told.0, told.1), (12_345, false));
    world.restart().await;
    world.still_told(&[told]).await;
    world.list(txid);
    let since = Instant::now();
    while world.books.0.lock().unwrap().len() < 2 {
        give_up(since, "it is told again as OCEAN's");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let again = world.books.0.lock().unwrap()[1];
    assert_eq!((again.0, again.1), (12_345, true));
    world.end().await;
}

/// The payout address and the operator's deposit addresses are of one wallet, and kept
/// apart: the node never hands out the one, and the watch never looks at the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nodes_deposits_are_not_payouts() {
    let node = World::new(false).await;
    let settings = &node.settings;
    let seed = Seed::open(&settings.mnemonic_file, &settings.storage_dir).unwrap();
    let ours = payout_address(&seed, Network::Regtest).unwrap();
    let deposit = node.pool.lightning.deposit_address().await.unwrap();
    assert_ne!(deposit, ours);
    let ChainSource::Bitcoind { host, port, .. } = &node.source else {
        panic!("{:?}", node.source);
    };
    let at = format!("{host}:{port}").parse().unwrap();
    let mut world = OnChain::over(node.chain.clone(), at, ours, CancellationToken::new()).await;
    world.pay(&deposit, 70_000);
    world.list(world.pay(&world.address, PAYOUT_SAT));
    world.grow(5).await;
    world.has_told(&[(PAYOUT_SAT, true, 6)]).await;
    // Both are the node's money all the same.
    let since = Instant::now();
    loop {
        let view = node.pool.lightning.view().await.unwrap();
        if view.balances.on_chain.get() == PAYOUT_SAT + 70_000 {
            break;
        }
        give_up(since, "the wallet has both");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.still_told(&[(PAYOUT_SAT, true, 6)]).await;
    world.end().await;
    node.end().await;
}

/// Waits until the wallet has so much in all.
async fn wallet_has(pool: &Pool, sat: u64) {
    let since = Instant::now();
    loop {
        let view = pool.lightning.view().await.unwrap();
        if view.balances.on_chain.get() == sat {
            return;
        }
        give_up(
            since,
            &format!("{sat} sat, it has {}", view.balances.on_chain),
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A node on Esplora whose directory is lost sees its coins by itself, those behind a gap
/// of addresses that nobody paid to as well: it asks for each that it ever gave out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_wallet_on_esplora_sees_its_coins() {
    let dir = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let chain = SharedChain::new(Chain::with_faucet(now_secs()));
    let at = crate::esplora::serve(chain.clone(), stop.clone()).await;
    let source: ChainSource = format!("http://{at}/api").parse().unwrap();
    let settings = Settings::parse("network = \"regtest\"")
        .unwrap()
        .under(dir.path());
    let books = Arc::new(Recorder::default());
    let start = async || {
        let pool = Pool::start(&settings, &source, &books, dir.path());
        pool.is_up().await;
        pool
    };
    let pool = start().await;
    let mut given = Vec::new();
    for _ in 0..30 {
        given.push(pool.lightning.deposit_address().await.unwrap());
    }
    let pays = |to: &Address, sat: u64| {
        let mut chain = chain.lock();
        chain.faucet(to, Amount::from_sat(sat), now_secs()).unwrap();
        chain.mine_to_faucet(6, now_secs());
    };
    pays(&given[1], 300_000);
    pays(&given[29], 40_000);
    pool.end().await;

    std::fs::remove_dir_all(&settings.storage_dir).unwrap();
    let pool = start().await;
    wallet_has(&pool, 340_000).await;
    let next = pool.lightning.deposit_address().await.unwrap();
    assert!(!given.contains(&next), "{next}");
    let range = pool.lightning.wallet_range().await.unwrap();
    assert_eq!(range.first_block, 0, "there is nothing to fetch");
    pool.end().await;
    stop.cancel();
}
