//! The outputs that are unspent.

use std::collections::BTreeMap;

use bitcoin::{Block, OutPoint, ScriptBuf, TxOut};

use super::{COINBASE_MATURITY, ChainError};

/// An unspent output.
#[derive(Clone, Debug)]
pub(super) struct Coin {
    pub(super) output: TxOut,
    pub(super) height: u32,
    pub(super) coinbase: bool,
}

impl Coin {
    /// True when a block at `height` may spend it.
    pub(super) fn is_mature(&self, height: u32) -> bool {
        !self.coinbase || self.height + COINBASE_MATURITY <= height
    }
}

/// All of them, in an order that a seed can repeat.
#[derive(Clone, Debug, Default)]
pub(super) struct Coins(BTreeMap<OutPoint, Coin>);

impl Coins {
    pub(super) fn get(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.0.get(outpoint)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&OutPoint, &Coin)> {
        self.0.iter()
    }

    pub(super) fn of_script(&self, script: &ScriptBuf) -> impl Iterator<Item = (&OutPoint, &Coin)> {
        self.0
            .iter()
            .filter(move |(_, coin)| coin.output.script_pubkey == *script)
    }

    /// Spends and makes what the block's transactions do: all of it or, if one input is
    /// missing, nothing.
    pub(super) fn connect(&mut self, block: &Block, height: u32) -> Result<(), ChainError> {
        let mut after = self.clone();
        for (index, transaction) in block.txdata.iter().enumerate() {
            let coinbase = index == 0;
            for input in transaction.input.iter().filter(|_| !coinbase) {
                after
                    .0
                    .remove(&input.previous_output)
                    .ok_or(ChainError::MissingOrSpent)?;
            }
            let id = transaction.compute_txid();
            for (vout, output) in (0..).zip(&transaction.output) {
                if !output.script_pubkey.is_op_return() {
                    let coin = Coin {
                        output: output.clone(),
                        height,
                        coinbase,
                    };
                    after.0.insert(OutPoint::new(id, vout), coin);
                }
            }
        }
        *self = after;
        Ok(())
    }
}
