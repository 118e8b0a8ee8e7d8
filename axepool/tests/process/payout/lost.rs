//! What was melted stays melted, though the mint's store that knew of it is lost: the node's
//! journal of payments knows it, too.

use std::fs;

use pool::admin::{Reply, Request, RestoreRequest};

use crate::common::{axepool, stderr, stdout};
use crate::ocean::free_address;
use crate::payout::prepare::{Purse, earned, json, pool_and_ocean};
use crate::world::key;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_melted_is_not_fetched_again_after_a_loss() {
    // The wallet finds its mint again after the restart.
    let http = free_address();
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|setup| setup.http = http).await;
    let owner = key(1);
    let paid_sat = earned(&pool, &ocean, &offer, std::slice::from_ref(&owner)).await;
    let dir = tempfile::tempdir().expect("a directory");
    let purse = Purse::swept(&pool, &owner, dir.path()).await;
    let invoice = ocean.node.invoice(40_000_000).await.expect("an invoice");
    purse.pays(&[&invoice]);
    let left = purse.spendable();
    let melted = paid_sat - left;
    assert!((40_000..40_500).contains(&melted), "{melted}");

    assert!(pool.stop().await.success(), "{}", pool.log());
    for end in ["", "-wal", "-shm"] {
        let store = pool.data_dir().join(format!("mint/mint.sqlite{end}"));
        let removed = fs::remove_file(store);
        assert!(removed.is_ok() || !end.is_empty());
    }
    pool.spawn().await;
    pool.wait_ready().await;
    let look = || Request::Restore(RestoreRequest::Look);
    let claims = pool
        .poll("a bound that grows no more", async |pool| {
            match pool.ask(look()).await {
                Reply::Restore(status) => status.claims.filter(|claims| claims.is_complete),
                other => panic!("{other:?}"),
            }
        })
        .await;
    assert_eq!(claims.bound_sat.get(), paid_sat);
    assert_eq!(claims.claimed_sat.get(), melted);
    let told = stdout(&pool.command(&["restore", "status"]));
    assert!(told.contains("melted since"), "{told}");
    // What is owed is what is there: the loss is no breach.
    let owed = pool
        .poll("what is owed", async |pool| {
            let solvency = json(pool, "/api/solvency").await;
            let owed = &solvency["liabilities"];
            let sum = owed["outstanding_sat"].as_u64()? + owed["paid_unissued_sat"].as_u64()?;
            (owed["unapplied_sat"] == 0).then_some(sum)
        })
        .await;
    assert_eq!(owed, left);

    let bound = claims.bound_sat.to_string();
    let accepted = pool.command(&["restore", "accept", "--bound", &bound]);
    assert!(accepted.status.success(), "{}", stderr(&accepted));
    // The quotes have what was melted, too: that is not there a second time.
    let mint = format!("http://{http}");
    let thief = dir.path().join("thief").display().to_string();
    let file = dir.path().join(format!("{}.key", &owner.hex[..8]));
    let file = file.display().to_string();
    let args = ["sweep", "--mint", &mint, "--key", &file, "--wallet", &thief];
    let again = axepool(&args, dir.path());
    let said = format!("{}{}", stdout(&again), stderr(&again));
    assert!(said.contains("are there in all"), "{said}");
    let sent = purse.run(&["send", "1000"]);
    let token = stdout(&sent).trim().to_owned();
    let args = ["wallet", "--wallet", &thief, "receive", &token];
    let taken = axepool(&args, dir.path());
    assert!(taken.status.success(), "{}", stderr(&taken));
    let ended = pool.stop().await;
    assert!(ended.success(), "{ended}; {}", pool.log());
    ocean.end().await;
}
