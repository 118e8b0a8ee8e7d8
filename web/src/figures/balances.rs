//! `GET /api/wind-down/balances`: while the pool winds down, what it still owes to each
//! miner, so that nobody depends on its pages to know it.

use std::ops::Bound;

use accounting::{MinerId, Msat, Sat};
use schemars::JsonSchema;
use serde::Serialize;

use super::Figures;
use crate::api::Refusal;

/// Miners that are looked at for one page.
const PER_PAGE: usize = 200;

/// A page of miners to whom something is owed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Balances {
    /// Those of the page to whom something is owed.
    miners: Vec<Balance>,
    /// The next page is `?after=` this; `null`: there is none.
    next: Option<MinerId>,
}

/// What is owed to a miner.
#[derive(Debug, Serialize, JsonSchema)]
struct Balance {
    /// The miner.
    miner: MinerId,
    /// Their remainder below a satoshi.
    carry_msat: Msat,
    /// Paid to their quotes and not fetched.
    unclaimed_sat: Sat,
}

impl Figures {
    /// The page after that miner, or the first; nothing while the pool does not wind down.
    pub(super) async fn balances(&self, after: Option<MinerId>) -> Result<Balances, Refusal> {
        if self.view.winding_down().is_none() {
            return Ok(Balances {
                miners: Vec::new(),
                next: None,
            });
        }
        // A page is hundreds of looks at the mint: one at a time, whoever turns them.
        let _alone = self.balances.try_lock().map_err(|_| Refusal::Busy)?;
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.api.look(move |api| {
            let accounts = api.reader().miner_accounts()?;
            let accounts = accounts.range((after, Bound::Unbounded));
            let mut page: Vec<_> = accounts
                .take(PER_PAGE + 1)
                .map(|(miner, account)| (*miner, account.carry))
                .collect();
            let is_last = page.len() <= PER_PAGE;
            page.truncate(PER_PAGE);
            Ok((page, is_last))
        });
        let (page, is_last) = page.await?;
        let next = page.last().map(|(miner, _)| *miner).filter(|_| !is_last);
        let mut miners = Vec::new();
        for (miner, carry_msat) in page {
            let unclaimed_sat = self.unclaimed(&miner).await?;
            if carry_msat > Msat::ZERO || unclaimed_sat > Sat::ZERO {
                miners.push(Balance {
                    miner,
                    carry_msat,
                    unclaimed_sat,
                });
            }
        }
        Ok(Balances { miners, next })
    }

    async fn unclaimed(&self, miner: &MinerId) -> Result<Sat, Refusal> {
        let claimable = self.view.claimable(miner).await.map_err(|error| {
            tracing::warn!(%error, "the claimable sats of a key cannot be read");
            Refusal::Unavailable("what is unclaimed cannot be read now: try again later")
        })?;
        let claimable = claimable.ok_or(Refusal::Unavailable(
            "the mint is not open now: try again later",
        ))?;
        Ok(claimable.ready)
    }
}
