//! A chain source on another chain, or standing still, beside an upstream and a list of
//! OCEAN's that are right; and a list that is not.

use payout::witness::Witness;

use super::*;

/// Blocks of the right chain from height 101 on, which our own source may not have.
struct Network {
    world: Shared,
    /// From height 0 on.
    right: Vec<Block>,
}

impl Network {
    /// Everybody has the same chain up to height 100.
    fn new(world: &Shared) -> Network {
        let right = world.chain.lock().unwrap().clone();
        let network = Network {
            world: Arc::clone(world),
            right,
        };
        network.upstream_at(100);
        network.lists(&[90]);
        network
    }

    /// Grows the right chain alone, and the upstream mines on it.
    fn grow(&mut self, count: u32) {
        for _ in 0..count {
            let own = std::mem::take(&mut *self.world.chain.lock().unwrap());
            *self.world.chain.lock().unwrap() = std::mem::take(&mut self.right);
            self.world.mine(false, None, 77);
            self.right = std::mem::replace(&mut *self.world.chain.lock().unwrap(), own);
        }
        self.upstream_at(self.right.len() - 1);
    }

    fn hash(&self, height: usize) -> BlockHash {
        self.right[height].block_hash()
    }

    fn upstream_at(&self, height: usize) {
        *self.world.upstream.lock().unwrap() = Some(UpstreamTip {
            hash: self.hash(height),
            height: Some(u32::try_from(height).unwrap()),
        });
    }

    /// OCEAN lists these blocks of the right chain.
    fn lists(&self, heights: &[usize]) {
        let rows = heights
            .iter()
            .map(|height| json!({"height": height, "block_hash": self.hash(*height)}));
        self.world.api_says(rows.collect(), json!({}));
    }

    /// The operator gives our own source the right chain.
    fn mends_our_source(&self) {
        *self.world.chain.lock().unwrap() = self.right.clone();
    }
}

impl Run {
    /// Waits until the doubt names that witness; `None`: until there is no doubt.
    async fn doubts(&mut self, expected: Option<Option<Witness>>) {
        let seen = self
            .health
            .wait_for(|health| health.doubt.as_ref().map(|doubt| doubt.differs) == expected);
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        let is_seen = seen.is_ok();
        drop(seen);
        assert!(is_seen, "{:?}", self.health.borrow());
    }

    /// A whole round has passed.
    async fn goes_round(&mut self) {
        for _ in 0..6 {
            let changed = self.health.changed();
            tokio::time::timeout(PATIENCE, changed)
                .await
                .unwrap()
                .unwrap();
        }
    }
}

/// One of OCEAN's blocks is found before two chains part.
async fn with_block_101(world: &Shared, dir: &std::path::Path) -> (Network, Run) {
    let mut network = Network::new(world);
    let mut run = Run::start(world, dir).await;
    run.sees_first_round().await;
    network.grow(1);
    network.mends_our_source();
    network.lists(&[90, 101]);
    world.tells(&["found 101"]).await;
    (network, run)
}

#[tokio::test]
async fn a_source_on_another_chain_is_named_and_closes_and_dissolves_nothing() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let (mut network, mut run) = with_block_101(&world, dir.path()).await;

    // Our source loses it, and follows blocks of its own, one of them with OCEAN's tag and
    // one with a payment.
    world.chain.lock().unwrap().truncate(101);
    for tagged in [false, true, false] {
        world.mine(tagged, None, 9);
    }
    world.mine(false, Some(&address()), 9);
    for _ in 0..8 {
        world.mine(false, None, 9);
    }
    network.grow(1);
    run.doubts(Some(Some(Witness::Own))).await;
    run.goes_round().await;
    assert!(world.has_told(&["found 101"]));

    // OCEAN's next block closes all the same, on the word of those who agree.
    network.grow(12);
    network.lists(&[90, 101, 110]);
    world.tells(&["found 101", "found 110"]).await;
    let doubt = run.health.borrow().doubt.clone().unwrap();
    assert_eq!(doubt.differs, Some(Witness::Own), "{doubt}");

    network.mends_our_source();
    run.doubts(None).await;
    run.goes_round().await;
    assert!(world.has_told(&["found 101", "found 110"]));
    run.end().await;
}

#[tokio::test]
async fn a_source_that_stands_still_does_not_look_fresh() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let mut network = Network::new(&world);
    let mut run = Run::start(&world, dir.path()).await;
    run.sees_first_round().await;
    network.grow(3);
    run.doubts(Some(Some(Witness::Own))).await;
    let stale = run.health.wait_for(|health| {
        let own = health.chain_heard_secs.expect("heard before");
        health.api_heard_secs.expect("heard") > own + 1
    });
    tokio::time::timeout(PATIENCE, stale)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(run.health.borrow().own_height, Some(100));
    assert_eq!(run.health.borrow().upstream_height, Some(103));
    network.lists(&[90, 102]);
    world.tells(&["found 102"]).await;
    network.mends_our_source();
    run.doubts(None).await;
    run.end().await;
}

#[tokio::test]
async fn a_first_start_on_a_source_that_stood_still_takes_no_old_block_for_new() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let mut network = Network::new(&world);
    network.grow(500);
    network.lists(&[300, 400, 500]);
    let mut run = Run::start(&world, dir.path()).await;
    run.doubts(Some(Some(Witness::Own))).await;
    run.goes_round().await;
    assert!(world.has_told(&[]));
    network.grow(5);
    network.lists(&[300, 400, 500, 603]);
    world.tells(&["found 603"]).await;
    run.end().await;
}

#[tokio::test]
async fn a_list_that_contradicts_both_others_closes_nothing() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let mut network = Network::new(&world);
    let mut run = Run::start(&world, dir.path()).await;
    run.sees_first_round().await;
    network.grow(10);
    network.mends_our_source();
    let other = json!([{"height": 105, "block_hash": BlockHash::all_zeros()}]);
    world.api_says(other, json!({}));
    run.doubts(Some(Some(Witness::List))).await;
    run.goes_round().await;
    assert!(world.has_told(&[]));
    // It was an orphan of OCEAN's: its next block is everybody's.
    network.grow(5);
    network.mends_our_source();
    network.lists(&[112]);
    world.tells(&["found 112"]).await;
    run.doubts(None).await;
    run.end().await;
}

#[tokio::test]
async fn an_api_that_lists_nothing_keeps_no_block_from_counting() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    world.api_says(json!([]), json!({}));
    let mut run = Run::start(&world, dir.path()).await;
    run.sees_first_round().await;
    world.mine(true, None, 0);
    world.grow(6);
    world.tells(&["found 101"]).await;
    run.end().await;
}

#[tokio::test]
async fn the_knots_of_another_chain_is_told_of() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    *world.software.lock().unwrap() = "/Satoshi:29.4.3/Knots:20260911/";
    let mut run = Run::start(&world, dir.path()).await;
    let told = run
        .health
        .wait_for(|health| health.wrong_software.is_some());
    drop(tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap());
    run.end().await;
}

impl Run {
    /// The source has failed some looks more.
    async fn misses_the_source(&mut self) {
        let failures = self.health.borrow().chain_failures;
        let seen = self
            .health
            .wait_for(|health| health.chain_failures > failures + 3);
        drop(tokio::time::timeout(PATIENCE, seen).await.unwrap().unwrap());
    }
}

/// Stopping the wrong bitcoind makes nothing of it right.
#[tokio::test]
async fn a_doubt_outlives_the_answers_of_the_source_that_is_wrong() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let (mut network, mut run) = with_block_101(&world, dir.path()).await;

    world.chain.lock().unwrap().truncate(101);
    world.mine(false, Some(&address()), 9);
    for _ in 0..14 {
        world.mine(false, None, 9);
    }
    network.grow(12);
    run.doubts(Some(Some(Witness::Own))).await;
    network.lists(&[90, 101, 108]);
    let all = ["found 101", "found 108"];
    world.tells(&all).await;
    *world.chain_is_down.lock().unwrap() = true;
    run.misses_the_source().await;
    assert!(run.health.borrow().doubt.is_some());
    assert!(world.has_told(&all), "the fork's word counted");
    run.end().await;

    // Nor does a restart.
    let mut run = Run::start(&world, dir.path()).await;
    run.misses_the_source().await;
    assert!(run.health.borrow().doubt.is_some());
    *world.chain_is_down.lock().unwrap() = false;
    run.goes_round().await;
    assert!(run.health.borrow().doubt.is_some());
    network.mends_our_source();
    run.doubts(None).await;
    run.goes_round().await;
    network.grow(3);
    network.mends_our_source();
    network.lists(&[90, 101, 108, 114]);
    world.tells(&["found 101", "found 108", "found 114"]).await;
    run.end().await;
}

#[tokio::test]
async fn a_first_list_of_impossible_heights_blinds_nobody() {
    for height in [110_u64, 500_000, 4_000_000_000] {
        let (world, dir) = (world(), tempfile::tempdir().unwrap());
        let mut network = Network::new(&world);
        let row = json!([{"height": height, "block_hash": BlockHash::all_zeros()}]);
        world.api_says(row, json!({}));
        let mut run = Run::start(&world, dir.path()).await;
        let heard = run
            .health
            .wait_for(|health| health.api_heard_secs.is_some());
        drop(
            tokio::time::timeout(PATIENCE, heard)
                .await
                .unwrap()
                .unwrap(),
        );
        run.goes_round().await;
        assert!(world.has_told(&[]), "{height}");
        network.grow(30);
        network.mends_our_source();
        network.lists(&[90, 125]);
        world.tells(&["found 125"]).await;
        run.doubts(None).await;
        run.end().await;
    }
}

#[tokio::test]
async fn a_source_that_shows_another_chain_than_it_gives_is_named() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let network = Network::new(&world);
    let mut run = Run::start(&world, dir.path()).await;
    run.sees_first_round().await;
    let right = world.chain.lock().unwrap().clone();
    world.mine(false, Some(&address()), 9);
    let txid = world.chain.lock().unwrap()[101].txdata[1].compute_txid();
    for _ in 0..10 {
        world.mine(false, None, 9);
    }
    let other = std::mem::replace(&mut *world.chain.lock().unwrap(), right);
    *world.other_face.lock().unwrap() = Some(other);
    let rows = json!([{"height": 90, "block_hash": network.hash(90)}]);
    world.api_says(rows, json!({"payouts": [{"on_chain_txid": txid}]}));
    run.doubts(Some(Some(Witness::Own))).await;
    run.goes_round().await;
    assert!(world.has_told(&[]));
    *world.other_face.lock().unwrap() = None;
    run.doubts(None).await;
    run.end().await;
}

#[tokio::test]
async fn a_fork_of_our_source_makes_no_payment_gone() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let mut network = Network::new(&world);
    let mut run = Run::start(&world, dir.path()).await;
    run.sees_first_round().await;
    world.mine(false, Some(&address()), 0);
    world.grow(8);
    network.right = world.chain.lock().unwrap().clone();
    network.upstream_at(109);
    let txid = network.right[101].txdata[1].compute_txid();
    let rows = json!([{"height": 90, "block_hash": network.hash(90)}]);
    world.api_says(rows, json!({"payouts": [{"on_chain_txid": txid}]}));
    let paid = ["paid 1048576000 true 9"];
    world.tells(&paid).await;
    network.grow(10);
    world.chain.lock().unwrap().truncate(101);
    for _ in 0..12 {
        world.mine(false, None, 9);
    }
    run.doubts(Some(Some(Witness::Own))).await;
    run.goes_round().await;
    assert_eq!(run.health.borrow().gone, []);
    assert!(world.has_told(&paid));
    run.end().await;
}
