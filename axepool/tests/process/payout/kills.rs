//! The pool is killed while it pays for burnt ecash: the payment is made or the ecash is
//! back, never both, and the books say which.

use std::time::{Duration, Instant};

use payout::outgoing::Undecided;

use crate::common::{Begun, PATIENCE, PoolProcess, stdout};
use crate::ocean::{Ocean, free_address, look};
use crate::payout::prepare::{Purse, earned, outstanding_is, pool_and_ocean};
use crate::world::key;

/// How often it is killed.
const ROUNDS: u8 = 8;

/// Within so many milliseconds of an owner's order all of a payment happens.
const A_PAYMENT_MS: u64 = 1_200;

/// How long the owner's command waits.
const OWNER_WAITS_SECS: &str = "20";

/// A payment that is cut off.
struct Melt {
    sat: u64,
    preimage: [u8; 32],
    /// Whether OCEAN takes it or sends it back.
    is_taken: bool,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// OCEAN has the money.
    Paid,
    /// The owner has the ecash.
    Back,
    /// Neither: the kill left no trace of it at the node. It waits for the operator.
    Open,
}

/// The node's payments that are not decided; `None` while the node is not up.
fn undecided(pool: &PoolProcess) -> Option<Vec<Undecided>> {
    let told = pool.command(&["node", "payments", "--json"]);
    serde_json::from_str(&stdout(&told)).ok()
}

impl Melt {
    async fn decide(&self, ocean: &Ocean) {
        // Before it arrives there is nothing to be decided: asked again.
        let _ = if self.is_taken {
            ocean.node.release(self.sat * 1000, self.preimage).await
        } else {
            ocean.node.send_back(self.preimage).await
        };
    }

    /// Waits until node, mint and wallet have come to an end with it.
    async fn ends(&self, pool: &PoolProcess, ocean: &Ocean, purse: &Purse, mut paying: Begun) {
        let deadline = Instant::now() + 2 * PATIENCE;
        while Instant::now() < deadline {
            self.decide(ocean).await;
            let node = look(pool).await;
            if node.channels.is_empty() {
                // A kill between two of the node's writes may cost the channel: then the
                // chain decides.
                ocean.mine(1);
            }
            if paying.has_ended()
                && undecided(pool).is_some_and(|open| open.is_empty())
                && purse.run(&["recover"]).status.success()
                && purse.balance().1 == 0
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let told = paying.end();
        let is_taken = ocean
            .node
            .has_taken(self.preimage)
            .await
            .expect("an answer");
        assert!(
            is_taken || !told.status.success(),
            "the owner was told of a payment that was not made: {}",
            stdout(&told)
        );
    }

    async fn end(&self, pool: &PoolProcess, ocean: &Ocean, before: u64, purse: &Purse) -> End {
        let is_taken = ocean
            .node
            .has_taken(self.preimage)
            .await
            .expect("an answer");
        let (spendable, pending) = purse.balance();
        match (is_taken, before - spendable) {
            (true, cost) => {
                assert_eq!(pending, 0, "paid and pending");
                assert_eq!(cost, self.sat, "paid, and so much is gone");
                End::Paid
            }
            (false, 0) => End::Back,
            (false, cost) => {
                assert_eq!(cost, pending, "not paid, and gone");
                assert_eq!(undecided(pool).expect("the node is up").len(), 1);
                End::Open
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_pays_the_money_is_in_one_place() {
    let http = free_address();
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|setup| setup.http = http).await;
    let owner = key(1);
    let paid = earned(&pool, &ocean, &offer, std::slice::from_ref(&owner)).await;
    let dir = tempfile::tempdir().expect("a directory");
    let purse = Purse::swept(&pool, &owner, dir.path()).await;
    assert_eq!(purse.spendable(), paid);
    let channels = look(&pool).await.channels_sat.get();

    let (mut left, mut ends, mut is_channel_lost) = (paid, Vec::new(), false);
    for round in 1..=ROUNDS {
        let melt = Melt {
            sat: 10_000 + u64::from(round),
            preimage: [round; 32],
            is_taken: round % 2 == 0,
        };
        let held = ocean.node.hold_invoice(melt.sat * 1000, melt.preimage);
        let invoice = held.await.expect("an invoice");
        let paying = purse.begin(&["pay", &invoice, "--wait", OWNER_WAITS_SECS]);
        // Twice for certain while it is under way, else at any moment.
        let moment = if round <= 2 {
            pool.poll("a payment under way", async |_| {
                ocean.node.has_come(melt.preimage).then_some(())
            })
            .await;
            None
        } else {
            let moment = Duration::from_millis(rand::random_range(0..A_PAYMENT_MS));
            tokio::time::sleep(moment).await;
            Some(moment)
        };
        pool.kill();
        if round % 4 < 2 {
            // The receiver decides while the pool is not there.
            melt.decide(&ocean).await;
        }
        pool.spawn().await;
        pool.wait_ready().await;
        melt.ends(&pool, &ocean, &purse, paying).await;
        let end = melt.end(&pool, &ocean, left, &purse).await;
        ends.push((moment, end));
        match end {
            End::Paid => left -= melt.sat,
            End::Back => {}
            End::Open => break,
        }
        assert_eq!(purse.spendable(), left, "{ends:?}");
        outstanding_is(&pool, left).await;
        if look(&pool).await.channels.is_empty() {
            // Nothing more can be paid.
            is_channel_lost = true;
            break;
        }
    }
    let certain = [End::Back, End::Paid];
    for (end, certain) in ends.iter().zip(certain) {
        assert_eq!(end.1, certain, "{ends:?}");
    }
    // What left the node is what was burnt; a channel that is lost costs its fees.
    if ends.iter().all(|(_, end)| *end != End::Open) {
        let node = look(&pool).await;
        let has = node.channels_sat.get() + node.closing_sat.get() + node.on_chain_sat.get();
        let (gone, burnt) = (channels - has, paid - left);
        let most = if is_channel_lost { 5_000 } else { 1 };
        assert!(
            gone + 1 >= burnt && gone <= burnt + most,
            "{gone} {burnt} {ends:?}"
        );
    }
    assert!(pool.stop().await.success());
    ocean.end().await;
}
