//! A pool that was paid, without a node: the money comes from the books' own side door,
//! while the pool is down. OCEAN's blocks and payouts are told to the ledger as the node
//! tells them.

use std::fs;
use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use accounting::settle::{Event, PaidTo, Payment, Via};
use accounting::{
    CloseCause, EpochTerms, Identity, MinerId, Msat, SessionId, ShareId, ShareRecord, Work,
    WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash as _, sha256};
use ledger::{Ledger, LedgerOptions, ShareAck};
use prometheus::Registry;
use simnet::keys::SimKey;
use simnet::pool::SimPoolHandle;

use crate::common::{PoolProcess, PoolSetup};
use crate::world::{bitaxe, earns, ocean, pool};

/// Work that earns a satoshi or two of an epoch's payout, where the others' is some ten
/// thousand hashes each.
const CRUMB: u128 = 40;

/// What was paid to quotes so far, in satoshis, after closing the open epoch and
/// `epochs - 1` more, in each of which every one of `keys` did some work, every one of
/// `crumbs` next to none, and a payout for each.
async fn pay(data_dir: &Path, keys: &[SimKey], crumbs: &[SimKey], epochs: u8) -> u64 {
    let ledger = opened(data_dir);
    for number in 1..=epochs {
        if number > 1 {
            let size = |place: u64| 10_000 + 777 * u128::from(place + u64::from(number));
            let many = (1..).zip(keys).map(|(place, key)| (key, size(place)));
            let few = crumbs.iter().map(|key| (key, CRUMB));
            work(&ledger, many.chain(few), number).await;
        }
        close_and_pay(&ledger, number).await;
    }
    let paid_sat = paid(&ledger);
    ledger.close().await;
    paid_sat
}

/// One more epoch in which every one of `keys` did some work, and its payout: what that
/// brought in satoshis. No two of one number.
pub async fn pay_one(data_dir: &Path, keys: &[SimKey], number: u8) -> u64 {
    let ledger = opened(data_dir);
    let before = ledger.totals().expect("reads").received;
    work(&ledger, keys.iter().map(|key| (key, 10_000)), number).await;
    close_and_pay(&ledger, number).await;
    let after = ledger.totals().expect("reads").received;
    ledger.close().await;
    u64::try_from((after - before).div_ceil(1000)).expect("not so much")
}

fn opened(data_dir: &Path) -> Ledger {
    let path = data_dir.join("ledger.redb");
    let mut options = LedgerOptions::new(path, EpochTerms::default(), now_ms());
    options.window = Duration::from_millis(1);
    options.quiet_window = options.window;
    Ledger::open(options, &Registry::new()).expect("the pool is down")
}

fn paid(ledger: &Ledger) -> u64 {
    let totals = ledger.totals().expect("reads");
    assert!(totals.paid > 0, "{totals:?}");
    u64::try_from(totals.paid / 1000).expect("not so much")
}

async fn close_and_pay(ledger: &Ledger, number: u8) {
    let now_ms = now_ms();
    let (hash, height) = (
        BlockHash::from_byte_array([number; 32]),
        40 * u32::from(number),
    );
    let cause = CloseCause::OceanBlock { hash, height };
    ledger.close_epoch(cause, now_ms).await.expect("closes");
    let payment = Payment {
        amount: Msat::new(1_000_000 + 37_001 * u64::from(number)),
        received_ms: now_ms,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(&[number]),
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{hash}` at height `{}`",
                height + 30
            )),
            tip_height: None,
        },
    };
    ledger.settle(Event::Paid(payment)).await.expect("books");
}

/// A share of each key.
async fn work<'a>(ledger: &Ledger, shares: impl Iterator<Item = (&'a SimKey, u128)>, epoch: u8) {
    let session = SessionId::new(ledger.boot(), u32::from(epoch));
    // The first share of a session is its number one.
    for (sequence, (key, hashes)) in (1..).zip(shares) {
        let miner: MinerId = key.hex.parse().expect("a key");
        let text = format!("share {sequence} of epoch {epoch}");
        let share = ShareRecord {
            typed: Some(accounting::KeyPrefix::Even),
            id: ShareId { session, sequence },
            who: Arc::new(Identity {
                miner,
                worker: WorkerName::clean("axe"),
            }),
            work: Work::from_hashes(hashes),
            hash: BlockHash::from_byte_array(sha256::Hash::hash(text.as_bytes()).to_byte_array()),
            upstream_work: Work::from_hashes(1),
            meets_upstream: true,
            meets_network: false,
            time_ms: now_ms(),
        };
        let ack = Arc::<ShareAck>::default();
        let permit = ledger.shares().reserve().await.expect("open");
        permit.send(share, Arc::clone(&ack));
        poll_fn(|cx| ack.poll_decided(cx, 0)).await;
    }
}

/// Waits until the mint knows all that the ledger ordered.
pub async fn caught_up(pool: &PoolProcess, paid_sat: u64) {
    pool.poll("all that was paid at the mint", async |pool| {
        let mint = pool.status().await.mint;
        let owed = mint.outstanding_sat?.get() + mint.paid_unissued_sat?.get();
        (mint.outbox_waiting == 0 && mint.parked == Some(0) && owed == paid_sat).then_some(())
    })
    .await;
}

/// A pool that was paid.
pub struct Earned {
    /// Its process, serving.
    pub pool: PoolProcess,
    /// Its upstream, which has to live as long.
    pub ocean: SimPoolHandle,
    /// What its quotes were paid in all.
    pub paid_sat: u64,
}

/// A pool on which all of `keys` mined, `crumbs` next to nothing, and which was paid for
/// `epochs` epochs.
pub async fn earned(
    keys: &[SimKey],
    crumbs: &[SimKey],
    epochs: u8,
    change: impl FnOnce(&mut PoolSetup),
) -> Earned {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, change).await;
    let target = pool.stratum().await;
    for key in keys.iter().take(2) {
        let axe = bitaxe(target, key, |_| {});
        earns(&axe, 5).await;
        axe.stop().await;
    }
    assert!(pool.stop().await.success(), "{}", pool.log());
    let paid_sat = pay(&pool.data_dir(), keys, crumbs, epochs).await;
    pool.spawn().await;
    pool.wait_ready().await;
    caught_up(&pool, paid_sat).await;
    Earned {
        pool,
        ocean,
        paid_sat,
    }
}

/// Puts a key into a file in `dir`, as `axepool key new --from` does.
pub fn key_file(dir: &Path, key: &SimKey) -> String {
    let path = dir.join(format!("{}.key", &key.hex[..10]));
    let secret: String = key
        .secret
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    fs::write(&path, secret).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
    path.display().to_string()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_millis()).expect("not so far")
}
