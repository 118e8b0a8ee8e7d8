//! Blocks: those of OCEAN's miners, and those of others.

use std::time::Duration;

use bitcoin::BlockHash;

use super::{Ocean, summary};
use crate::ocean::books::OceanBlock;
use crate::ocean::office::{BlockOdds, Desk, now_ms, secs};
use crate::stratum::Target;
use crate::watched::WaitTimeout;

impl Ocean {
    /// The network finds `count` blocks, none of them OCEAN's, with all that waits in the
    /// mempool. The miners get new work.
    pub fn mine_blocks(&self, count: u32) {
        self.chain().lock().mine_to_faucet(count, secs(now_ms()));
        self.parts.pool.new_job(true);
    }

    /// The last `count` blocks are orphaned, and one more others come in their place.
    /// Returns the orphans.
    pub fn reorganise(&self, count: u32) -> Vec<BlockHash> {
        let now_secs = secs(now_ms());
        let orphans = {
            let mut chain = self.chain().lock();
            let orphans = chain.orphan(count, now_secs);
            chain.mine_to_faucet(count + 1, now_secs);
            orphans
        };
        self.parts.pool.new_job(true);
        orphans
    }

    /// How likely a share is a block, from the next job on, which comes at once.
    ///
    /// # Panics
    /// If it is one in a number of shares that is not finite and at least 1.
    pub fn set_block_odds(&self, odds: BlockOdds) {
        if let BlockOdds::OneIn(shares) = odds {
            let difficulty = self.parts.office.desk.read(|desk| desk.share_difficulty) * shares;
            let is_possible = shares >= 1.0 && Target::of_difficulty(difficulty).is_some();
            assert!(is_possible, "no odds: one in {shares} shares");
        }
        self.parts.office.desk.update(|desk| desk.odds = odds);
        self.parts.pool.new_job(false);
    }

    /// Lets the next share be a block, and waits until one of the miners has found it.
    ///
    /// # Errors
    /// [`WaitTimeout`] if none has within `timeout`; no block is asked for any more then.
    pub async fn find_block(&self, timeout: Duration) -> Result<OceanBlock, WaitTimeout> {
        let before = self.read_books(|books| books.blocks.len());
        self.set_block_odds(BlockOdds::NextShare);
        let look = |desk: &Desk| desk.books.blocks.get(before).cloned();
        let found = self
            .parts
            .office
            .desk
            .wait_for(timeout, look, summary)
            .await;
        if found.is_err() {
            self.set_block_odds(BlockOdds::Network);
        }
        found
    }
}
