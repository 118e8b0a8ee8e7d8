//! A store of the pool is gone, or an older copy is in its place: the start notices, says so,
//! and nobody gets anything twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{PoolProcess, stderr, stdout};
use pool::admin::{MintState, Reply, Request, RestoreRequest, RestoreStatus};
use pool::backup::Cause;
use simnet::chain::{Chain, SharedChain, serve};
use simnet::keys::SimKey;
use tokio_util::sync::CancellationToken;

use super::{Desk, Door};
use crate::earned::{Earned, earned};
use crate::world::{key, metric_reaches};

/// A pool whose first key has fetched its sats, and its owner's desk.
struct Paid {
    pool: PoolProcess,
    _ocean: simnet::pool::SimPoolHandle,
    door: Door,
    desk: Desk,
    files: Vec<String>,
    paid_sat: u64,
    first_sat: u64,
}

async fn paid() -> Paid {
    let keys: Vec<SimKey> = (1..=2).map(key).collect();
    let Earned {
        pool,
        ocean,
        paid_sat,
    } = earned(&keys, &[], 2, |_| {}).await;
    let door = Door::open(&pool).await;
    let desk = Desk::new(&door.url);
    let files: Vec<String> = keys.iter().map(|key| desk.keep(key)).collect();
    let swept = desk.swept("first", &files[0]);
    let first_sat = swept["received_sat"].as_u64().expect("sat");
    assert!(first_sat > 200, "{swept}");
    Paid {
        pool,
        _ocean: ocean,
        door,
        desk,
        files,
        paid_sat,
        first_sat,
    }
}

fn store(pool: &PoolProcess) -> PathBuf {
    pool.data_dir().join("mint/mint.sqlite")
}

/// Removes a store of SQLite's with its log.
fn remove_store(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let name = format!("{}{end}", path.display());
        let removed = fs::remove_file(name);
        assert!(removed.is_ok() || !end.is_empty());
    }
}

async fn restore_status(pool: &PoolProcess) -> RestoreStatus {
    let request = || Request::Restore(RestoreRequest::Look);
    pool.poll("what there is to accept", async |pool| {
        match pool.ask(request()).await {
            Reply::Restore(status) => {
                let claims = status.claims;
                claims
                    .is_some_and(|claims| claims.is_complete)
                    .then_some(*status)
            }
            other => panic!("{other:?}"),
        }
    })
    .await
}

/// What the pool says that it found, everywhere where it should.
async fn says(pool: &PoolProcess, cause: Cause) -> RestoreStatus {
    let status = restore_status(pool).await;
    assert_eq!(status.record.cause, cause);
    let said = stdout(&pool.command(&["status"]));
    assert!(said.contains(cause.in_words()), "{said}");
    assert!(said.contains("axepool restore status"), "{said}");
    let told = stdout(&pool.command(&["restore", "status"]));
    assert!(told.contains("NOT ACCEPTED"), "{told}");
    assert!(pool.log().contains(cause.in_words()), "an alarm");
    metric_reaches(pool, "axepool_restore_open", "", 1.0).await;
    status
}

/// Accepts what the pool says there is to accept.
async fn accept(pool: &PoolProcess) {
    let claims = restore_status(pool).await.claims.expect("a mint");
    let bound = claims.bound_sat.to_string();
    let accepted = pool.command(&["restore", "accept", "--bound", &bound]);
    assert!(accepted.status.success(), "{}", stderr(&accepted));
}

/// What several wallets have together that the mint honours.
fn spendable(desk: &Desk, wallets: &[&str]) -> u64 {
    for wallet in wallets {
        let mut left = desk.balance(wallet).0;
        while left > 0 {
            // A token of everything is longer than a command line may be.
            let part = left.min(500);
            let sent = desk.run(wallet, &["send", &part.to_string()]);
            if sent.status.success() {
                desk.run("heir", &["receive", stdout(&sent).trim()]);
            }
            left -= part;
        }
    }
    desk.balance("heir").0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_mint_store_pays_nothing_twice() {
    let mut paid = paid().await;
    let desk = &paid.desk;
    let sent = desk.run("first", &["send", "100"]);
    let token = stdout(&sent).trim().to_owned();
    let taken = desk.run("friend", &["receive", &token]);
    assert!(taken.status.success(), "{}", stderr(&taken));
    assert!(paid.pool.stop().await.success());
    remove_store(&store(&paid.pool));
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    paid.door.leads_to(&paid.pool).await;
    let status = says(&paid.pool, Cause::MintLost).await;
    let claims = status.claims.expect("a mint");
    assert_eq!(claims.bound_sat.get(), paid.paid_sat);

    // Neither the quotes nor the token a second time.
    let again = desk.run("thief", &["sweep", "--key", &paid.files[0]]);
    let said = format!("{}{}", stdout(&again), stderr(&again));
    assert!(said.contains("disabled"), "{said}");
    let stolen = desk.run("thief", &["receive", &token]);
    assert!(!stolen.status.success(), "{}", stdout(&stolen));

    // On the operator's word whoever comes first, and never more than was paid.
    accept(&paid.pool).await;
    for file in &paid.files {
        desk.run("thief", &["sweep", "--key", file]);
    }
    desk.run("thief", &["receive", &token]);
    let held = spendable(desk, &["first", "friend", "thief"]);
    assert!(held <= paid.paid_sat, "{held} of {}", paid.paid_sat);
    assert!(held > paid.first_sat, "somebody is served: {held}");
    assert!(!stdout(&paid.pool.command(&["status"])).contains("lost"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_mint_store_is_noticed_though_nothing_was_paid_since() {
    let mut paid = paid().await;
    assert!(paid.pool.stop().await.success());
    let copy = paid.pool.data_dir().join("older.sqlite");
    fs::copy(store(&paid.pool), &copy).expect("copies");
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    paid.door.leads_to(&paid.pool).await;
    paid.pool
        .poll("the mint to open", async |pool| {
            (pool.status().await.mint.state == MintState::Open).then_some(())
        })
        .await;
    // Since the copy ecash was spent, and nothing else happened.
    paid.desk.give("first", 100, "friend");
    paid.pool.kill();
    remove_store(&store(&paid.pool));
    fs::copy(&copy, store(&paid.pool)).expect("puts back");
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    let status = says(&paid.pool, Cause::MintOlder).await;
    // The books are whole: payments are booked as ever.
    assert!(status.record.earlier.is_none());
    // It waits until the operator's word, over every start, and then it is well.
    assert!(paid.pool.stop().await.success());
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    says(&paid.pool, Cause::MintOlder).await;
    accept(&paid.pool).await;
    assert!(paid.pool.stop().await.success());
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    let record = restore_status(&paid.pool).await.record;
    assert!(record.accepted.is_some());
    assert!(!stdout(&paid.pool.command(&["status"])).contains("older"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_ledger_is_noticed() {
    let mut paid = paid().await;
    assert!(paid.pool.stop().await.success());
    let ledger = paid.pool.data_dir().join("ledger.redb");
    let copy = ledger.with_extension("older");
    fs::copy(&ledger, &copy).expect("copies");
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    paid.pool.kill();
    fs::copy(&copy, &ledger).expect("puts back");
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    says(&paid.pool, Cause::LedgerOlder).await;
}

/// Shares since the last checkpoint are in it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_journal_is_noticed() {
    let mut paid = paid().await;
    paid.pool.kill();
    let journal = paid.pool.data_dir().join("ledger.redb.journal");
    let moved = paid.pool.data_dir().join("moved");
    fs::rename(&journal, &moved).expect("moves");
    // A command that looks at the store itself says what is to be done.
    let told = paid.pool.command(&["epochs"]);
    assert!(!told.status.success());
    let said = stderr(&told);
    assert!(said.contains("ledger.redb.journal is missing"), "{said}");
    // Put back, nothing is lost.
    fs::rename(&moved, &journal).expect("moves");
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    let told = stdout(&paid.pool.command(&["status"]));
    assert!(!told.contains("axepool restore status"), "{told}");
    paid.pool.kill();
    fs::remove_file(&journal).expect("removes");
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    says(&paid.pool, Cause::JournalLost).await;
}

/// A pool that waits for its operator already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_lost_while_the_pool_waits_is_told_as_well() {
    let mut paid = paid().await;
    assert!(paid.pool.stop().await.success());
    let ledger = paid.pool.data_dir().join("ledger.redb");
    fs::remove_file(&ledger).expect("removes");
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    says(&paid.pool, Cause::LedgerLost).await;
    paid.pool.kill();
    fs::remove_file(paid.pool.data_dir().join("ledger.redb.journal")).expect("removes");
    for _ in 0..2 {
        paid.pool.spawn().await;
        paid.pool.wait_ready().await;
        let status = says(&paid.pool, Cause::LedgerLost).await;
        assert_eq!(status.record.also, [Cause::JournalLost]);
        let words = Cause::JournalLost.in_words();
        let said = stdout(&paid.pool.command(&["status"]));
        assert!(said.contains(words), "{said}");
        let told = stdout(&paid.pool.command(&["restore", "status"]));
        let as_well = format!("found as well: {words}");
        assert!(told.contains(&as_well), "{told}");
        assert!(
            told.contains("shares of the last minutes are lost"),
            "{told}"
        );
        paid.pool.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ledger_pays_nothing_twice() {
    let mut paid = paid().await;
    let desk = &paid.desk;
    assert!(paid.pool.stop().await.success());
    fs::remove_file(paid.pool.data_dir().join("ledger.redb")).expect("removes");
    paid.pool.spawn().await;
    paid.pool.wait_ready().await;
    paid.door.leads_to(&paid.pool).await;
    says(&paid.pool, Cause::LedgerLost).await;
    let again = desk.run("thief", &["sweep", "--key", &paid.files[1]]);
    let said = format!("{}{}", stdout(&again), stderr(&again));
    assert!(said.contains("disabled"), "{said}");

    accept(&paid.pool).await;
    for file in &paid.files {
        desk.run("thief", &["sweep", "--key", file]);
    }
    let held = spendable(desk, &["first", "thief"]);
    assert!(held <= paid.paid_sat, "{held} of {}", paid.paid_sat);
    // The ecash that is out is honoured, and the quotes of the second key.
    assert!(held > paid.first_sat, "{held} of {}", paid.paid_sat);
}

/// Somebody copied the wrong pool's files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_pools_files_are_noticed() {
    let mut ours = paid().await;
    let mut theirs = earned(&[key(3)], &[], 1, |_| {}).await;
    assert!(theirs.pool.stop().await.success());
    assert!(ours.pool.stop().await.success());

    // A mint's store is of its own words, and does not open with others.
    let own = ours.pool.data_dir().join("own.sqlite");
    fs::copy(store(&ours.pool), &own).expect("copies");
    remove_store(&store(&ours.pool));
    fs::copy(store(&theirs.pool), store(&ours.pool)).expect("copies");
    ours.pool.spawn().await;
    ours.pool.wait_ready().await;
    let why = ours
        .pool
        .poll("why the mint does not open", async |pool| {
            pool.status().await.mint.failing
        })
        .await;
    assert!(why.contains("mnemonic"), "{why}");
    let told = stdout(&ours.pool.command(&["status"]));
    assert!(told.contains("mnemonic"), "{told}");
    assert!(!told.contains("axepool restore status"), "{told}");
    assert!(ours.pool.stop().await.success());
    remove_store(&store(&ours.pool));
    fs::copy(&own, store(&ours.pool)).expect("puts back");
    ours.pool.spawn().await;
    ours.pool.wait_ready().await;
    ours.pool
        .poll("the mint to open", async |pool| {
            (pool.status().await.mint.state == MintState::Open).then_some(())
        })
        .await;
    let told = stdout(&ours.pool.command(&["status"]));
    assert!(!told.contains("axepool restore status"), "{told}");
    assert!(ours.pool.stop().await.success());

    // A ledger has no words: it is known by what the others know of ours.
    let ledger = |pool: &PoolProcess| pool.data_dir().join("ledger.redb");
    fs::copy(ledger(&theirs.pool), ledger(&ours.pool)).expect("copies");
    ours.pool.spawn().await;
    ours.pool.wait_ready().await;
    ours.door.leads_to(&ours.pool).await;
    says(&ours.pool, Cause::LedgerOlder).await;
    let swept = ours.desk.run("thief", &["sweep", "--key", &ours.files[1]]);
    let said = format!("{}{}", stdout(&swept), stderr(&swept));
    assert!(said.contains("disabled"), "{said}");
    assert!(ours.pool.stop().await.success());
}

/// Payments on-chain up to the height of the operator's word are held for ever: it is the
/// height of the chain at that moment, or there is no word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_height_of_the_operators_word_is_the_chains_own() {
    let chain = SharedChain::new(Chain::grown(13, an_hour_ago()));
    let serving = CancellationToken::new();
    let at = serve(chain.clone(), serving.clone()).await.expect("serves");
    let keys: Vec<SimKey> = (1..=2).map(key).collect();
    let mut earned = earned(&keys, &[], 1, |setup| {
        setup.stratum.push_str(&format!(
            "[chain]\nurl = \"http://pool:password@{at}\"\n\
             [ocean]\nblocks = [\"chain\"]\n[expert.ocean]\nask_every_secs = 1\n"
        ));
    })
    .await;
    let pool = &mut earned.pool;
    assert!(pool.stop().await.success());
    let ledger = pool.data_dir().join("ledger.redb");
    let copy = ledger.with_extension("older");
    fs::copy(&ledger, &copy).expect("copies");
    pool.spawn().await;
    pool.wait_ready().await;
    pool.kill();
    fs::copy(&copy, &ledger).expect("puts back");
    pool.spawn().await;
    pool.wait_ready().await;
    let claims = says(pool, Cause::LedgerOlder).await.claims.expect("a mint");
    let bound = claims.bound_sat.to_string();
    let accept = ["restore", "accept", "--bound", &bound];
    let refused = |pool: &PoolProcess, said: &str| {
        let output = pool.command(&accept);
        assert!(!output.status.success(), "{}", stdout(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    };

    // As it was: height 13, or whatever the watch had read, was taken.
    chain.lock().pretend_to_sync(true);
    refused(pool, "still loading the chain");
    chain.lock().pretend_to_sync(false);
    chain.lock().mine_to_faucet(100, an_hour_ago());
    let accepted = pool
        .poll("the watch at the chain's end", async |pool| {
            let output = pool.command(&accept);
            let why = stderr(&output);
            assert!(
                output.status.success() || why.contains("try again"),
                "{why}"
            );
            output.status.success().then(|| stdout(&output))
        })
        .await;
    let height = chain.lock().height();
    let held = format!("up to block {height} wait");
    assert!(accepted.contains(&held), "{accepted}");
    let record = restore_status(pool).await.record;
    assert_eq!(record.accepted.expect("accepted").height, Some(height));
    refused(pool, "accepted before");
}

/// Each block is a second younger than the one before: none may be of the future.
fn an_hour_ago() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = u32::try_from(since.expect("after 1970").as_secs());
    now.expect("not so far") - 3600
}
