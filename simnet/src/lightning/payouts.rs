//! OCEAN's payouts, as it was seen to make them.

use anyhow::{Context as _, Result};
use bitcoin::BlockHash;

use super::node::{OceanNode, Sent};
use crate::chain::SharedChain;

/// Which block the note names: nobody outside knows which of both it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteNames {
    /// The block that OCEAN found.
    Found,
    /// The chain's tip when the payout began.
    Tip,
}

/// OCEAN's note for a block.
pub fn note(hash: BlockHash, height: u32) -> String {
    format!("OCEAN lightning payout running at block `{hash}` at height `{height}`")
}

/// Pays `amount_msat` for the block at `found_height` to `offer`, with OCEAN's note.
///
/// # Errors
/// If the chain has no such block, or the payment fails.
pub async fn payout(
    node: &OceanNode,
    chain: &SharedChain,
    offer: &str,
    found_height: u32,
    amount_msat: u64,
    names: NoteNames,
) -> Result<Sent> {
    let note = {
        let chain = chain.lock();
        let height = match names {
            NoteNames::Found => found_height,
            NoteNames::Tip => chain.height(),
        };
        let block = chain.block(height);
        let block = block.with_context(|| format!("the chain has no block {height}"))?;
        note(block.block_hash(), height)
    };
    node.pay_offer(offer, amount_msat, Some(note)).await
}
