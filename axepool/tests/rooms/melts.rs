//! The pool's node pays what ecash was burnt for, over two real lightning nodes and a
//! chain of our own: once, whatever dies between.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::nodes::{World, give_up};
use accounting::{Msat, Sat};
use bitcoin::Network;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::hex::FromHex as _;
use payout::outgoing::{Outcome, PayError, Request, RequestError};
use payout::settings::Fees;
use payout::sign::sign;
use payout::{Payer, Seed, payout_address};

const NOTHING: Msat = Msat::ZERO;

/// A pool that OCEAN has paid, so that it can pay.
async fn funded(public: bool) -> World {
    let world = World::new(public).await;
    world.open_channel().await;
    let offer = world.pool.desk.offer(false).await.unwrap().offer.offer;
    let height = world.chain.lock().height();
    for _ in 0..2 {
        let hash = world.pay(&offer, 300_000_000, height).await;
        world.booked(hash).await;
    }
    world
}

fn payer(world: &World) -> Payer {
    Payer::new(world.pool.lightning.clone(), world.settings.melt_fees)
}

fn impatient(world: &World) -> Payer {
    payer(world).waiting(Duration::from_millis(500))
}

fn bolt11(invoice: &str) -> Request {
    Request::Bolt11 {
        invoice: invoice.to_owned(),
        amount: None,
    }
}

fn bolt12(offer: &str, amount: u64) -> Request {
    Request::Bolt12 {
        offer: offer.to_owned(),
        amount: Some(Msat::new(amount)),
    }
}

async fn in_channels(world: &World) -> Sat {
    let view = world.pool.lightning.view().await.unwrap();
    view.balances.channels
}

/// Polls until what became of `id` is known.
async fn decided(world: &World, id: &str) -> Outcome {
    let since = Instant::now();
    loop {
        let outcome = payer(world).look_up(id).await.unwrap();
        if outcome != Outcome::Pending {
            return outcome;
        }
        give_up(since, "the payment is decided");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[track_caller]
fn spent(outcome: &Outcome) -> Msat {
    let Outcome::Paid { spent, preimage } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(preimage.as_ref().map(String::len), Some(64));
    *spent
}

#[track_caller]
fn not_paid(outcome: &Outcome, said: &str) {
    let Outcome::NotPaid { why } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(why.contains(said), "{why:?} says {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoices_and_offers_are_paid_once() {
    let mut world = funded(true).await;
    let payer = payer(&world);
    let had = in_channels(&world).await;

    // Over a direct channel the way costs nothing, and nothing is allowed.
    let request = bolt11(&world.ocean.invoice(50_000_000).await.unwrap());
    let quote = payer.quote(request.clone()).await.unwrap();
    assert_eq!(quote.amount, Msat::new(50_000_000));
    assert_eq!(quote.fee_limit, Msat::new(2_000 + 500_000));
    let outcome = payer.pay("a", request.clone(), NOTHING).await.unwrap();
    assert_eq!(spent(&outcome), Msat::new(50_000_000));
    assert_eq!(
        payer.pay("a", request.clone(), NOTHING).await.unwrap(),
        outcome
    );
    let again = payer.pay("b", request.clone(), NOTHING).await.unwrap();
    not_paid(&again, "already");
    let quoted = payer.quote(request.clone()).await;
    assert!(matches!(quoted, Err(PayError::Again(_))), "{quoted:?}");

    let offer = world.ocean.offer().await.unwrap();
    let first = payer
        .pay("c", bolt12(&offer, 7_000_000), Msat::new(10_000))
        .await
        .unwrap();
    let first = spent(&first);
    assert!(first <= Msat::new(7_010_000), "{first}");
    // An offer may be paid again, by another payment.
    let second = payer
        .pay("d", bolt12(&offer, 7_000_000), Msat::new(10_000))
        .await
        .unwrap();
    let second = spent(&second);

    // After a restart all of it is known, and what left is what was told.
    world.restart_pool().await;
    let payer = self::payer(&world);
    assert_eq!(payer.look_up("a").await.unwrap(), outcome);
    assert_eq!(payer.pay("a", request, NOTHING).await.unwrap(), outcome);
    not_paid(&payer.look_up("b").await.unwrap(), "already");
    let left = [Msat::new(50_000_000), first, second];
    let left = Msat::checked_sum(left).unwrap().to_sat_floor();
    let has = in_channels(&world).await;
    assert!(
        had.get() - has.get() <= left.get() + 1,
        "{had} {has} {left}"
    );
    assert!(had.get() - has.get() >= 64_000, "{had} {has}");

    refusals(&world, &payer).await;
    addresses(&world).await;
    world.end().await;
}

/// What cannot be paid is refused in words, and under its id for ever.
async fn refusals(world: &World, payer: &Payer) {
    let large = bolt11(&world.ocean.invoice(900_000_000).await.unwrap());
    let quoted = payer.quote(large.clone()).await;
    assert!(
        matches!(quoted, Err(PayError::Balance { .. })),
        "{quoted:?}"
    );
    not_paid(
        &payer.pay("large", large, NOTHING).await.unwrap(),
        "more than",
    );
    let own = world.pool.desk.offer(false).await.unwrap().offer.offer;
    let quoted = payer.quote(bolt12(&own, 1_000)).await;
    assert!(
        matches!(quoted, Err(PayError::Request(RequestError::Ours))),
        "{quoted:?}"
    );
    not_paid(&payer.look_up("never").await.unwrap(), "never ordered");
    let request = bolt11(&world.ocean.invoice(1_000).await.unwrap());
    let late = payer.pay("never", request, NOTHING).await.unwrap();
    not_paid(&late, "never ordered");
    assert_eq!(payer.undecided().await.unwrap(), []);
}

/// The payout address is the wallet's first, which the node gives to nobody; it and the
/// deposit addresses can sign.
async fn addresses(world: &World) {
    let settings = &world.settings;
    let seed = Seed::open(&settings.mnemonic_file, &settings.storage_dir).unwrap();
    let ours = payout_address(&seed, Network::Regtest).unwrap();
    let deposits = [
        world.pool.lightning.deposit_address().await.unwrap(),
        world.pool.lightning.deposit_address().await.unwrap(),
    ];
    assert!(!deposits.contains(&ours), "{ours} {deposits:?}");
    for address in deposits.iter().chain([&ours]) {
        let unchecked = address.to_string().parse().unwrap();
        let signed = sign(&seed, Network::Regtest, unchecked, "x".into()).unwrap();
        assert_eq!(signed.address, *address);
    }
    let elsewhere = world.ocean.address().await.unwrap();
    let unchecked = elsewhere.to_string().parse().unwrap();
    assert!(sign(&seed, Network::Regtest, unchecked, "x".into()).is_err());
}

/// Under way it is pending, through restarts too, until the receiver decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_payment_is_pending_until_it_is_decided() {
    let mut world = funded(false).await;
    for (id, preimage, amount) in [
        ("taken", [5; 32], 40_000_000),
        ("back", [6; 32], 41_000_000),
    ] {
        let invoice = world.ocean.hold_invoice(amount, preimage).await.unwrap();
        let outcome = impatient(&world).pay(id, bolt11(&invoice), NOTHING).await;
        assert_eq!(outcome.unwrap(), Outcome::Pending);
        let twice = impatient(&world).pay(id, bolt11(&invoice), NOTHING).await;
        assert_eq!(twice.unwrap(), Outcome::Pending);
        let other = impatient(&world)
            .pay("other", bolt11(&invoice), NOTHING)
            .await;
        not_paid(&other.unwrap(), "already");
    }
    world.restart_pool().await;
    assert_eq!(payer(&world).undecided().await.unwrap().len(), 2);
    world.ocean.release(40_000_000, [5; 32]).await.unwrap();
    assert_eq!(
        spent(&decided(&world, "taken").await),
        Msat::new(40_000_000)
    );
    assert_eq!(
        payer(&world).look_up("back").await.unwrap(),
        Outcome::Pending
    );
    world.ocean.send_back([6; 32]).await.unwrap();
    not_paid(&decided(&world, "back").await, "did not get through");
    world.end().await;
}

/// Takes the journal back to what it was before the node's answer was written down.
fn forget_answers(dir: &Path) {
    let path = dir.join("node/outgoing.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let recorded = text.lines().filter(|line| line.contains("\"recorded\""));
    let kept: String = recorded.map(|line| format!("{line}\n")).collect();
    assert_ne!(kept, text);
    std::fs::write(&path, kept).unwrap();
}

/// As if the process had died between the journal and the node.
fn record_another(dir: &Path) {
    let path = dir.join("node/outgoing.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let of_a = text
        .lines()
        .find(|line| line.contains("\"id\":\"a\""))
        .unwrap();
    let hash = of_a.split('"').find(|part| part.len() == 64).unwrap();
    assert!(<[u8; 32]>::from_hex(hash).is_ok());
    let other = sha256::Hash::hash(b"never handed over").to_string();
    let line = of_a
        .replace("\"id\":\"a\"", "\"id\":\"x\"")
        .replace(hash, &other);
    std::fs::write(&path, format!("{text}{line}\n")).unwrap();
}

/// Killed after the node had it and before that was written down, it is found again in
/// the node's store; killed before the node had it, it stays pending. Neither is paid a
/// second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_journal_and_node_nothing_is_paid_twice() {
    let mut world = funded(false).await;
    let invoice = bolt11(&world.ocean.invoice(20_000_000).await.unwrap());
    let offer = world.ocean.offer().await.unwrap();
    let offer = bolt12(&offer, 30_000_000);
    let fees = Fees {
        base: Sat::new(10),
        ppm: 0,
    };
    let limit = fees.reserve_ceil(NOTHING).unwrap();
    let by_invoice = payer(&world)
        .pay("a", invoice.clone(), limit)
        .await
        .unwrap();
    let by_offer = payer(&world).pay("b", offer.clone(), limit).await.unwrap();
    spent(&by_invoice);
    spent(&by_offer);
    let had = in_channels(&world).await;

    let forget = |dir: &Path| {
        forget_answers(dir);
        record_another(dir);
    };
    world.restart_pool_after(forget).await;
    let payer = impatient(&world);
    assert_eq!(
        payer.pay("a", invoice.clone(), limit).await.unwrap(),
        by_invoice
    );
    assert_eq!(payer.look_up("b").await.unwrap(), by_offer);
    assert_eq!(payer.pay("b", offer, limit).await.unwrap(), by_offer);
    assert_eq!(payer.look_up("x").await.unwrap(), Outcome::Pending);
    assert_eq!(
        payer.pay("x", invoice, limit).await.unwrap(),
        Outcome::Pending
    );
    let undecided = payer.undecided().await.unwrap();
    assert_eq!(undecided.len(), 1);
    assert_eq!(undecided[0].id, "x");
    assert_eq!(in_channels(&world).await, had);
    world.end().await;
}
