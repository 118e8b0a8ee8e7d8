//! Two lightning nodes over a chain of our own: the simulated OCEAN's, and the pool's as
//! the payout room runs it.

#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use accounting::settle::{Block, Event, Payment, PayoutKey};
use bitcoin::Amount;
use bitcoin::hashes::{Hash as _, sha256};
use payout::marks::NoKeeper;
use payout::offer::{OfferBook, OfferDesk};
use payout::{BookError, Booked, Booking, Intake, Lightning, NodeState, Parts, Settings};
use simnet::chain::{Chain, SharedChain, serve};
use simnet::lightning::{NoteNames, OceanNode, OceanNodeOptions, payout};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const PATIENCE: Duration = Duration::from_secs(90);
pub const ADDRESS: &str = "bcrt1qexample";

/// Books that remember what they were told, and can be out of order.
#[derive(Default)]
pub struct Recorder {
    pub payments: Mutex<BTreeMap<PayoutKey, Payment>>,
    pub told: Mutex<u32>,
    pub is_down: AtomicBool,
}

#[async_trait::async_trait]
impl Booking for Recorder {
    async fn book(&self, event: Event) -> Result<Booked, BookError> {
        *self.told.lock().unwrap() += 1;
        if self.is_down.load(Ordering::SeqCst) {
            return Err(BookError::Unavailable("the disk is full".into()));
        }
        let Event::Paid(payment) = event else {
            return Err(BookError::Refused("only payments come this way".into()));
        };
        let mut payments = self.payments.lock().unwrap();
        match payments.insert(payment.key(), payment.clone()) {
            None => Ok(Booked::New),
            Some(before) => {
                assert_eq!(before.amount, payment.amount, "one payment, two amounts");
                Ok(Booked::Known)
            }
        }
    }

    async fn close_epoch(&self, block: Block) -> Result<Booked, BookError> {
        Err(BookError::Refused(format!("nobody watches for {block:?}")))
    }
}

impl Recorder {
    pub fn payment(&self, hash: [u8; 32]) -> Option<Payment> {
        let key = PayoutKey::Lightning(sha256::Hash::from_byte_array(hash));
        self.payments.lock().unwrap().get(&key).cloned()
    }

    pub fn count(&self) -> usize {
        self.payments.lock().unwrap().len()
    }

    pub fn told(&self) -> u32 {
        *self.told.lock().unwrap()
    }
}

/// The chain, OCEAN's node and the pool's.
pub struct World {
    pub chain: SharedChain,
    pub ocean: OceanNode,
    pub pool: Pool,
    pub settings: Settings,
    pub source: payout::ChainSource,
    pub books: Arc<Recorder>,
    pub dir: tempfile::TempDir,
    pub stop: CancellationToken,
}

/// The pool's node while it runs.
pub struct Pool {
    pub lightning: Lightning,
    pub desk: OfferDesk,
    pub task: JoinHandle<()>,
    pub stop: CancellationToken,
}

impl Pool {
    pub fn start(
        settings: &Settings,
        source: &payout::ChainSource,
        books: &Arc<Recorder>,
        dir: &Path,
    ) -> Pool {
        let offers = OfferBook::open(&dir.join("offers.json")).unwrap();
        let spawned = Parts {
            settings: settings.clone(),
            chain: source.clone(),
            intake: Intake::new(Arc::clone(books) as Arc<dyn Booking>, offers.clone()),
            marks: Arc::new(NoKeeper),
        }
        .prepare();
        let desk = OfferDesk::new(
            spawned.lightning.clone(),
            settings.clone(),
            offers,
            ADDRESS.into(),
        );
        let stop = CancellationToken::new();
        Pool {
            lightning: spawned.lightning,
            desk,
            task: tokio::spawn(spawned.task.run(stop.clone())),
            stop,
        }
    }

    pub async fn is_up(&self) {
        let mut state = self.lightning.state();
        let up = state.wait_for(NodeState::is_running);
        tokio::time::timeout(PATIENCE, up).await.unwrap().unwrap();
    }

    pub async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("it stops in time")
            .unwrap();
        assert_eq!(*self.lightning.state().borrow(), NodeState::Stopped);
    }
}

pub fn now_secs() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u32::try_from(since.as_secs()).unwrap()
}

pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Polls until `is_so`, or fails with `what`.
#[track_caller]
pub fn give_up(since: Instant, what: &str) {
    assert!(since.elapsed() < PATIENCE, "still not: {what}");
}

impl World {
    pub async fn new(public: bool) -> World {
        let dir = tempfile::tempdir().unwrap();
        let chain = SharedChain::new(Chain::with_faucet(now_secs()));
        let stop = CancellationToken::new();
        let rpc = serve(chain.clone(), stop.clone()).await.unwrap();
        let (ocean_at, pool_at) = (free_address(), free_address());
        let ocean = OceanNode::start(OceanNodeOptions {
            dir: dir.path().join("ocean"),
            chain: rpc,
            alias: public.then(|| "OCEAN".to_owned()),
            listen: ocean_at,
        })
        .await
        .unwrap();
        let alias = if public { "alias = \"pool\"" } else { "" };
        let id = ocean.id();
        let settings = Settings::parse(&format!(
            "network = \"regtest\"\n\
             [log]\nfile = \"ldk.log\"\nlevel = \"debug\"\n\
             [reach]\nlisten = [\"{pool_at}\"]\n{alias}\n\
             [peers]\npersistent = [\"{id}@{ocean_at}\"]\n\
             [anchors]\ntrusted = [\"{id}\"]\n"
        ))
        .unwrap()
        .under(dir.path());
        let source = format!("http://pool:pool@{rpc}").parse().unwrap();
        let books = Arc::new(Recorder::default());
        let pool = Pool::start(&settings, &source, &books, dir.path());
        pool.is_up().await;
        let world = World {
            chain,
            ocean,
            pool,
            settings,
            source,
            books,
            dir,
            stop,
        };
        world.fund_ocean().await;
        world
    }

    pub fn mine(&self, count: u32) {
        self.chain.lock().mine_to_faucet(count, now_secs());
    }

    pub async fn fund_ocean(&self) {
        let address = self.ocean.address().await.unwrap();
        self.chain
            .lock()
            .faucet(&address, Amount::from_sat(40_000_000), now_secs())
            .unwrap();
        self.mine(1);
        self.ocean.sync().await.unwrap();
    }

    pub async fn pool_id(&self) -> bitcoin::secp256k1::PublicKey {
        self.pool.lightning.view().await.unwrap().node_id
    }

    /// OCEAN opens a channel; ready on both sides when this returns.
    pub async fn open_channel(&self) {
        let id = self.pool_id().await;
        let at = self.settings.reach.listen[0].to_string().parse().unwrap();
        let size = Amount::from_sat(10_000_000);
        self.ocean
            .open_channel(id, at, size, self.settings.is_public())
            .await
            .unwrap();
        let since = Instant::now();
        while self.chain.lock().mempool().is_empty() {
            give_up(since, "a funding transaction");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.mine(6);
        self.channel_is_usable().await;
    }

    pub async fn channel_is_usable(&self) {
        let id = self.pool_id().await;
        let since = Instant::now();
        loop {
            let view = self.pool.lightning.view().await.unwrap();
            let here = view.channels.iter().any(|channel| channel.is_usable);
            if here && self.ocean.usable_channels(id).await.unwrap() > 0 {
                return;
            }
            give_up(since, "a usable channel");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn close_channels(&self) {
        let id = self.pool_id().await;
        self.ocean.close_channels(id).await.unwrap();
        let since = Instant::now();
        while !self
            .pool
            .lightning
            .view()
            .await
            .unwrap()
            .channels
            .is_empty()
        {
            give_up(since, "the channel is closed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.mine(6);
    }

    /// OCEAN pays for the block at `height`; the payment's hash.
    pub async fn pay(&self, offer: &str, amount_msat: u64, height: u32) -> [u8; 32] {
        let names = NoteNames::Found;
        let sent = payout(&self.ocean, &self.chain, offer, height, amount_msat, names);
        sent.await.unwrap().hash
    }

    pub async fn booked(&self, hash: [u8; 32]) -> Payment {
        let since = Instant::now();
        loop {
            if let Some(payment) = self.books.payment(hash) {
                return payment;
            }
            give_up(since, "the payment is booked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn restart_pool(&mut self) {
        self.restart_pool_after(|_| {}).await;
    }

    /// The same, with something done to the data directory between.
    pub async fn restart_pool_after(&mut self, between: impl FnOnce(&Path)) {
        self.restart_node(between).await;
        self.channel_is_usable().await;
    }

    /// The same for a node that has no channel.
    pub async fn restart_node(&mut self, between: impl FnOnce(&Path)) {
        let next = |world: &World| {
            Pool::start(
                &world.settings,
                &world.source,
                &world.books,
                world.dir.path(),
            )
        };
        self.pool.stop.cancel();
        let since = Instant::now();
        while *self.pool.lightning.state().borrow() != NodeState::Stopped {
            give_up(since, "the pool's node is stopped");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        between(self.dir.path());
        self.pool = next(self);
        self.pool.is_up().await;
    }

    pub async fn end(self) {
        self.pool.end().await;
        self.ocean.stop().await.unwrap();
        self.stop.cancel();
    }
}
