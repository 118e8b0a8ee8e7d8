//! A backup of a running pool, life after it, the loss, the restore: what was spent and
//! issued after the backup is tried again, before the operator's word and after it.

use std::fs;
use std::path::Path;

use crate::common::{PoolProcess, axepool, stderr, stdout};
use accounting::Sat;
use pool::admin::{Reply, Request, RestoreRequest, RestoreStatus};
use serde_json::Value;
use simnet::keys::SimKey;

use super::{Desk, Door};
use crate::earned::{Earned, earned};
use crate::world::{agrees, bitaxe, earns, key};

#[track_caller]
fn succeeded(pool: &PoolProcess, arguments: &[&str]) -> String {
    let output = pool.command(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[track_caller]
fn refused(pool: &PoolProcess, arguments: &[&str], said: &str) {
    let output = pool.command(arguments);
    assert!(!output.status.success(), "{}", stdout(&output));
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
}

async fn restore_status(pool: &PoolProcess) -> RestoreStatus {
    match pool.ask(Request::Restore(RestoreRequest::Look)).await {
        Reply::Restore(status) => *status,
        other => panic!("{other:?}"),
    }
}

/// What the mint owes for ecash and quotes.
async fn owes(pool: &PoolProcess) -> u64 {
    pool.poll("what the mint owes", async |pool| {
        let mint = pool.status().await.mint;
        Some(mint.outstanding_sat?.get() + mint.paid_unissued_sat?.get())
    })
    .await
}

/// A token of a wallet, as text.
#[track_caller]
fn token(desk: &Desk, wallet: &str, sat: u64) -> String {
    let sent = desk.run(wallet, &["send", &sat.to_string()]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    stdout(&sent).trim().to_owned()
}

/// What a wallet that knows nothing of before gets for a token.
fn take(desk: &Desk, wallet: &str, token: &str) -> Result<u64, String> {
    let received = desk.run(wallet, &["receive", token]);
    if received.status.success() {
        Ok(desk.balance(wallet).0)
    } else {
        Err(stderr(&received))
    }
}

/// The data directory is lost; another one is made of the backup in its place.
async fn lose_and_restore(pool: &mut PoolProcess, backup: &Path) {
    pool.kill();
    let (data, lost) = (pool.data_dir(), pool.data_dir().with_extension("lost"));
    fs::rename(&data, lost).expect("rename");
    let (from, to) = (backup.display().to_string(), data.display().to_string());
    let restore = || axepool(&["restore", &from, "--data-dir", &to], backup);
    let output = restore();
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("axepool restore accept"), "{said}");
    assert!(said.contains("the lightning node's channels"), "{said}");
    let again = stderr(&restore());
    assert!(again.contains("is not empty"), "{again}");
    pool.spawn().await;
    pool.wait_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_gives_nothing_twice_beyond_the_accepted_bound() {
    let keys: Vec<SimKey> = (1..=3).map(key).collect();
    let Earned {
        mut pool,
        ocean: _ocean,
        paid_sat,
    } = earned(&keys, &[], 3, |_| {}).await;
    let door = Door::open(&pool).await;
    let desk = Desk::new(&door.url);
    let files: Vec<String> = keys.iter().map(|key| desk.keep(key)).collect();
    let sat = |swept: &Value| swept["received_sat"].as_u64().expect("sat");
    let early_sat = sat(&desk.swept("early", &files[0]));

    // The backup: the first key's sats are out, the others' are not issued.
    let place = tempfile::tempdir().expect("a directory");
    let backup = place.path().join("backup");
    let shown = backup.display().to_string();
    let said = succeeded(&pool, &["backup", &shown, "--with-secrets"]);
    assert!(said.contains("whoever reads"), "{said}");
    assert!(said.contains("channels"), "{said}");
    refused(&pool, &["backup", &shown], "is not empty");
    assert!(pool.status().await.backup_ms.is_some());
    let manifest = fs::read(backup.join("manifest.json")).expect("reads");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["network"], "regtest", "{manifest}");

    // What it does not know: 100 sat spent, the second key's issued.
    let spent = token(&desk, "early", 100);
    assert_eq!(take(&desk, "friend", &spent).expect("valid"), 100);
    let second_sat = sat(&desk.swept("late", &files[1]));
    assert!(second_sat > 0);

    lose_and_restore(&mut pool, &backup).await;
    door.leads_to(&pool).await;
    // Miners come first, as ever.
    let axe = bitaxe(pool.stratum().await, &keys[2], |_| {});
    earns(&axe, 3).await;
    axe.stop().await;
    nothing_before_the_word(&pool, &desk, &spent, &files[1], paid_sat).await;

    refused(
        &pool,
        &["restore", "accept", "--bound", "1"],
        "the bound is",
    );
    let bound = restore_status(&pool).await.claims.expect("open").bound_sat;
    assert_eq!(bound, Sat::new(paid_sat));
    succeeded(&pool, &["restore", "accept", "--bound", &bound.to_string()]);
    refused(
        &pool,
        &["restore", "accept", "--bound", "1"],
        "accepted before",
    );

    // Whoever comes first: the spent ecash, the issued quotes, the friend's own.
    assert_eq!(take(&desk, "thief", &spent).expect("honoured"), 100);
    assert_eq!(sat(&desk.swept("again", &files[1])), second_sat);
    let friends = token(&desk, "friend", 100);
    assert_eq!(take(&desk, "friend-new", &friends).expect("honoured"), 100);
    let claimed = restore_status(&pool)
        .await
        .claims
        .expect("open")
        .claimed_sat;
    assert_eq!(claimed, Sat::new(200 + second_sat));
    // The rest of the first key's, and then the second's again: beyond the bound.
    let rest = token(&desk, "early", early_sat - 100);
    let seconds = token(&desk, "late", second_sat);
    let results = [("early-new", &rest), ("late-new", &seconds)]
        .map(|(wallet, token)| take(&desk, wallet, token));
    let too_much = results.iter().find_map(|result| result.as_ref().err());
    let too_much = too_much.expect("not all of it fits");
    assert!(too_much.contains("are there in all"), "{too_much}");
    let claims = restore_status(&pool).await.claims.expect("open");
    assert!(claims.claimed_sat <= bound, "{claims:?}");
    assert_eq!(
        owes(&pool).await,
        paid_sat,
        "not a satoshi more than before"
    );

    // It stays open, and its books stay right.
    assert!(pool.stop().await.success(), "{}", pool.log());
    pool.spawn().await;
    pool.wait_ready().await;
    assert_eq!(
        restore_status(&pool)
            .await
            .record
            .accepted
            .map(|word| word.bound_sat),
        Some(Some(bound))
    );
    let other = key(9);
    let axe = bitaxe(pool.stratum().await, &other, |_| {});
    earns(&axe, 3).await;
    agrees(&pool, &axe, &other).await;
}

/// Before the operator's word nothing is spent or issued a second time, nor a first.
async fn nothing_before_the_word(
    pool: &PoolProcess,
    desk: &Desk,
    spent: &str,
    issued: &str,
    paid_sat: u64,
) {
    let said = stdout(&pool.command(&["restore", "status"]));
    assert!(said.contains("NOT ACCEPTED"), "{said}");
    // Until the mint is open it says something else.
    pool.poll("the mint's refusal", async |_| {
        let refusal = take(desk, "too-early", spent).expect_err("closed");
        refusal.contains("disabled").then_some(())
    })
    .await;
    let swept = desk.run("too-early", &["sweep", "--key", issued]);
    let said = format!("{}{}", stdout(&swept), stderr(&swept));
    assert!(said.contains("disabled"), "{said}");
    assert_eq!(owes(pool).await, paid_sat);
    let status = stdout(&pool.command(&["status"]));
    assert!(status.contains("restored from a backup"), "{status}");
}
