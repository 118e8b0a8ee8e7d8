//! Two real lightning nodes over a chain of our own: the simulated OCEAN's, and the
//! pool's as the payout room runs it. What arrives must be booked exactly once, whatever
//! happens to channels, books and processes between.

// A test's helpers may stop it, as its own body may.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bitcoin::Amount;
use bitcoin::hashes::{Hash as _, sha256};
use ledger::Msat;
use ledger::settle::{Block, Event, Note, Payment, PayoutKey, Preimage, Via};
use payout::offer::{OfferBook, OfferDesk, OfferError, Route, Standing};
use payout::{BookError, Booked, Booking, Intake, Lightning, NodeState, Parts, Settings};
use simnet::chain::{Chain, SharedChain, serve, serve_on};
use simnet::lightning::{NoteNames, OceanNode, OceanNodeOptions, payout};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(90);
const ADDRESS: &str = "bcrt1qexample";

/// Books that remember what they were told, and can be out of order.
#[derive(Default)]
struct Recorder {
    payments: Mutex<BTreeMap<PayoutKey, Payment>>,
    told: Mutex<u32>,
    is_down: AtomicBool,
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
    fn payment(&self, hash: [u8; 32]) -> Option<Payment> {
        let key = PayoutKey::Lightning(sha256::Hash::from_byte_array(hash));
        self.payments.lock().unwrap().get(&key).cloned()
    }

    fn count(&self) -> usize {
        self.payments.lock().unwrap().len()
    }

    fn told(&self) -> u32 {
        *self.told.lock().unwrap()
    }
}

/// The chain, OCEAN's node and the pool's.
struct World {
    chain: SharedChain,
    ocean: OceanNode,
    pool: Pool,
    settings: Settings,
    source: payout::ChainSource,
    books: Arc<Recorder>,
    dir: tempfile::TempDir,
    stop: CancellationToken,
}

/// The pool's node while it runs.
struct Pool {
    lightning: Lightning,
    desk: OfferDesk,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Pool {
    fn start(
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

    async fn is_up(&self) {
        let mut state = self.lightning.state();
        let up = state.wait_for(NodeState::is_running);
        tokio::time::timeout(PATIENCE, up).await.unwrap().unwrap();
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("it stops in time")
            .unwrap();
        assert_eq!(*self.lightning.state().borrow(), NodeState::Stopped);
    }
}

fn now_secs() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u32::try_from(since.as_secs()).unwrap()
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Polls until `is_so`, or fails with `what`.
#[track_caller]
fn give_up(since: Instant, what: &str) {
    assert!(since.elapsed() < PATIENCE, "still not: {what}");
}

impl World {
    async fn new(public: bool) -> World {
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

    fn mine(&self, count: u32) {
        self.chain.lock().mine_to_faucet(count, now_secs());
    }

    async fn fund_ocean(&self) {
        let address = self.ocean.address().await.unwrap();
        self.chain
            .lock()
            .faucet(&address, Amount::from_sat(40_000_000), now_secs())
            .unwrap();
        self.mine(1);
        self.ocean.sync().await.unwrap();
    }

    async fn pool_id(&self) -> bitcoin::secp256k1::PublicKey {
        self.pool.lightning.view().await.unwrap().node_id
    }

    /// OCEAN opens a channel; ready on both sides when this returns.
    async fn open_channel(&self) {
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

    async fn channel_is_usable(&self) {
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

    async fn close_channels(&self) {
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
    async fn pay(&self, offer: &str, amount_msat: u64, height: u32) -> [u8; 32] {
        let names = NoteNames::Found;
        let sent = payout(&self.ocean, &self.chain, offer, height, amount_msat, names);
        sent.await.unwrap().hash
    }

    async fn booked(&self, hash: [u8; 32]) -> Payment {
        let since = Instant::now();
        loop {
            if let Some(payment) = self.books.payment(hash) {
                return payment;
            }
            give_up(since, "the payment is booked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn restart_pool(&mut self) {
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
        self.pool = next(self);
        self.pool.is_up().await;
        self.channel_is_usable().await;
    }

    async fn end(self) {
        self.pool.end().await;
        self.ocean.stop().await.unwrap();
        self.stop.cancel();
    }
}

/// The whole life of an offer, for a public and for a private node.
async fn an_offer_lives(public: bool) {
    let mut world = World::new(public).await;
    let early = world.pool.desk.offer(false).await;
    assert!(matches!(early, Err(OfferError::Hindered(_))), "{early:?}");

    world.open_channel().await;
    let answer = world.pool.desk.offer(false).await.unwrap();
    assert!(answer.is_new);
    let expected = if public {
        Route::Public
    } else {
        Route::Through(world.ocean.id())
    };
    assert_eq!(answer.offer.route, expected);
    let offer = answer.offer.offer;

    // OCEAN's note, verbatim; the amount that arrived; a preimage that proves it.
    let height = world.chain.lock().height();
    let hash = world.pay(&offer, 995, height).await;
    let payment = world.booked(hash).await;
    assert_eq!(payment.amount, Msat::new(995));
    let Via::Lightning {
        preimage: Some(Preimage(preimage)),
        ocean_offer: true,
        note: Some(note),
        tip_height: Some(tip),
        ..
    } = payment.via
    else {
        panic!("{payment:?}");
    };
    assert_eq!(sha256::Hash::hash(&preimage).to_byte_array(), hash);
    assert_eq!(Note::parse(&note).unwrap().height, height);
    assert_eq!(tip, height);

    // Asked again it is the same one, and it outlives its channel.
    let again = world.pool.desk.offer(true).await.unwrap();
    assert_eq!((again.is_new, &again.offer.offer), (false, &offer));
    world.close_channels().await;
    let standing = world.pool.desk.standing().await.unwrap();
    assert!(
        matches!(standing, Some(Standing::Hindered(_))),
        "{standing:?}"
    );
    world.open_channel().await;
    let standing = world.pool.desk.standing().await.unwrap();
    assert_eq!(standing, Some(Standing::Good));
    let hash = world.pay(&offer, 100_000_000, height).await;
    assert_eq!(world.booked(hash).await.amount, Msat::new(100_000_000));

    // And a restart of the pool, after which the sweep tells all of it again.
    let before = world.books.told();
    world.restart_pool().await;
    let hash = world.pay(&offer, 5_000, height).await;
    world.booked(hash).await;
    let since = Instant::now();
    while world.books.told() < before + 3 {
        give_up(since, "the sweep at start tells the old payments again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.books.count(), 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_nodes_offer_outlives_channels_and_restarts() {
    an_offer_lives(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_nodes_offer_outlives_channels_and_restarts() {
    an_offer_lives(false).await;
}

/// What cannot be booked is not acknowledged: the node tells of it again after a restart.
/// What is not for the offer is told as the operator's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_waits_for_the_books_through_a_restart() {
    let mut world = World::new(false).await;
    world.open_channel().await;
    let offer = world.pool.desk.offer(false).await.unwrap().offer.offer;
    let height = world.chain.lock().height();

    world.books.is_down.store(true, Ordering::SeqCst);
    let hash = world.pay(&offer, 777_000, height).await;
    let since = Instant::now();
    while world.books.told() < 3 {
        give_up(since, "the books are asked again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.books.payment(hash), None);
    world.restart_pool().await;
    assert_eq!(world.books.payment(hash), None);

    world.books.is_down.store(false, Ordering::SeqCst);
    assert_eq!(world.booked(hash).await.amount, Msat::new(777_000));

    let id = world.pool_id().await;
    let sent = world.ocean.keysend(id, 12_000).await.unwrap();
    let keysend = world.booked(sent.hash).await;
    let Via::Lightning { ocean_offer, .. } = keysend.via else {
        panic!("{keysend:?}");
    };
    assert!(!ocean_offer, "a keysend is the operator's");
    assert_eq!(world.books.count(), 2);
    world.end().await;
}

/// Without its chain source the node is retried, and says why it is not up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_chain_source_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::parse("network = \"regtest\"")
        .unwrap()
        .under(dir.path());
    let nowhere = free_address();
    let source = format!("http://pool:pool@{nowhere}").parse().unwrap();
    let books = Arc::new(Recorder::default());
    let pool = Pool::start(&settings, &source, &books, dir.path());
    let mut state = pool.lightning.state();
    let waiting = state.wait_for(|state| {
        let why = nowhere.to_string();
        matches!(state, NodeState::Waiting { why: said, .. } if said.contains(&why))
    });
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    drop(waited.expect("it says that it waits").unwrap());
    assert!(
        !settings.storage_dir.exists(),
        "nothing is made before the chain is seen"
    );

    // Its chain comes: the node does, without anybody's help.
    let chain = SharedChain::new(Chain::with_faucet(now_secs()));
    let stop = CancellationToken::new();
    let listener = tokio::net::TcpListener::bind(nowhere).await.unwrap();
    serve_on(listener, chain, stop.clone());
    pool.is_up().await;
    stop.cancel();
    pool.end().await;
}
