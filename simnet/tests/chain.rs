//! The simulated OCEAN on the regtest chain: what its miners find are real blocks.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod common;

use bitcoin::Amount;
use common::{EASY, PATIENCE, bitaxe};
use simnet::chain::{Chain, ChainSource, SharedChain};
use simnet::pool::{SimPool, SimPoolOptions};

const NOW: u32 = 1_790_000_000;

#[tokio::test]
async fn blocks_of_the_pool_stand_on_the_chain_with_its_tag() {
    let mut chain = Chain::with_faucet(NOW);
    let before = chain.height();
    // A payment with a witness waits, so that the commitment matters.
    let to = bitcoin::Address::from_script(
        chain.block(1).unwrap().txdata[0].output[0]
            .script_pubkey
            .as_script(),
        bitcoin::Network::Regtest,
    )
    .unwrap();
    let payment = chain.faucet(&to, Amount::from_sat(12_345), NOW).unwrap();
    let chain = SharedChain::new(chain);
    let options = SimPoolOptions {
        // Regtest asks for less than any share of it: each share is a block.
        difficulty: EASY,
        ..SimPoolOptions::default()
    };
    let tag = options.tag.clone();
    let pool = SimPool::start_on(options, ChainSource::new(chain.clone()))
        .await
        .unwrap();
    let axe = bitaxe(&pool, |_| {});
    pool.wait_for(|books| books.blocks.len() >= 3, PATIENCE)
        .await
        .unwrap();
    axe.drain(PATIENCE).await.unwrap();

    let found = pool.books().blocks;
    let chain = chain.lock();
    let tagged = chain.tagged(tag.as_bytes());
    assert_eq!(tagged[..3], [before + 1, before + 2, before + 3]);
    for (block, height) in found.iter().zip(&tagged) {
        let placed = chain.block(*height).unwrap();
        assert_eq!(*AsRef::<[u8; 32]>::as_ref(&placed.block_hash()), block.hash);
        assert_eq!(placed.bip34_block_height(), Ok(u64::from(*height)));
        assert!(placed.check_merkle_root() && placed.check_witness_commitment());
    }
    // Found by the first block that was not empty.
    assert!(chain.mempool().is_empty());
    let confirmed = tagged.iter().any(|height| {
        let block = chain.block(*height).unwrap();
        block.txdata.iter().any(|tx| tx.compute_txid() == payment)
    });
    assert!(confirmed);
}
