//! OCEAN's books: who did what work, what each block brought, what is owed and what was
//! paid. Pure: told of things, never doing any.
//!
//! Money is in millisatoshis, so that a part of a block is exact; what goes over the
//! chain is whole satoshis, and the rest stays owed.

mod booking;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::{BlockHash, Txid};

pub(super) use booking::NewBlock;
pub use policy::{OnChain, Policy};
pub(super) use policy::{Route, script_of};

/// All of OCEAN's books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OceanBooks {
    /// By bitcoin address: what stands before the first dot of the username.
    pub users: BTreeMap<Arc<str>, Account>,
    /// The blocks that OCEAN's miners found, in the order in which they were found.
    pub blocks: Vec<OceanBlock>,
}

/// What OCEAN knows of a user. What it owes is `pending`, `due`, `in_flight` and
/// `in_coinbase` together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Accepted shares.
    pub shares: u64,
    /// Their work, in expected hashes.
    pub work: u128,
    /// When the last one came, in milliseconds since 1970.
    pub last_share_ms: Option<u64>,
    /// The BOLT12 offer to be paid at, and the height of the message that set it.
    pub offer: Option<Registered>,
    /// What each block brought, the oldest first. Those of orphaned blocks are gone.
    pub earnings: Vec<Earning>,
    /// Ready to be paid: its blocks are deep enough.
    pub due_msat: u64,
    /// On its way over lightning.
    pub in_flight_msat: u64,
    /// Written into the coinbase of the block that is being looked for.
    pub in_coinbase_msat: u64,
    /// Lightning payments that failed since the last one that did not.
    pub failures: u32,
    /// What was paid, the oldest first.
    pub payments: Vec<Paid>,
}

/// An offer that was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The offer.
    pub offer: String,
    /// The height in the signed message; 0 if it was set by hand.
    pub height: u32,
}

/// A user's part of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earning {
    /// The block.
    pub block: BlockHash,
    /// When it was found, in milliseconds since 1970.
    pub at_ms: u64,
    /// The user's work in the window, in expected hashes.
    pub work: u128,
    /// OCEAN's fee, taken off.
    pub fee_msat: u64,
    /// What is left for the user.
    pub net_msat: u64,
    /// The block is not deep enough yet, so that it is not paid.
    pub is_pending: bool,
}

/// A payment to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// How much.
    pub msat: u64,
    /// Which way it went.
    pub via: Via,
}

/// The way of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Over lightning.
    Lightning {
        /// The payment's hash.
        hash: [u8; 32],
        /// The height of the block that was paid for.
        found_height: u32,
    },
    /// In an ordinary transaction.
    Transaction(Txid),
    /// In the coinbase of a block that OCEAN found.
    Coinbase(Txid),
}

/// How far a found block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockState {
    /// Not deep enough to be paid.
    Waiting,
    /// Its payout has been run.
    PaidOut,
    /// Orphaned before its payout: nobody earned anything by it.
    Orphaned,
    /// Orphaned after its payout: OCEAN's loss.
    OrphanedLate,
}

/// A block that one of OCEAN's miners found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OceanBlock {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
    /// When it was found, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who found it: the whole username.
    pub username: String,
    /// What the block could create, in satoshis.
    pub subsidy_sat: u64,
    /// The fees of its transactions, in satoshis.
    pub fees_sat: u64,
    /// What OCEAN kept.
    pub fee_msat: u64,
    /// What went to OCEAN's other miners.
    pub others_msat: u64,
    /// Its coinbase.
    pub coinbase: Txid,
    /// Whom the coinbase paid how much.
    pub coinbase_payouts: Vec<(Arc<str>, u64)>,
    /// How far it is.
    pub state: BlockState,
}

/// Where all the money is, in millisatoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What the blocks brought that count.
    pub rewards_msat: u64,
    /// OCEAN's fees.
    pub fees_msat: u64,
    /// What went to the miners that are not simulated.
    pub others_msat: u64,
    /// Owed to users, in whatever state.
    pub owed_msat: u64,
    /// Paid to users.
    pub paid_msat: u64,
}

impl Totals {
    /// Whether what came in is what is accounted for, exactly.
    pub fn is_balanced(&self) -> bool {
        self.rewards_msat == self.fees_msat + self.others_msat + self.owed_msat + self.paid_msat
    }
}

impl Account {
    /// Earned by blocks that are not deep enough yet.
    pub fn pending_msat(&self) -> u64 {
        let pending = self.earnings.iter().filter(|earning| earning.is_pending);
        pending.map(|earning| earning.net_msat).sum()
    }

    /// All that is owed.
    pub fn owed_msat(&self) -> u64 {
        self.pending_msat() + self.due_msat + self.in_flight_msat + self.in_coinbase_msat
    }

    /// All that was paid.
    pub fn paid_msat(&self) -> u64 {
        self.payments.iter().map(|paid| paid.msat).sum()
    }

    /// All that blocks brought.
    pub fn earned_msat(&self) -> u64 {
        self.earnings.iter().map(|earning| earning.net_msat).sum()
    }
}

impl OceanBlock {
    /// What it brought, in satoshis.
    pub fn reward_sat(&self) -> u64 {
        self.subsidy_sat + self.fees_sat
    }

    /// Whether its money counts.
    pub fn counts(&self) -> bool {
        self.state != BlockState::Orphaned
    }
}

impl OceanBooks {
    /// The account of a user; an empty one for who is not known.
    pub fn account(&self, address: &str) -> Account {
        self.users.get(address).cloned().unwrap_or_default()
    }

    /// Where all the money is.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for block in self.blocks.iter().filter(|block| block.counts()) {
            totals.rewards_msat += block.reward_sat() * 1_000;
            totals.fees_msat += block.fee_msat;
            totals.others_msat += block.others_msat;
        }
        for account in self.users.values() {
            totals.owed_msat += account.owed_msat();
            totals.paid_msat += account.paid_msat();
        }
        totals
    }
}
