//! The payouts that concern an epoch: they paid for it, or were split over its work.

use std::collections::{BTreeMap, BTreeSet};

use accounting::EpochId;
use accounting::settle::PayoutState;
use ledger::{LedgerError, Reader};

/// The numbers of the audit files by epoch, as far as they were looked up: neither ever
/// changes.
#[derive(Debug, Default)]
pub(super) struct Touched {
    files: BTreeMap<EpochId, BTreeSet<u64>>,
    /// Files up to this are in `files`.
    known: u64,
}

impl Touched {
    /// The audit files that concern `epoch`, in their order.
    pub(super) fn files(
        &mut self,
        reader: &Reader,
        epoch: EpochId,
    ) -> Result<Vec<u64>, LedgerError> {
        loop {
            let next = self.known.saturating_add(1);
            let Some(payout) = reader.audited_payout(next)? else {
                break;
            };
            if let PayoutState::Settled(settlement) = &payout.state {
                for part in &settlement.parts {
                    let over = part.slices.iter().map(|slice| slice.epoch);
                    for epoch in over.chain([part.epoch, part.pays_over]) {
                        self.files.entry(epoch).or_default().insert(next);
                    }
                }
            }
            self.known = next;
        }
        let files = self.files.get(&epoch);
        Ok(files.into_iter().flatten().copied().collect())
    }
}
