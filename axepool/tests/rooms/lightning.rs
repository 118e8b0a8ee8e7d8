//! Two real lightning nodes over a chain of our own: the simulated OCEAN's, and the
//! pool's as the payout room runs it. What arrives must be booked exactly once, whatever
//! happens to channels, books and processes between.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::nodes::{PATIENCE, Pool, Recorder, World, free_address, give_up, now_secs};
use accounting::Msat;
use accounting::settle::{Note, PaidTo, Preimage, Via};
use bitcoin::hashes::{Hash as _, sha256};
use payout::offer::{OfferError, Route, Standing};
use payout::{NodeState, Settings};
use simnet::chain::{Chain, SharedChain, serve_on};
use tokio_util::sync::CancellationToken;

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
        paid_to: PaidTo::OceanOffer,
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
    let Via::Lightning { paid_to, .. } = keysend.via else {
        panic!("{keysend:?}");
    };
    assert_eq!(paid_to, PaidTo::NoOffer, "a keysend is the operator's");
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
    // But for the lock, which says whose directory it is.
    assert!(!settings.mnemonic_file.exists(), "words wait for the chain");
    let made = std::fs::read_dir(&settings.storage_dir).expect("the node's directory");
    let made: Vec<_> = made.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(made, ["node.lock"], "nothing else waits for less");

    // Its chain comes: the node does, without anybody's help.
    let chain = SharedChain::new(Chain::with_faucet(now_secs()));
    let stop = CancellationToken::new();
    let listener = tokio::net::TcpListener::bind(nowhere).await.unwrap();
    serve_on(listener, chain, stop.clone());
    pool.is_up().await;
    stop.cancel();
    pool.end().await;
}
