//! From the rows of a settled payout to its audit file.

use std::collections::BTreeMap;

use super::account::EpochAccount;
use super::audit::{AuditEpoch, AuditFile, AuditWork};
use super::file_hash::FileHash;
use super::payment::{AllocationRow, Payout, PayoutState};
use super::split::Works;
use crate::{EpochId, MinerId, Work};

/// An epoch's work as the tallies have it: by miner what is paid for, and what of it
/// the upstream accepted.
pub type Tallied = BTreeMap<MinerId, (Work, Work)>;

/// The audit file of a settled payout; `None` for any other. `tallies` gives one
/// epoch's own tallies: of a paid epoch they never change, so the file can be made long
/// after the settlement and is the same.
pub fn audit_file<E>(
    payout: &Payout,
    allocations: &[AllocationRow],
    epochs: &BTreeMap<EpochId, EpochAccount>,
    previous: Option<FileHash>,
    mut tallies: impl FnMut(EpochId) -> Result<Tallied, E>,
) -> Result<Option<AuditFile>, E> {
    let PayoutState::Settled(settlement) = &payout.state else {
        return Ok(None);
    };
    let slices = settlement.parts.iter().flat_map(|part| &part.slices);
    let used: Works = slices.map(|slice| (slice.epoch, BTreeMap::new())).collect();
    let mut listed = Vec::with_capacity(used.len());
    for &id in used.keys() {
        let account = epochs.get(&id);
        let absorbed = account
            .map(|account| account.absorbed.clone())
            .unwrap_or_default();
        let mut all = Tallied::new();
        for part in std::iter::once(id).chain(absorbed.iter().copied()) {
            for (miner, (work, accepted)) in tallies(part)? {
                let (sum, sum_accepted) = all.entry(miner).or_default();
                *sum = sum.saturating_add(work);
                *sum_accepted = sum_accepted.saturating_add(accepted);
            }
        }
        let works = all
            .into_iter()
            .map(|(miner, (work, upstream_accepted_work))| AuditWork {
                miner,
                work,
                upstream_accepted_work,
            });
        // Also of an epoch that dissolved after this: a file never changes.
        let block = account.and_then(EpochAccount::closed_by);
        listed.push(AuditEpoch {
            epoch: id,
            block,
            absorbed,
            works: works.collect(),
        });
    }
    Ok(Some(AuditFile {
        version: settlement.rules,
        previous,
        payment: payout.payment.clone(),
        settlement: settlement.clone(),
        epochs: listed,
        miners: allocations.to_vec(),
    }))
}
