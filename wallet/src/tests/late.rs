//! A swap that is on its way while its wallet ends, and arrives after the next one has begun.

use super::mint::{Options, TestMint};
use super::network::Fault;
use crate::OwnerKey;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_that_arrives_late_loses_nothing() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = OwnerKey::generate();
    mint.quote(&key, 100).await;
    let (home, purse) = mint.open(dir.path()).await;
    purse.sweep(&key, &mut |_| {}).await.unwrap();
    // 100 sat are 64, 32 and 4: a token of 41 needs a swap.
    mint.fault(Fault::Late);
    purse.send(41).await.expect_err("no answer comes");
    drop((home, purse));

    // The mint has done nothing yet, so the operation seems not to have happened.
    let (home, purse) = mint.open(dir.path()).await;
    purse.recover().await.unwrap();
    drop((home, purse));
    mint.fault(Fault::None);
    mint.deliver().await;

    // Proofs that the wallet believes to have are spent, and their sum is there in others.
    let (_home, purse) = mint.open(dir.path()).await;
    let token = purse.send(7).await.unwrap();
    assert_eq!(purse.balance_sat().await.unwrap(), 93);
    let (other, theirs) = (tempfile::tempdir().unwrap(), &mint);
    let (_other, heir) = theirs.open(other.path()).await;
    assert_eq!(heir.receive(&token, &[]).await.unwrap(), 7);
    let rest = purse.send(93).await.unwrap();
    assert_eq!(heir.receive(&rest, &[]).await.unwrap(), 93);
    purse.recover().await.unwrap();
    assert_eq!(purse.balance_sat().await.unwrap(), 0);
}
