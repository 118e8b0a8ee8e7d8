//! Reading the chain into a [`Watch`] and [`Deposits`], block by block, over
//! reorganisations.

use accounting::settle::Block;
use bitcoin::block::Header;
use bitcoin::{Address, Block as FullBlock, Network, ScriptBuf};

use super::deposits::Deposits;
use super::watch::{REMEMBERED, Watch};
use crate::chain::{ChainClient, ChainError};

/// The most blocks that are read in one go, so that the rest of a round is not kept
/// waiting for days of blocks.
const AT_ONCE: u32 = 50;

/// What is looked for in blocks.
#[derive(Clone, Debug)]
pub(super) struct Sought {
    /// OCEAN's tag.
    pub(super) tag: Vec<u8>,
    /// The payout address's script.
    pub(super) payouts_to: ScriptBuf,
    /// What a block must have cost.
    pub(super) proof: Proof,
}

/// What a block must have cost to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing: a chain of one's own.
    None,
    /// The work that its header names (test networks have blocks of little work).
    Own,
    /// That, and no less than [`LEAST_DIFFICULTY`].
    Bitcoin,
}

/// Blocks of Bitcoin's main network are some hundred times as hard (2026). What a source
/// invents costs at least as much as this.
const LEAST_DIFFICULTY: u128 = 1_000_000_000_000;

impl Proof {
    /// That of the network of the payout address.
    pub(super) fn of(address: &Address, are_own_chains: bool) -> Proof {
        let address = address.as_unchecked();
        match address.is_valid_for_network(Network::Bitcoin) {
            _ if are_own_chains => Proof::None,
            true => Proof::Bitcoin,
            false => Proof::Own,
        }
    }

    fn is_in(self, header: &Header) -> bool {
        let target = header.target();
        let is_met = header.validate_pow(target).is_ok();
        match self {
            Proof::None => true,
            Proof::Own => is_met,
            Proof::Bitcoin => is_met && target.difficulty(Network::Bitcoin) >= LEAST_DIFFICULTY,
        }
    }
}

/// Reads what is new. Returns true when there is more to read at once.
pub(super) async fn follow(
    watch: &mut Watch,
    deposits: &mut Deposits,
    chain: &ChainClient,
    sought: &Sought,
) -> Result<bool, ChainError> {
    let info = chain.info().await?;
    info.is_loaded()?;
    back_to_common(watch, chain).await?;
    let first = watch.next_height();
    let last = info.height.min(first.saturating_add(AT_ONCE));
    for height in first..=last {
        let Some(hash) = chain.hash_at(height).await? else {
            break;
        };
        let block = chain.block(&hash).await?;
        if !sought.proof.is_in(&block.header) {
            let why = format!("block {hash} at height {height} lacks the work of a block");
            return Err(ChainError::Nonsense(why));
        }
        let below = height.checked_sub(1).and_then(|below| watch.at(below));
        if below.is_some_and(|below| below != block.header.prev_blockhash) {
            // It was reorganised while we read: the next round finds where.
            watch.chain_lost(height.saturating_sub(1));
            return Ok(true);
        }
        let (here, is_tagged) = (Block { hash, height }, has_tag(&block, &sought.tag));
        watch.chain_has(here, is_tagged);
        deposits.chain_has(&block, here, is_tagged, &sought.payouts_to);
        deposits.forget(height);
    }
    Ok(last < info.height)
}

/// Forgets the remembered blocks that are not the chain's any more.
async fn back_to_common(watch: &mut Watch, chain: &ChainClient) -> Result<(), ChainError> {
    for _ in 0..=REMEMBERED {
        let Some(tip) = watch.tip() else { break };
        if chain.hash_at(tip.height).await? == Some(tip.hash) {
            break;
        }
        tracing::warn!(height = tip.height, hash = %tip.hash, "a block is no longer in the chain");
        watch.chain_lost(tip.height);
    }
    Ok(())
}

/// True when the coinbase's scriptSig carries `tag`.
pub(super) fn has_tag(block: &FullBlock, tag: &[u8]) -> bool {
    let script = block
        .txdata
        .first()
        .and_then(|coinbase| coinbase.input.first())
        .map(|input| input.script_sig.as_bytes());
    let carries = |bytes: &[u8]| bytes.windows(tag.len()).any(|window| window == tag);
    !tag.is_empty() && script.is_some_and(carries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::constants::genesis_block;

    #[track_caller]
    fn case(script: &[u8], tag: &[u8], expected: bool) {
        let mut block = genesis_block(bitcoin::Network::Regtest);
        block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(script.to_vec());
        assert_eq!(has_tag(&block, tag), expected, "{script:?}");
    }

    #[test]
    fn a_block_has_the_work_that_its_network_asks_for() {
        let easy = genesis_block(Network::Bitcoin).header;
        let mut unmet = easy;
        unmet.nonce = unmet.nonce.wrapping_add(1);
        let case = |proof: Proof| (proof.is_in(&easy), proof.is_in(&unmet));
        assert_eq!(case(Proof::None), (true, true));
        assert_eq!(case(Proof::Own), (true, false));
        assert_eq!(case(Proof::Bitcoin), (false, false));
    }

    #[test]
    fn the_tag_is_anywhere_in_the_coinbases_script() {
        case(b"\x03abc< OCEAN.XYZ >\x00miner", b"OCEAN.XYZ", true);
        case(b"OCEAN.XYZ", b"OCEAN.XYZ", true);
        case(b"OCEAN.XY", b"OCEAN.XYZ", false);
        case(b"", b"OCEAN.XYZ", false);
        case(b"anything", b"", false);
    }
}
