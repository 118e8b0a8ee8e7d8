//! Payments to the payout address on-chain, which OCEAN makes when lightning does not
//! work. Pure: blocks in, payments out.

use std::collections::BTreeSet;

use accounting::Sat;
use accounting::settle::{Block, Payment, Via};
use bitcoin::{Block as FullBlock, BlockHash, OutPoint, Script, Txid};
use serde::{Deserialize, Serialize};

use super::watch::Watch;

/// Confirmations until a payment is told to the books (they ask for as many themselves).
const CONFIRMATIONS: u32 = 6;

/// The same for a coinbase, which cannot be spent before (consensus).
const COINBASE_CONFIRMATIONS: u32 = 100;

/// How long a payment that nobody explains waits for OCEAN's API: a day of blocks.
const EXPLAINED_WITHIN: u32 = 144;

/// How long a told payment is remembered, since the API may explain it later: two weeks,
/// as far as we ask it back.
const REMEMBERED: u32 = 2016;

/// Outputs to the payout address, until nothing more can be said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposits {
    outputs: Vec<Deposit>,
    /// Transactions that OCEAN's API lists as payouts.
    listed: BTreeSet<Txid>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Deposit {
    output: OutPoint,
    amount_sat: u64,
    is_coinbase: bool,
    /// A coinbase with OCEAN's tag.
    is_tagged: bool,
    height: u32,
    block: BlockHash,
    /// What the books were told: nothing yet, or whether OCEAN made it.
    told_from_ocean: Option<bool>,
}

/// Money that is in the books and in no block any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The output that paid.
    pub output: OutPoint,
    /// What it had.
    pub amount: Sat,
}

impl Deposits {
    /// A block of our chain. An output that moved into another block is the same payment.
    pub fn chain_has(&mut self, full: &FullBlock, block: Block, is_tagged: bool, to: &Script) {
        for (index, transaction) in full.txdata.iter().enumerate() {
            let ours = |output: &&bitcoin::TxOut| output.script_pubkey.as_script() == to;
            if !transaction.output.iter().any(|output| ours(&output)) {
                continue;
            }
            let txid = transaction.compute_txid();
            for (vout, output) in (0_u32..).zip(&transaction.output) {
                if output.script_pubkey.as_script() != to {
                    continue;
                }
                let output_point = OutPoint { txid, vout };
                let told = self
                    .take(&output_point)
                    .and_then(|known| known.told_from_ocean);
                self.outputs.push(Deposit {
                    output: output_point,
                    amount_sat: output.value.to_sat(),
                    is_coinbase: index == 0,
                    is_tagged: index == 0 && is_tagged,
                    height: block.height,
                    block: block.hash,
                    told_from_ocean: told,
                });
            }
        }
    }

    /// The API's list of payouts on-chain.
    pub fn api_lists(&mut self, payouts: impl IntoIterator<Item = Txid>) {
        self.listed = payouts.into_iter().collect();
    }

    /// The next payment to tell; told, it is acknowledged with [`Self::was_told`]. One
    /// that neither the API nor a tag explains waits while the API may still do so.
    pub fn next(&self, watch: &Watch, now_ms: u64) -> Option<Payment> {
        let tip = watch.tip()?.height;
        let due = |deposit: &&Deposit| {
            if watch.at(deposit.height) != Some(deposit.block) {
                return false;
            }
            let confirmations = confirmations(deposit, tip);
            let needed = if deposit.is_coinbase {
                COINBASE_CONFIRMATIONS
            } else {
                CONFIRMATIONS
            };
            if confirmations < needed {
                return false;
            }
            let explained = self.is_from_ocean(deposit);
            match deposit.told_from_ocean {
                None => explained || !watch.may_still_explain(deposit.height, EXPLAINED_WITHIN),
                Some(before) => explained && !before,
            }
        };
        let deposit = self.outputs.iter().find(due)?;
        Some(Payment {
            // No output is above all the coins there will ever be (consensus).
            amount: Sat::new(deposit.amount_sat).to_msat()?,
            received_ms: now_ms,
            via: Via::OnChain {
                output: deposit.output,
                coinbase: deposit.is_coinbase,
                from_ocean: self.is_from_ocean(deposit),
                appeared_height: deposit.height,
                confirmations: confirmations(deposit, tip),
            },
        })
    }

    /// The books have it.
    pub fn was_told(&mut self, payment: &Payment) {
        let Via::OnChain {
            output, from_ocean, ..
        } = &payment.via
        else {
            return;
        };
        for deposit in self.outputs.iter_mut().filter(|one| one.output == *output) {
            deposit.told_from_ocean = Some(*from_ocean);
        }
    }

    /// What the books have and the chain has no more: another block has stood in its
    /// block's place for [`CONFIRMATIONS`] blocks, and none since then has it.
    pub fn gone(&self, watch: &Watch) -> Vec<Gone> {
        let Some(tip) = watch.tip() else {
            return Vec::new();
        };
        let is_gone = |deposit: &&Deposit| {
            let there = watch.at(deposit.height);
            deposit.told_from_ocean.is_some()
                && there.is_some_and(|block| block != deposit.block)
                && confirmations(deposit, tip.height) > CONFIRMATIONS
        };
        let gone = self.outputs.iter().filter(is_gone);
        gone.map(|deposit| Gone {
            output: deposit.output,
            amount: Sat::new(deposit.amount_sat),
        })
        .collect()
    }

    /// Forgets what nothing more can be said of.
    pub fn forget(&mut self, tip: u32) {
        self.outputs
            .retain(|deposit| tip.saturating_sub(deposit.height) < REMEMBERED);
    }

    fn is_from_ocean(&self, deposit: &Deposit) -> bool {
        deposit.is_tagged || self.listed.contains(&deposit.output.txid)
    }

    fn take(&mut self, output: &OutPoint) -> Option<Deposit> {
        let at = self.outputs.iter().position(|one| one.output == *output)?;
        Some(self.outputs.swap_remove(at))
    }
}

fn confirmations(deposit: &Deposit, tip: u32) -> u32 {
    tip.checked_sub(deposit.height)
        .map_or(0, |above| above.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use accounting::Msat;
    use bitcoin::constants::genesis_block;
    use bitcoin::hashes::Hash as _;
    use bitcoin::{Amount, ScriptBuf, TxOut};

    const BEGAN: u32 = 100;

    fn script(n: u8) -> ScriptBuf {
        ScriptBuf::from_bytes(vec![n; 22])
    }

    fn hash(height: u32) -> BlockHash {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&height.to_le_bytes());
        BlockHash::from_byte_array(bytes)
    }

    /// A block whose coinbase, or whose second transaction, pays us.
    fn paying(in_coinbase: bool) -> FullBlock {
        let mut block = genesis_block(bitcoin::Network::Regtest);
        let mut other = block.txdata[0].clone();
        let ours = TxOut {
            value: Amount::from_sat(1_048_576),
            script_pubkey: script(1),
        };
        if in_coinbase {
            block.txdata[0].output.push(ours);
        } else {
            other.output = vec![
                TxOut {
                    value: Amount::ONE_SAT,
                    script_pubkey: script(2),
                },
                ours,
            ];
        }
        block.txdata.push(other);
        block
    }

    struct Case {
        watch: Watch,
        deposits: Deposits,
    }

    impl Case {
        /// The block after the beginning pays us; the chain then grows to `tip`.
        #[track_caller]
        fn new(in_coinbase: bool, is_tagged: bool, tip: u32) -> Case {
            let mut case = Case {
                watch: Watch::new(BEGAN, true),
                deposits: Deposits::default(),
            };
            let block = Block {
                hash: hash(BEGAN + 1),
                height: BEGAN + 1,
            };
            case.watch.chain_has(block, is_tagged);
            case.deposits
                .chain_has(&paying(in_coinbase), block, is_tagged, &script(1));
            case.grow(tip);
            case
        }

        fn grow(&mut self, tip: u32) {
            for height in self.watch.next_height()..=tip {
                let hash = hash(height);
                self.watch.chain_has(Block { hash, height }, false);
            }
        }

        /// What is told now: whether OCEAN made it.
        #[track_caller]
        fn told(&mut self, expected: Option<bool>) {
            let payment = self.deposits.next(&self.watch, 1);
            if let Some(payment) = &payment {
                self.deposits.was_told(payment);
                assert_eq!(payment.amount, Msat::new(1_048_576_000));
                assert_eq!(self.deposits.next(&self.watch, 1), None, "it is told once");
            }
            let from_ocean = payment.map(|payment| match payment.via {
                Via::OnChain { from_ocean, .. } => from_ocean,
                Via::Lightning { .. } => panic!("on-chain"),
            });
            assert_eq!(from_ocean, expected);
        }

        fn txid(&self) -> Txid {
            self.deposits.outputs[0].output.txid
        }
    }

    #[test]
    fn a_listed_payout_counts_when_it_is_buried() {
        let mut case = Case::new(false, false, BEGAN + 5);
        case.deposits.api_lists([case.txid()]);
        case.told(None);
        case.grow(BEGAN + 6);
        case.told(Some(true));
        case.grow(BEGAN + 50);
        case.told(None);
    }

    #[test]
    fn a_tagged_coinbase_waits_for_its_hundred() {
        let mut case = Case::new(true, true, BEGAN + 99);
        case.told(None);
        case.grow(BEGAN + 100);
        case.told(Some(true));
    }

    #[test]
    fn a_stranger_is_told_when_the_api_has_had_its_say_and_again_when_it_speaks() {
        let mut case = Case::new(false, false, BEGAN + 7);
        case.told(None);
        case.watch.api_lists(&[], None);
        case.told(Some(false));
        case.deposits.api_lists([case.txid()]);
        case.told(Some(true));

        // An API that stays silent is waited for a day.
        let mut case = Case::new(false, false, BEGAN + EXPLAINED_WITHIN);
        case.told(None);
        case.grow(BEGAN + EXPLAINED_WITHIN + 1);
        case.told(Some(false));
    }

    #[test]
    fn what_left_the_chain_is_not_told_and_is_the_same_when_it_comes_back() {
        let mut case = Case::new(false, false, BEGAN + 20);
        case.deposits.api_lists([case.txid()]);
        case.watch.chain_lost(BEGAN + 1);
        let other = hash(9_999);
        case.watch.chain_has(
            Block {
                hash: other,
                height: BEGAN + 1,
            },
            false,
        );
        case.grow(BEGAN + 30);
        case.told(None);
        let block = Block {
            hash: hash(BEGAN + 31),
            height: BEGAN + 31,
        };
        case.watch.chain_has(block, false);
        case.deposits
            .chain_has(&paying(false), block, false, &script(1));
        case.grow(BEGAN + 40);
        case.told(Some(true));
        assert_eq!(case.deposits.outputs.len(), 1);
    }

    /// A reorganisation deeper than what was waited for. Pages and alarms tell of it until
    /// the payment is in a block again.
    #[test]
    fn what_was_told_and_left_the_chain_is_missed() {
        let mut case = Case::new(false, true, BEGAN + 6);
        case.deposits
            .api_lists([paying(false).txdata[1].compute_txid()]);
        let payment = case.deposits.next(&case.watch, 7).unwrap();
        case.deposits.was_told(&payment);
        assert_eq!(case.deposits.gone(&case.watch), []);
        // Another chain from its block on, with nothing for us.
        let other = |height: u32| {
            let mut bytes = hash(height).to_byte_array();
            bytes[31] = 1;
            Block {
                hash: BlockHash::from_byte_array(bytes),
                height,
            }
        };
        for height in BEGAN + 1..=BEGAN + 6 {
            case.watch.chain_has(other(height), false);
            assert_eq!(case.deposits.gone(&case.watch), [], "{height}");
        }
        case.watch.chain_has(other(BEGAN + 7), false);
        let gone = case.deposits.gone(&case.watch);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].amount, Sat::new(1_048_576));
        // In a block again it is the payment that the books have.
        let (full, block) = (paying(false), other(BEGAN + 8));
        case.watch.chain_has(block, false);
        case.deposits.chain_has(&full, block, false, &script(1));
        assert_eq!(case.deposits.gone(&case.watch), []);
        assert_eq!(case.deposits.next(&case.watch, 7), None);
    }
}
