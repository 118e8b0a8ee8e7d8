//! A mint's store that is not the last one: gone, or an older copy put back. Nothing that was
//! acknowledged is paid again by itself, and what is honoured after the operator's word is
//! never more than was paid.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use accounting::{Incarnation, OutboxId, Sat, StoreMark};
use cdk::wallet::ReceiveOptions;
use prometheus::Registry;

use super::restored::{Door, lineage, mint, send};
use super::support::{Owner, Pool, config, row_sums, work};
use crate::{Mint, MintConfig, Since, Witness, copy_store, stored_marks};

/// What the reporter was paid.
const PAID: u64 = 1_048_576;

pub(super) fn lose_store(dir: &Path) {
    for name in ["mint.sqlite", "mint.sqlite-wal", "mint.sqlite-shm"] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }
}

/// The store as it was when it was copied, in its place.
pub(super) fn put_back(copy: &Path, dir: &Path) {
    lose_store(dir);
    fs::copy(copy, dir.join("mint.sqlite")).expect("copies");
}

async fn reopened(dir: &Path, url: &str, change: impl FnOnce(&mut MintConfig)) -> Mint {
    let mut config = config(dir, url.to_owned());
    change(&mut config);
    let opened = Mint::open(config, None, &Registry::new()).await;
    opened.expect("opens")
}

/// A pool with a key that was paid and has fetched it all.
async fn swept() -> (Pool, Owner, Door) {
    let door = Door::open(([127, 0, 0, 1], 1).into()).await;
    let url = door.url.clone();
    let pool = Pool::set(|config| config.public_url = url).await;
    door.leads_to(&pool.mint).await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, PAID)]).await;
    let quote = pool.id(&owner, 1);
    mint(&door.wallet().await, &owner, &quote)
        .await
        .expect("swept");
    pool.mint.close().await.expect("closes");
    (pool, owner, door)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_is_not_paid_again_by_itself() {
    let (pool, owner, door) = swept().await;
    lose_store(pool.dir.path());
    let again = reopened(pool.dir.path(), &door.url, |_| {}).await;
    door.leads_to(&again).await;
    work(&again, Arc::clone(&pool.ledger) as _).await;
    assert_eq!(row_sums(&again).await, (0, 0), "nothing is paid again");
    let why = again.closed_by_restore().expect("closed");
    assert!(why.contains("lacks payments"), "{why}");
    let quote = again.ids().id(&owner.quote(1)).to_string();
    mint(&door.wallet().await, &owner, &quote)
        .await
        .expect_err("not a second time");

    // The next start is told of it, and opens closed again even when nobody minds.
    let marks = stored_marks(pool.dir.path()).expect("reads");
    assert!(marks.expect("there").is_behind);
    again.close().await.expect("closes");
    let again = reopened(pool.dir.path(), &door.url, |_| {}).await;
    assert!(again.closed_by_restore().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_store_is_not_paid_again_by_itself() {
    let (pool, owner, door) = swept().await;
    let copy = pool.dir.path().join("older");
    assert!(copy_store(pool.dir.path(), &copy).expect("copies"));
    let again = reopened(pool.dir.path(), &door.url, |_| {}).await;
    pool.ledger.pay(owner.quote(2), "later", 7);
    work(&again, Arc::clone(&pool.ledger) as _).await;
    assert_eq!(row_sums(&again).await, (PAID + 7, PAID));
    again.close().await.expect("closes");
    put_back(&copy, pool.dir.path());
    let again = reopened(pool.dir.path(), &door.url, |_| {}).await;
    // A payment whose row still waits is none of those.
    pool.ledger.pay(owner.quote(3), "last", 5);
    work(&again, Arc::clone(&pool.ledger) as _).await;
    assert_eq!(row_sums(&again).await, (PAID + 5, PAID));
    assert!(again.closed_by_restore().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_never_acknowledged_are_repaired() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 30)]).await;
    pool.mint.close().await.expect("closes");
    lose_store(pool.dir.path());
    let again = reopened(pool.dir.path(), &pool.url, |_| {}).await;
    // As if the acknowledgement had never reached the ledger.
    work(&again, Arc::new(pool.ledger.forgetful())).await;
    assert_eq!(row_sums(&again).await, (30, 0));
    assert!(again.closed_by_restore().is_none());
}

/// The ledger began anew because the mint's store was lost: everything is closed until the
/// operator's word, and then nobody gets more than was paid and not melted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_goes_on_like_a_restored_one() {
    let (pool, owner, door) = swept().await;
    pool.paid_later(&owner).await;
    let purse = door.wallet().await;
    let second = reopened(pool.dir.path(), &door.url, |_| {}).await;
    door.leads_to(&second).await;
    let quote = second.ids().id(&owner.quote(2)).to_string();
    mint(&purse, &owner, &quote).await.expect("minted");
    let spent = send(&purse, 300).await;
    let friend = door.wallet().await;
    let options = ReceiveOptions::default();
    friend.receive(&spent, options).await.expect("spent");
    let friends = send(&friend, 300).await;
    second.close().await.expect("closes");

    lose_store(pool.dir.path());
    let anew = |config: &mut MintConfig| {
        config.lineage = lineage(9);
        config.outbox_end = OutboxId::new(4);
        config.had_store = true;
        config.restored_because = "the mint's store was lost".to_owned();
        config.paid_melts = vec![("a-melt".to_owned(), Sat::new(PAID))];
    };
    let again = reopened(pool.dir.path(), &door.url, anew).await;
    door.leads_to(&again).await;
    let claims = again.old_claims().await.expect("reads").expect("restored");
    assert!(!claims.is_complete);
    again
        .open_old_claims(Since::default())
        .await
        .expect_err("the bound may grow yet");
    work(&again, Arc::clone(&pool.ledger) as _).await;
    let why = again.closed_by_restore().expect("closed");
    assert!(why.starts_with("the mint's store was lost"), "{why}");
    door.receive(&spent).await.expect_err("closed");
    let claims = again.old_claims().await.expect("reads").expect("restored");
    assert_eq!(
        (claims.bound_sat, claims.claimed_sat, claims.is_complete),
        (Sat::new(PAID + 1000), Sat::new(PAID), true)
    );
    let owed = again.liabilities().await.expect("reads");
    assert_eq!(owed.total(), Some(Sat::new(1000)), "what was not melted");

    again
        .open_old_claims(Since::default())
        .await
        .expect("opens");
    // The keys of before take back what they signed, and whoever comes first is served.
    assert_eq!(door.receive(&spent).await.expect("honoured"), 300);
    assert_eq!(door.receive(&friends).await.expect("honoured"), 300);
    door.receive(&friends).await.expect_err("taken already");
    let all = mint(&door.wallet().await, &owner, &quote).await;
    all.expect_err("400 are left, and the quote has 1,000");
    let first = again.ids().id(&owner.quote(1)).to_string();
    mint(&door.wallet().await, &owner, &first)
        .await
        .expect_err("melted long ago");
    // From now on a missing payment is proof of a loss again.
    assert!(!again.repairs_all().await.expect("reads"));
}

/// The node's journal of payments was lost with the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn melts_that_only_the_operator_knows_of_count_as_claimed() {
    let (pool, owner, door) = swept().await;
    lose_store(pool.dir.path());
    let anew = |config: &mut MintConfig| {
        config.lineage = lineage(9);
        config.outbox_end = OutboxId::new(2);
        config.had_store = true;
    };
    let again = reopened(pool.dir.path(), &door.url, anew).await;
    door.leads_to(&again).await;
    work(&again, Arc::clone(&pool.ledger) as _).await;
    let melted = |sat| Since {
        melted: Sat::new(sat),
        ..Since::default()
    };
    let beyond = again.open_old_claims(melted(PAID + 1)).await;
    beyond.expect_err("more than there was");
    assert!(again.closed_by_restore().is_some(), "nothing is changed");
    let claims = again.open_old_claims(melted(PAID - 8)).await;
    let claims = claims.expect("opens").expect("restored");
    let told = Sat::new(PAID - 8);
    assert_eq!((claims.claimed_sat, claims.told_melted_sat), (told, told));
    let owed = again.liabilities().await.expect("reads");
    assert_eq!(owed.total(), Some(Sat::new(8)), "what was not melted");
    let quote = again.ids().id(&owner.quote(1)).to_string();
    let all = mint(&door.wallet().await, &owner, &quote).await;
    all.expect_err("8 sat are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_mnemonic_of_a_lost_store_is_not_made_anew() {
    let (pool, _, door) = swept().await;
    lose_store(pool.dir.path());
    fs::remove_file(pool.dir.path().join("mint.mnemonic")).expect("removes");
    let mut config = config(pool.dir.path(), door.url.clone());
    config.had_store = true;
    let opened = Mint::open(config, None, &Registry::new()).await;
    let error = opened.err().expect("refused");
    assert!(error.to_string().contains("from its backup"), "{error}");
    assert!(!pool.dir.path().join("mint.mnemonic").exists());
}

/// Two ledgers, one after the other, over one mnemonic: of the first nothing is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_pool_over_old_words_takes_no_ecash_of_before() {
    let (pool, _, door) = swept().await;
    lose_store(pool.dir.path());
    let again = reopened(pool.dir.path(), &door.url, |config| {
        config.lineage = Incarnation::from_bytes([7; 16]).into();
    })
    .await;
    let (before, now) = (pool.mint.cdk().keysets(), again.cdk().keysets());
    let ids = |keysets: cdk_common::KeysetResponse| -> Vec<String> {
        let keysets = keysets.keysets.into_iter();
        keysets.map(|keyset| keyset.id.to_string()).collect()
    };
    let (before, now) = (ids(before), ids(now));
    assert!(!now.iter().any(|id| before.contains(id)), "{now:?}");
}

/// Remembers the last mark, and can be made to fail.
#[derive(Debug, Default)]
pub(super) struct Memory {
    told: Mutex<Option<StoreMark>>,
    fails: AtomicBool,
}

impl Memory {
    /// The last mark.
    pub(super) fn last(&self) -> StoreMark {
        let told = self.told.lock().expect("no panics");
        told.expect("told")
    }
}

impl Witness for Memory {
    fn tell(&self, mark: StoreMark) -> io::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is full"));
        }
        let mut told = self.told.lock().expect("no panics");
        let is_late =
            told.is_some_and(|last| last.store == mark.store && last.counter >= mark.counter);
        if !is_late {
            *told = Some(mark);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_commit_is_told_before_its_answer() {
    let witness = Arc::new(Memory::default());
    let told = || witness.last();
    let given = Arc::clone(&witness);
    let pool = Pool::set(|config| config.witness = Some(given)).await;
    let stored = || {
        let marks = stored_marks(pool.dir.path())
            .expect("reads")
            .expect("there");
        (marks.mark.expect("marked"), marks.applied)
    };
    let owner = Owner::new();
    let opened = told();
    pool.paid(&owner, &[(1, 30)]).await;
    let paid = told();
    assert!(paid.store == opened.store && paid.counter > opened.counter);
    assert_eq!(stored(), (paid, Some(OutboxId::new(2))));
    pool.claim(&owner, false).await;
    assert!(told().counter > paid.counter, "an issue alone");
    assert_eq!(stored().0, told());

    // What cannot be told is not answered, and nothing more is written.
    witness.fails.store(true, Ordering::SeqCst);
    pool.ledger.pay(owner.quote(2), "two", 5);
    let mut worker = crate::worker::Worker::new(pool.mint.clone(), Arc::clone(&pool.ledger) as _);
    worker.step().await.expect_err("not told");
    let before = stored().0;
    worker.step().await.expect_err("not told");
    assert_eq!(stored().0, before);
    witness.fails.store(false, Ordering::SeqCst);
    pool.work().await;
    assert_eq!(
        (pool.ledger.waiting(), row_sums(&pool.mint).await.0),
        (0, 35)
    );
    assert_eq!(stored().0, told());

    // The next start is another state, whatever it does.
    pool.mint.close().await.expect("closes");
    let before = told();
    let given = Arc::clone(&witness);
    reopened(pool.dir.path(), &pool.url, |config| {
        config.witness = Some(given)
    })
    .await;
    assert!(told().counter > before.counter);
}

impl Pool {
    /// Another thousand for `owner`, by a mint of its own over the same store.
    async fn paid_later(&self, owner: &Owner) {
        let mint = reopened(self.dir.path(), &self.url, |_| {}).await;
        self.ledger.create(owner.quote(2));
        self.ledger.pay(owner.quote(2), "later", 1000);
        work(&mint, Arc::clone(&self.ledger) as _).await;
        mint.close().await.expect("closes");
    }
}
