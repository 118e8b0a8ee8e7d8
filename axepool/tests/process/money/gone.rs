//! A payout on-chain that a reorganisation took out of the chain after it was booked: the
//! miners keep theirs, and the operator books it out.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, WPubkeyHash,
    Witness,
};
use simnet::chain::{Chain, SharedChain, serve};
use tokio_util::sync::CancellationToken;

use crate::common::{ADDRESS, PoolProcess, stderr, stdout};
use crate::money::withdraw::status;
use crate::ocean::now_secs;
use crate::payout::listed::List;
use crate::payout::prepare::{closed_by, mine_some, paid_sat};
use crate::world::{self, key, metric_reaches};

/// What OCEAN paid.
const PAID_SAT: u64 = 1_048_576;

/// What it paid with, and what was left of that in the books of the network.
const COIN_SAT: u64 = 2_000_000;

/// OCEAN's own address.
fn oceans() -> Address {
    let script = ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([9; 20]));
    Address::from_script(&script, Network::Regtest).expect("an address")
}

/// The chain of these tests asks for no signature.
fn spends(coin: OutPoint, to: ScriptBuf, sat: u64) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: coin,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::from_sat(sat),
            script_pubkey: to,
        }],
    }
}

/// OCEAN has a coin in a block.
fn coin(chain: &SharedChain) -> OutPoint {
    let mut chain = chain.lock();
    let amount = Amount::from_sat(COIN_SAT);
    let txid = chain.faucet(&oceans(), amount, now_secs()).expect("a coin");
    chain.mine_to_faucet(1, now_secs());
    let block = chain.block(chain.height()).expect("the tip");
    let mut all = block.txdata.iter();
    let transaction = all.find(|one| one.compute_txid() == txid).expect("in it");
    let script = oceans().script_pubkey();
    let mut outputs = (0..).zip(&transaction.output);
    let found = outputs.find(|(_, output)| output.script_pubkey == script);
    OutPoint::new(txid, found.expect("its output").0)
}

async fn tells(pool: &PoolProcess, expected: bool) {
    pool.poll("the status", async |pool| {
        let said = stdout(&pool.command(&["status"]));
        (said.contains("in no block any more") == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payout_that_the_chain_lost_is_booked_out_once() {
    let chain = SharedChain::new(Chain::with_faucet(now_secs()));
    let serving = CancellationToken::new();
    let at = serve(chain.clone(), serving.clone()).await.expect("serves");
    let list = List::serve().await;
    let stratum = world::ocean(|_| {}).await;
    let sections = format!(
        "[chain]\nurl = \"http://pool:pool@{at}\"\n[ocean]\n{}[expert.ocean]\nask_every_secs = 1\n[expert.mint]\nquote_min_work = 0\n",
        list.config()
    );
    let mut pool = world::pool(&stratum, |setup| setup.stratum.push_str(&sections)).await;
    let coin = coin(&chain);
    let grow = |count| chain.lock().mine_to_faucet(count, now_secs());
    mine_some(&pool, &[key(1)]).await;
    let (hash, height) = {
        let mut chain = chain.lock();
        let hash = chain.mine_tagged(b"< OCEAN.XYZ >".into(), now_secs());
        (hash, chain.height())
    };
    list.says(height, hash);
    grow(2);
    closed_by(&pool, height).await;

    // Thirty blocks later OCEAN pays, and it is booked with its sixth confirmation.
    grow(30);
    let to: Address<_> = ADDRESS.parse().expect("an address");
    let paying = spends(coin, to.assume_checked().script_pubkey(), PAID_SAT);
    let paid = chain
        .lock()
        .accept(paying, now_secs())
        .expect("it is valid");
    list.pays(paid, PAID_SAT);
    grow(7);
    let had = paid_sat(&pool).await;
    assert!(had <= PAID_SAT && had > PAID_SAT - 10, "{had}");
    let payout = format!("{paid}:0");
    let book_out = ["payouts", "book-out", &payout];
    let early = pool.command(&book_out);
    assert!(!early.status.success(), "{}", stdout(&early));
    assert!(stderr(&early).contains("the chain has payout"), "{early:?}");

    // Another chain, on which OCEAN's coin went elsewhere.
    {
        let mut chain = chain.lock();
        chain.orphan(7, now_secs());
        let other = spends(coin, oceans().script_pubkey(), PAID_SAT / 2);
        chain.accept(other, now_secs()).expect("it pays more");
    }
    grow(16);
    tells(&pool, true).await;
    metric_reaches(&pool, "axepool_payouts_gone", "", 1.0).await;
    let alarm = "a reorganisation removed a booked payment";
    assert!(pool.log().contains(alarm), "an alarm");
    let nobody = pool.command(&["payouts", "book-out", &format!("{}:7", coin.txid)]);
    assert!(stderr(&nobody).contains("there is no payout"), "{nobody:?}");

    let costs = || status(&pool, None).node_costs_msat;
    assert_eq!(costs(), 0);
    for _ in 0..2 {
        let booked = pool.command(&book_out);
        assert!(booked.status.success(), "{}", stderr(&booked));
        assert_eq!(costs(), u128::from(PAID_SAT) * 1000, "once");
    }
    tells(&pool, false).await;
    assert_eq!(paid_sat(&pool).await, had, "the miners keep theirs");
    assert!(pool.stop().await.success(), "{}", pool.log());
    pool.spawn().await;
    pool.wait_ready().await;
    let again = pool.command(&book_out);
    let said = format!("{}{}", stdout(&again), stderr(&again));
    let costs = status(&pool, None).node_costs_msat;
    assert_eq!(costs, u128::from(PAID_SAT) * 1000, "{said}");
    tells(&pool, false).await;
    assert!(pool.stop().await.success());
    serving.cancel();
}
