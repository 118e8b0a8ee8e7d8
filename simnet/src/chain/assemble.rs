//! Blocks and payments that the chain makes itself.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::opcodes::OP_TRUE;
use bitcoin::script::{Builder, PushBytes};
use bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness, transaction,
};

use super::Chain;

/// Regtest's target: every second hash meets it.
pub(super) const BITS: u32 = 0x207f_ffff;
/// Regtest halves the subsidy every 150 blocks.
const HALVING: u32 = 150;
/// BIP141: the commitment's output begins with this.
const COMMITMENT_HEADER: [u8; 4] = [0xaa, 0x21, 0xa9, 0xed];
/// BIP141: the coinbase's only witness, reserved.
const WITNESS_RESERVED: [u8; 32] = [0; 32];

fn anyone() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script()
}

/// Pays to whoever asks: P2WSH of OP_TRUE. It needs no key, so the faucet keeps none.
pub(super) fn faucet_script() -> ScriptBuf {
    ScriptBuf::new_p2wsh(&anyone().wscript_hash())
}

/// What a block at `height` may create.
pub fn subsidy(height: u32) -> Amount {
    Amount::from_sat((50 * 100_000_000) >> (height / HALVING).min(63))
}

/// The witness commitment's output script for a block with these transactions behind
/// its coinbase.
pub(super) fn commitment(block: &Block) -> ScriptBuf {
    let root = block.witness_root().expect("a block has a coinbase");
    let commitment = Block::compute_witness_commitment(&root, &WITNESS_RESERVED);
    let data = [&COMMITMENT_HEADER[..], commitment.as_byte_array()].concat();
    let push: &PushBytes = data.as_slice().try_into().expect("36 bytes are a push");
    ScriptBuf::new_op_return(push)
}

/// The coinbase's witness where the block has a commitment.
pub(super) fn coinbase_witness() -> Witness {
    Witness::from_slice(&[WITNESS_RESERVED])
}

impl Chain {
    /// The next block but for its nonce: all of the mempool, and `script` is paid. `tag`
    /// ends the coinbase's script.
    pub(super) fn assemble(&self, script: &ScriptBuf, tag: &PushBytes, now_secs: u32) -> Block {
        let height = self.height() + 1;
        let coinbase = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::null(),
                // BIP34's height, and a second push: consensus wants two bytes at least.
                script_sig: Builder::new()
                    .push_int(i64::from(height))
                    .push_int(i64::from(self.reorganisations))
                    .push_slice(tag)
                    .into_script(),
                sequence: Sequence::MAX,
                witness: coinbase_witness(),
            }],
            output: vec![TxOut {
                value: subsidy(height) + self.mempool.fees(),
                script_pubkey: script.clone(),
            }],
        };
        let waiting = self
            .mempool
            .ids()
            .filter_map(|id| self.transactions.get(&id).cloned());
        let mut block = Block {
            header: Header {
                version: Version::from_consensus(0x2000_0000),
                prev_blockhash: self.tip(),
                merkle_root: TxMerkleNode::all_zeros(),
                time: self.next_time(now_secs),
                bits: CompactTarget::from_consensus(BITS),
                nonce: 0,
            },
            txdata: std::iter::once(coinbase).chain(waiting).collect(),
        };
        let output = TxOut {
            value: Amount::ZERO,
            script_pubkey: commitment(&block),
        };
        block.txdata[0].output.push(output);
        block.header.merkle_root = block.compute_merkle_root().expect("a block has a coinbase");
        block
    }

    /// The time of the next header: later than the last's, so that the median moves.
    pub(super) fn next_time(&self, now_secs: u32) -> u32 {
        now_secs.max(self.placed_tip().block.header.time + 1)
    }
}

/// Finds the nonce.
pub(super) fn solve(block: &mut Block) {
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
}

/// A payment with a coin of the faucet's; its change comes last and is the faucet's.
pub(super) fn faucet_payment(
    coin: OutPoint,
    change: Amount,
    mut outputs: Vec<TxOut>,
) -> Transaction {
    let mut witness = Witness::new();
    witness.push(anyone().as_bytes());
    outputs.push(TxOut {
        value: change,
        script_pubkey: faucet_script(),
    });
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: coin,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness,
        }],
        output: outputs,
    }
}
