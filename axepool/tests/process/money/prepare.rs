//! A pool whose ledger has payments in it, put there through the ledger's own door while
//! nothing runs.

use std::future::poll_fn;
use std::sync::Arc;

use accounting::settle::{Earnings, Event, PaidTo, Payment, PayoutKey, Preimage, Via};
use accounting::{
    CloseCause, Identity, MinerId, Msat, Sat, SessionId, ShareId, ShareRecord, UpstreamResult,
    Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash as _, sha256};
use ledger::{Ledger, LedgerOptions, Reader, ShareAck};
use prometheus::Registry;
use simnet::pool::SimPoolHandle;

use crate::common::PoolProcess;
use crate::world;

/// The operator's fee: a twentieth.
pub const FEE: &str = "[payout]\nfee_bps = 500\n";

/// What the first payment has.
pub const FIRST_MSAT: u64 = 123_457;

/// What the second has.
pub const SECOND_MSAT: u64 = 50_001;

pub const NOW_MS: u64 = 1_795_247_612_000;

/// The two miners: the first did three times the work of the second.
pub fn miners() -> [MinerId; 2] {
    [1, 2].map(|index| world::key(index).hex.parse().expect("a key"))
}

/// The block that closed epoch `epoch`.
pub fn block(epoch: u8) -> (BlockHash, u32) {
    (
        BlockHash::from_byte_array([epoch; 32]),
        100 * u32::from(epoch),
    )
}

/// A payment's preimage is its number.
pub fn key(number: u8) -> PayoutKey {
    PayoutKey::Lightning(sha256::Hash::hash(&[number; 32]))
}

/// A payment over lightning for a block.
pub fn payment(number: u8, amount_msat: u64, (hash, height): (BlockHash, u32)) -> Event {
    Event::Paid(Payment {
        amount: Msat::new(amount_msat),
        received_ms: NOW_MS + u64::from(number),
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(&[number; 32]),
            preimage: Some(Preimage([number; 32])),
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{hash}` at height `{height}`"
            )),
            tip_height: None,
        },
    })
}

/// A share of `who`.
pub async fn mine(ledger: &Ledger, session: u32, who: MinerId, work: u128) {
    let ack = Arc::<ShareAck>::default();
    let work = Work::from_hashes(work);
    let share = ShareRecord {
        typed: Some(accounting::KeyPrefix::Even),
        id: ShareId {
            session: SessionId::new(ledger.boot(), session),
            sequence: 1,
        },
        who: Arc::new(Identity {
            miner: who,
            worker: WorkerName::clean("axe"),
        }),
        work,
        hash: BlockHash::from_byte_array([u8::try_from(session).expect("small"); 32]),
        upstream_work: work,
        meets_upstream: true,
        meets_network: false,
        time_ms: NOW_MS,
    };
    let permit = ledger.shares().reserve().await.expect("open");
    permit.send(share, Arc::clone(&ack));
    poll_fn(|cx| ack.poll_decided(cx, 0)).await;
    let result = UpstreamResult {
        miner: who,
        upstream_work: work,
        accepted: true,
    };
    let told = ledger.shares().upstream_result(result).await;
    told.expect("open");
}

/// OCEAN's block `epoch` closes the open epoch.
pub async fn close(ledger: &Ledger, epoch: u8) {
    let (hash, height) = block(epoch);
    let cause = CloseCause::OceanBlock { hash, height };
    ledger.close_epoch(cause, NOW_MS).await.expect("closes");
    let earnings = Earnings {
        net: Sat::new(1_000),
        shares_in_window: Some(9),
    };
    let known = Event::EarningsKnown {
        block: hash,
        earnings,
        reward: None,
    };
    ledger.settle(known).await.expect("books");
}

/// Opens the ledger of a pool that does not run.
pub fn open(pool: &PoolProcess) -> Ledger {
    let path = pool.data_dir().join("ledger.redb");
    let terms = Reader::open(&path).expect("opens").open_epoch().terms;
    Ledger::open(LedgerOptions::new(path, terms, NOW_MS), &Registry::new()).expect("opens")
}

/// A pool that has stopped: two epochs, each paid; two payments that are nobody's; and
/// some work in the open epoch.
pub async fn stopped_pool(sections: &str) -> (PoolProcess, SimPoolHandle) {
    let stratum = world::ocean(|_| {}).await;
    let sections = format!("{FEE}{sections}");
    let mut pool = world::pool(&stratum, |setup| setup.stratum.push_str(&sections)).await;
    assert!(pool.stop().await.success());
    let ledger = open(&pool);
    let [one, two] = miners();
    mine(&ledger, 1, one, 3_000).await;
    mine(&ledger, 2, two, 1_000).await;
    close(&ledger, 1).await;
    mine(&ledger, 3, one, 7_000).await;
    close(&ledger, 2).await;
    mine(&ledger, 4, one, 500).await;
    let unknown = (BlockHash::from_byte_array([9; 32]), 900);
    for event in [
        payment(1, FIRST_MSAT, block(1)),
        payment(2, SECOND_MSAT, block(2)),
        payment(3, 7_000, unknown),
        payment(4, 11_000, unknown),
    ] {
        assert!(!ledger.settle(event).await.expect("books").is_empty());
    }
    ledger.close().await;
    (pool, stratum)
}

/// A payment that is the operator's: not to the offer for OCEAN.
pub fn foreign(number: u8, amount_msat: u64) -> Event {
    let mut event = payment(number, amount_msat, block(1));
    if let Event::Paid(Payment {
        via: Via::Lightning { paid_to, .. },
        ..
    }) = &mut event
    {
        *paid_to = PaidTo::NoOffer;
    }
    event
}
