//! What a payout costs, and what the shares feel of it: `cargo bench -p ledger --bench
//! bookings`.
//!
//! Per number of miners: how long from the event to its answer, and the longest that a
//! share waited meanwhile, of a session that sends one after the other.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::settle::{Effect, Event, PaidTo, Payment, Via};
use accounting::{
    CloseCause, EpochTerms, Identity, MinerId, Msat, SessionId, ShareId, ShareRecord, Work,
    WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use ledger::{Ledger, LedgerOptions, ShareAck};
use prometheus::Registry;

const NOW_MS: u64 = 1_700_000_000_000;

/// Half of all numbers are the x of a point.
fn miners(count: usize) -> Vec<Arc<Identity>> {
    let keys = (1_u64..).filter_map(|number| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        MinerId::from_x_only_bytes(key)
    });
    let worker = || WorkerName::clean("bitaxe");
    keys.take(count)
        .map(|miner| {
            Arc::new(Identity {
                miner,
                worker: worker(),
            })
        })
        .collect()
}

struct Session {
    ledger: Ledger,
    id: SessionId,
    sequence: u64,
    ack: Arc<ShareAck>,
}

impl Session {
    fn new(ledger: &Ledger, number: u32) -> Self {
        Session {
            ledger: ledger.clone(),
            id: SessionId::new(ledger.boot(), number),
            sequence: 0,
            ack: Arc::default(),
        }
    }

    async fn send(&mut self, who: &Arc<Identity>) {
        self.sequence += 1;
        let share = ShareRecord {
            typed: Some(accounting::KeyPrefix::Even),
            id: ShareId {
                session: self.id,
                sequence: self.sequence,
            },
            who: who.clone(),
            work: Work::from_hashes(4_294_967_296_000),
            hash: BlockHash::from_byte_array([7; 32]),
            upstream_work: Work::from_hashes(562_949_953_421_312),
            meets_upstream: false,
            meets_network: false,
            time_ms: NOW_MS,
        };
        let permit = self.ledger.shares().reserve().await.expect("open");
        permit.send(share, self.ack.clone());
    }

    async fn decided(&self) {
        let before = self.sequence - 1;
        poll_fn(|cx| self.ack.poll_decided(cx, before)).await;
    }
}

fn payment(number: u8, block: BlockHash, amount: Msat) -> Event {
    let note = format!("OCEAN lightning payout running at block `{block}` at height `130`");
    Event::Paid(Payment {
        amount,
        received_ms: NOW_MS,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(&[number]),
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: Some(note),
            tip_height: Some(130),
        },
    })
}

async fn run(directory: &Path, count: usize) {
    let path = directory.join(format!("{count}.redb"));
    let options = LedgerOptions::new(path, EpochTerms::default(), NOW_MS);
    let ledger = Ledger::open(options, &Registry::new()).expect("opens");
    let who = miners(count);
    let mut session = Session::new(&ledger, 1);
    for who in &who {
        session.send(who).await;
    }
    session.decided().await;
    let block = BlockHash::from_byte_array([9; 32]);
    let cause = CloseCause::OceanBlock {
        hash: block,
        height: 100,
    };
    ledger.close_epoch(cause, NOW_MS).await.expect("closes");
    for number in 0..2 {
        let amount = Msat::new(count as u64 * 2_500);
        let booked = {
            let (ledger, event) = (ledger.clone(), payment(number, block, amount));
            tokio::spawn(async move {
                let begun = Instant::now();
                let effects = ledger.settle(event).await.expect("books");
                (begun.elapsed(), effects)
            })
        };
        let mut other = Session::new(&ledger, 2 + u32::from(number));
        let (mut longest, mut shares) = (Duration::ZERO, 0_u32);
        while !booked.is_finished() {
            let begun = Instant::now();
            other.send(&who[0]).await;
            other.decided().await;
            longest = longest.max(begun.elapsed());
            shares += 1;
        }
        let (took, effects) = booked.await.expect("no panic");
        let is_pay = |effect: &&Effect| matches!(effect, Effect::PayQuote { .. });
        println!(
            "{count:>7} miners: booked after {took:>10.1?}; of {shares} shares meanwhile one \
             waited {longest:>10.1?}; {} quotes paid",
            effects.iter().filter(is_pay).count()
        );
    }
    let (reader, begun) = (ledger.reader().clone(), Instant::now());
    let file = tokio::task::spawn_blocking(move || reader.audit_file(2)).await;
    let file = file.expect("no panic").expect("reads").expect("is there");
    println!(
        "{count:>7} miners: audit file of {} lines made in {:.1?}",
        file.miners.len(),
        begun.elapsed()
    );
    ledger.close().await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    runtime.expect("a runtime").block_on(async {
        for count in [10, 1_000, 100_000] {
            run(directory.path(), count).await;
        }
    });
}
