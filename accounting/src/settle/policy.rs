//! Parameters of OCEAN that are known only from observation, and may change.

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
    /// Less than this over lightning is not split by itself: it gathers, and is split
    /// with the next payment that is.
    pub floor: Msat,
    /// So much for each miner of the epochs that a payment would be split over is part
    /// of that floor: a split writes a row for each.
    pub floor_per_miner: Msat,
    /// What OCEAN's API tells is believed when most of what it told lately is within
    /// this factor of it, measured by our own work of the window.
    pub belief_factor: u32,
    /// A window that is more than this factor away from our own work of the last
    /// [`Self::window_epochs`] is not believed.
    pub window_factor: u32,
    /// A block whose reward is not known gives at most so many subsidies.
    pub subsidies: u64,
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

    /// The most that our part of a block at `height` can be: all of the block, whose
    /// `reward` is subsidy and fees. The subsidy is the main chain's, which on test
    /// chains is never below the real one.
    pub fn most_earned(&self, height: u32, reward: Option<Sat>) -> Msat {
        let halvings = height.checked_div(210_000).unwrap_or_default();
        let subsidy = 5_000_000_000_u64.checked_shr(halvings).unwrap_or_default();
        let estimate = Sat::new(subsidy.saturating_mul(self.subsidies)).to_msat();
        let told = reward.filter(|reward| !reward.is_zero());
        let reward = told.and_then(Sat::to_msat).or(estimate);
        reward.map_or(self.max_payout, |reward| reward.min(self.max_payout))
    }

    /// What a payment that is split over so many miners must have at least.
    pub fn floor_for(&self, miners: u64) -> Msat {
        let rows = self.floor_per_miner.get().saturating_mul(miners);
        self.floor.max(Msat::new(rows))
    }
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
            // A satoshi: below it no quote is paid anything. OCEAN was seen to pay 995
            // msat, which gathers and is lost to nobody.
            floor: Msat::new(1_000),
            // A line of a split is some 200 bytes for ever, for a msat at least. Not more:
            // a key with a single share earns about one, and who makes many of them may
            // not keep back what others are paid.
            floor_per_miner: Msat::new(1),
            // Fees, luck and a pool that grows change what a block brings by two or
            // three, a wrong unit by a thousand.
            belief_factor: 8,
            // Blocks come as a Poisson process: eight are seldom two or twenty.
            window_factor: 4,
            // The dearest block so far (840,000) had twelve times its subsidy.
            subsidies: 16,
        }
    }
}
