//! The simulated OCEAN pays an offer: registered with a signature, paid some blocks after
//! each block with OCEAN's note, and what cannot be paid is added to the next.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod common;
#[path = "common/ocean.rs"]
mod world;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use bitcoin::base64::Engine as _;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use bitcoin::sign_message::{MessageSignature, signed_msg_hash};
use bitcoin::{Amount, BlockHash};
use simnet::lightning::{NoteNames, OceanNode, OceanNodeOptions, Received};
use simnet::ocean::{BlockOdds, OceanBooks, OceanLightning, RegistrationError, Via};
use simnet::stratum::Target;
use world::{ALICE, BOB, PATIENCE, World};

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// The legacy signature by the key of [`ALICE`]: the number 1.
fn signed(message: &str) -> String {
    let mut one = [0; 32];
    one[31] = 1;
    let secret = SecretKey::from_slice(&one).unwrap();
    let hash = signed_msg_hash(message).to_byte_array();
    let signature = Secp256k1::new().sign_ecdsa_recoverable(&Message::from_digest(hash), &secret);
    let bytes = MessageSignature::new(signature, true).serialize();
    bitcoin::base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A node of Alice's with coins for its reserve.
async fn payee(world: &World, dir: &Path) -> (OceanNode, SocketAddr) {
    let listen = free_address();
    let node = OceanNode::start(OceanNodeOptions {
        dir: dir.join("payee"),
        chain: world.ocean.chain_rpc(),
        alias: Some("payee".to_owned()),
        listen,
    })
    .await
    .unwrap();
    let address = node.address().await.unwrap();
    let coins = Amount::from_sat(1_000_000);
    let paid = world.ocean.chain().lock().faucet(&address, coins, 0);
    paid.unwrap();
    world.ocean.mine_blocks(1);
    let since = Instant::now();
    while node.spendable().await.unwrap() < coins {
        assert!(since.elapsed() < PATIENCE, "no coins");
        node.sync().await.unwrap();
    }
    (node, listen)
}

/// Waits until the payee has so many payments; the newest is the last.
async fn received(node: &OceanNode, count: usize) -> Vec<Received> {
    let since = Instant::now();
    loop {
        let all = node.received().await.unwrap();
        if all.len() >= count {
            return all;
        }
        assert!(since.elapsed() < PATIENCE, "{} payments", all.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn note(hash: BlockHash, height: u32) -> Option<String> {
    Some(format!(
        "OCEAN lightning payout running at block `{hash}` at height `{height}`"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_paid_after_each_block() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(|options| {
        options.lightning = Some(OceanLightning::new(
            dir.path().join("ocean"),
            free_address(),
        ));
        options.note = NoteNames::Tip;
    })
    .await;
    let ocean = &world.ocean;
    let (alice, alice_at) = payee(&world, dir.path()).await;
    ocean
        .open_channel_to(alice.id(), alice_at, 10_000_000)
        .await
        .unwrap();

    // Registered as over the web form; anything else is refused.
    let offer = alice
        .offer_saying(&format!("OCEAN Payouts for {ALICE}"))
        .await
        .unwrap();
    let message =
        |height: u32, offer: &str| format!(r#"{{"height":{height},"lightning_bolt12":"{offer}"}}"#);
    let good = message(120, &offer);
    let forged = ocean.register_offer(BOB, &good, &signed(&good));
    assert!(
        matches!(forged, Err(RegistrationError::Signature(_))),
        "{forged:?}"
    );
    let other = message(120, &alice.offer().await.unwrap());
    let other = ocean.register_offer(ALICE, &other, &signed(&other));
    assert!(
        matches!(other, Err(RegistrationError::Description { .. })),
        "{other:?}"
    );
    ocean.register_offer(ALICE, &good, &signed(&good)).unwrap();
    let old = message(119, &offer);
    let old = ocean.register_offer(ALICE, &old, &signed(&old));
    assert_eq!(
        old,
        Err(RegistrationError::Outdated {
            given: 119,
            before: 120
        })
    );

    // Work, a block, three more, and the payment with its note.
    world.mine_quotas(&[20, 12, 9]).await;
    let first = world.find_block(0).await;
    let earned = ocean.account(ALICE).earned_msat();
    assert_eq!(ocean.account(ALICE).pending_msat(), earned);
    ocean.mine_blocks(2);
    let work = ocean.pool().current_job();
    ocean.mine_blocks(1);
    assert_ne!(ocean.pool().current_job(), work);
    let is_paid = |msat: u64| move |books: &OceanBooks| books.account(ALICE).paid_msat() == msat;
    ocean.wait_for(is_paid(earned), PATIENCE).await.unwrap();
    let tip = ocean
        .chain()
        .lock()
        .block(first.height + 3)
        .unwrap()
        .block_hash();
    let payments = received(&alice, 1).await;
    assert_eq!(
        (payments[0].msat, &payments[0].note),
        (earned, &note(tip, first.height + 3))
    );
    let booked = &ocean.account(ALICE).payments[0];
    let via = Via::Lightning {
        hash: payments[0].hash,
        found_height: first.height,
    };
    assert_eq!(booked.via, via);
    assert_eq!(ocean.account(BOB).payments, [], "he has no offer");

    // Paused while the next block gets deep: added to the one after, in one payment.
    ocean.set_policy(|policy| policy.lightning_paused = true);
    world.mine_quotas(&[3, 0, 0]).await;
    world.find_block(1).await;
    ocean.mine_blocks(3);
    let is_due = |books: &OceanBooks| books.account(ALICE).due_msat > 0;
    ocean.wait_for(is_due, PATIENCE).await.unwrap();
    ocean.set_policy(|policy| policy.lightning_paused = false);
    let third = world.find_block(2).await;
    ocean.mine_blocks(3);
    let earned_in_all = ocean.account(ALICE).earned_msat();
    ocean
        .wait_for(is_paid(earned_in_all), PATIENCE)
        .await
        .unwrap();
    let payments = received(&alice, 2).await;
    let rest = payments
        .iter()
        .find(|payment| payment.msat != earned)
        .unwrap();
    assert_eq!(rest.msat, earned_in_all - earned);
    assert!(
        rest.note
            .as_ref()
            .unwrap()
            .contains(&format!("`{}`", third.height + 3))
    );

    // Nobody can be paid while the other is away; the money is due again, nothing is lost.
    alice.stop().await.unwrap();
    ocean.set_block_odds(BlockOdds::OneIn(2.0));
    world.devices[0].allow_shares(40);
    let has_more = |books: &OceanBooks| books.blocks.len() > 3;
    ocean.wait_for(has_more, PATIENCE).await.unwrap();
    world.devices[0].wait_until_done(PATIENCE).await.unwrap();
    ocean.set_block_odds(BlockOdds::Network);
    ocean.mine_blocks(3);
    let is_owed = |books: &OceanBooks| books.account(ALICE).owed_msat() > 0;
    ocean.wait_for(is_owed, PATIENCE).await.unwrap();
    let books = ocean.books();
    let totals = books.totals();
    assert!(totals.is_balanced(), "{totals:?}");
    let paid: u64 = payments.iter().map(|payment| payment.msat).sum();
    assert_eq!(totals.paid_msat, paid, "paid as far as was received");
    world.ocean.stop().await.unwrap();
}

/// More than the channel holds: it fails, is due again, and as it has gathered enough it
/// goes over the chain.
#[tokio::test(flavor = "multi_thread")]
async fn what_lightning_cannot_carry_goes_over_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let share = Target::of_difficulty(common::EASY).unwrap().work();
    let world = World::new(|options| {
        options.lightning = Some(OceanLightning::new(
            dir.path().join("ocean"),
            free_address(),
        ));
        // A share is worth 250,000 satoshis.
        options.window = Some(20_000 * share);
        options.fee_bps = 0;
    })
    .await;
    let ocean = &world.ocean;
    let (alice, alice_at) = payee(&world, dir.path()).await;
    ocean
        .open_channel_to(alice.id(), alice_at, 5_000_000)
        .await
        .unwrap();
    let says = format!("OCEAN Payouts for {ALICE}");
    let offer = alice.offer_saying(&says).await.unwrap();
    ocean.set_offer(ALICE, &offer).unwrap();

    world.mine_quotas(&[39, 0, 0]).await;
    world.find_block(0).await;
    ocean.mine_blocks(3);
    let has_failed = |books: &OceanBooks| books.account(ALICE).failures == 1;
    ocean.wait_for(has_failed, PATIENCE).await.unwrap();
    assert_eq!(ocean.account(ALICE).due_msat, 40 * 250_000_000);
    assert!(ocean.books().totals().is_balanced());

    ocean.pay_now();
    let is_paid = |books: &OceanBooks| books.account(ALICE).paid_msat() > 0;
    ocean.wait_for(is_paid, PATIENCE).await.unwrap();
    let account = ocean.account(ALICE);
    let Via::Transaction(txid) = account.payments[0].via else {
        panic!("{:?}", account.payments)
    };
    ocean.mine_blocks(1);
    assert_eq!(world.paid_by(txid, ALICE), 10_000_000);
    assert_eq!(account.owed_msat(), 0);
    assert!(ocean.books().totals().is_balanced());
    assert_eq!(alice.received().await.unwrap(), []);
    alice.stop().await.unwrap();
    world.ocean.stop().await.unwrap();
}
