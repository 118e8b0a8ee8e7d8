//! What is known of OCEAN's ways only from watching: numbers that may change.

use crate::{Msat, Sat};

/// The settings of the settlement. The defaults are what facts-ocean.md has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A payout starts so many blocks after its block; a note may name either.
    pub payout_delay_blocks: u32,
    /// Lightning without a usable note: an epoch whose block has at least so many on
    /// top of it may be meant.
    pub lightning_depth: u32,
    /// The same for on-chain, counted when the transaction first appeared.
    pub on_chain_depth: u32,
    /// An on-chain payout is booked with so many confirmations.
    pub confirmations: u32,
    /// The same for a coinbase: before, nobody can spend it.
    pub coinbase_confirmations: u32,
    /// What a "tides" window is without the API: so many epochs.
    pub window_epochs: usize,
    /// An estimate looks at so many paid epochs.
    pub recent_epochs: usize,
    /// Payments from then or before wait for the operator: they may have been paid out
    /// by what a restore lost.
    pub held: Option<Held>,
    /// More than this is no payout, and no earnings of a block.
    pub max_payout: Msat,
}

/// Until when payments are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Lightning payments that were received until then, milliseconds since 1970.
    pub until_ms: u64,
    /// On-chain payments whose transaction appeared up to this height.
    pub until_height: u32,
}

impl Held {
    /// All that comes.
    pub const EVERYTHING: Held = Held {
        until_ms: u64::MAX,
        until_height: u32::MAX,
    };
}

impl Policy {
    /// All the coins there will ever be, and a little more.
    pub const SUPPLY: Sat = Sat::new(2_100_000_000_000_000);
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            payout_delay_blocks: 30,
            lightning_depth: 25,
            on_chain_depth: 30,
            confirmations: 6,
            coinbase_confirmations: 100,
            window_epochs: 8,
            recent_epochs: 8,
            held: None,
            // 100 BTC: far more than a block gives today, and 210,000 times less than
            // all there is.
            max_payout: Msat::new(10_000_000_000_000),
        }
    }
}
