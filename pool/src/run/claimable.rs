//! The claimable sats of a key, epoch by epoch.

use std::collections::BTreeMap;

use accounting::{EpochId, MinerId, Sat};
use mint::{CdkError, Mint};

/// What the mint has for a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimable {
    /// What can be claimed now, as a token or by a sweep.
    pub ready: Sat,
    /// By the epoch whose quotes it is on.
    pub epochs: BTreeMap<EpochId, Claimed>,
    /// The key's holder asked for no tokens.
    pub sweep_only: bool,
}

/// The quotes of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Paid to them.
    pub paid: Sat,
    /// Of it, issued: as a token or to a sweeping wallet.
    pub issued: Sat,
}

impl Claimable {
    pub(super) async fn of(mint: &Mint, miner: &MinerId) -> Result<Self, CdkError> {
        let mut found = Claimable {
            sweep_only: mint.sweep_only(miner).await?,
            ..Claimable::default()
        };
        for view in mint.quotes(miner).await? {
            let add = |sum: Sat, sat: u64| {
                let sum = sum.checked_add(Sat::new(sat));
                sum.ok_or(CdkError::AmountOverflow)
            };
            found.ready = add(found.ready, view.mintable_sat())?;
            // Quotes of before a restore are of other epochs, whatever their numbers are.
            if !view.is_named_now {
                continue;
            }
            let claimed = found.epochs.entry(view.epoch).or_default();
            claimed.paid = add(claimed.paid, view.quote.amount_paid.into())?;
            claimed.issued = add(claimed.issued, view.quote.amount_issued.into())?;
        }
        Ok(found)
    }
}
