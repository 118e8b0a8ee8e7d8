//! Payouts of 1,000 miners each, as many as the argument says. `scripts/instructions.sh`
//! counts their instructions: `cargo bench -p accounting --bench payouts -- 10`.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench ends where something is wrong with it"
)]

use std::hint::black_box;

use accounting::settle::{Block, Books, Event, PaidTo, Payment, Policy, Via};
use accounting::{EpochId, EpochTerms, MinerId, Msat, Work};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};

const MINERS: u64 = 1_000;

/// The first x from here on that is a point's.
fn miner(n: u64) -> MinerId {
    let mut key = [0; 32];
    let from = (n + 1) * 64;
    let mut tries = (from..from + 64).filter_map(|x| {
        key[24..].copy_from_slice(&x.to_be_bytes());
        MinerId::from_x_only_bytes(key)
    });
    tries.next().unwrap()
}

fn opened(epoch: u64) -> Event {
    Event::EpochOpened {
        epoch: EpochId::new(epoch),
        terms: EpochTerms::default(),
    }
}

fn paid(height: u32, hash: BlockHash) -> Event {
    let note = format!("OCEAN lightning payout running at block `{hash}` at height `{height}`");
    let via = Via::Lightning {
        payment_hash: sha256::Hash::hash(&height.to_le_bytes()),
        preimage: None,
        paid_to: PaidTo::OceanOffer,
        note: Some(note),
        tip_height: Some(height),
    };
    Event::Paid(Payment {
        amount: Msat::new(1_048_576_007),
        received_ms: 1_800_000_000_000,
        via,
    })
}

fn main() {
    // cargo adds `--bench`.
    let count = std::env::args().find_map(|word| word.parse().ok());
    let count: u32 = count.unwrap_or(1);
    let miners: Vec<MinerId> = (0..MINERS).map(miner).collect();
    let mut books = Books::new(Policy::default());
    books.apply(opened(1)).unwrap();
    for height in 1..=count {
        let epoch = books.open_epoch().unwrap();
        for (at, miner) in miners.iter().enumerate() {
            books.credit(*miner, Work::from_hashes(1_000_000_000 + at as u128));
            books.quote_ordered(*miner, epoch);
        }
        let hash = BlockHash::hash(&height.to_le_bytes());
        let closed = Event::EpochClosed {
            epoch,
            block: Some(Block { hash, height }),
            work: books.own_work(epoch),
            miners: books.own_miners(epoch),
            next: epoch.next(),
            next_terms: EpochTerms::default(),
        };
        books.apply(closed).unwrap();
        let effects = books.apply(paid(height, hash)).unwrap();
        assert!(effects.len() > miners.len(), "each is paid");
        black_box(effects);
    }
}
