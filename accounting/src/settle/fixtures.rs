//! Miners, blocks and payments for tests, each made from a number. The ledger's tests
//! compile this file too.

use bitcoin::hashes::{Hash, sha256};
use bitcoin::{BlockHash, OutPoint, Txid};

use accounting::settle::{Block, PaidTo, Payment, PayoutKey, Preimage, Via};
use accounting::{EpochTerms, MinerId, Msat, Split};

/// The n-th miner; their keys are in the order of their numbers.
pub(crate) fn miner(n: usize) -> MinerId {
    let mut key = [0; 32];
    // Half of all numbers are the x of a point: one of 64 in a row surely is.
    let at = (n as u64 + 1) * 64;
    (at..at + 64)
        .find_map(|x| {
            key[24..].copy_from_slice(&x.to_be_bytes());
            MinerId::from_x_only_bytes(key)
        })
        .unwrap()
}

pub(crate) fn hash(height: u32) -> BlockHash {
    BlockHash::hash(&height.to_le_bytes())
}

pub(crate) fn block(height: u32) -> Block {
    Block {
        hash: hash(height),
        height,
    }
}

pub(crate) fn preimage(n: u32) -> Preimage {
    Preimage(sha256::Hash::hash(&n.to_le_bytes()).to_byte_array())
}

pub(crate) fn lightning(n: u32) -> PayoutKey {
    PayoutKey::Lightning(sha256::Hash::hash(&preimage(n).0))
}

pub(crate) fn output(n: u32) -> OutPoint {
    OutPoint {
        txid: Txid::hash(&n.to_le_bytes()),
        vout: n,
    }
}

/// OCEAN's note.
pub(crate) fn note(block: BlockHash, height: u32) -> Option<String> {
    Some(format!(
        "OCEAN lightning payout running at block `{block}` at height `{height}`"
    ))
}

pub(crate) fn payment(n: u32, amount: u64, note: Option<String>) -> Payment {
    let PayoutKey::Lightning(payment_hash) = lightning(n) else {
        unreachable!("made above")
    };
    let preimage = Some(preimage(n));
    let via = Via::Lightning {
        payment_hash,
        preimage,
        paid_to: PaidTo::OceanOffer,
        note,
        tip_height: None,
    };
    Payment {
        amount: Msat::new(amount),
        received_ms: 0,
        via,
    }
}

pub(crate) fn at_tip(mut payment: Payment, tip: u32) -> Payment {
    if let Via::Lightning { tip_height, .. } = &mut payment.via {
        *tip_height = Some(tip);
    }
    payment
}

pub(crate) fn on_chain(n: u32, amount: u64, from_ocean: bool, appeared_height: u32) -> Payment {
    let via = Via::OnChain {
        output: output(n),
        coinbase: false,
        from_ocean,
        appeared_height,
        confirmations: 6,
    };
    Payment {
        amount: Msat::new(amount),
        received_ms: 0,
        via,
    }
}

pub(crate) fn terms(fee_bps: u16, split: Split) -> EpochTerms {
    EpochTerms {
        fee_bps,
        split,
        ..EpochTerms::default()
    }
}
