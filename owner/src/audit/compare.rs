//! Holding an audit file against all that it can be held against: itself, the file before
//! it, a receipt, and what OCEAN says today. Pure: bytes and values in, findings out.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use accounting::settle::{AuditEpoch, AuditFile, Difference, Earnings, FileHash, recompute};
use accounting::{EpochId, MinerId, Msat, Sat, Work};
use bitcoin::BlockHash;
use signed::{Claim, Receipt};

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The same, and what that was.
    Agrees(String),
    /// Not the same, and where.
    Differs(String),
    /// There was nothing to compare, and why.
    Silent(String),
}

/// What a file adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    /// What came.
    pub(super) amount: Msat,
    /// What had gathered of payments too small to be split, and was split with it.
    pub(super) gathered: Msat,
    /// What of it is the operator's.
    pub(super) fee: Msat,
    /// What of it is the miners'.
    pub(super) allocated: Msat,
    /// What went to their quotes, carry from before included.
    pub(super) paid: Sat,
    /// How many got something.
    pub(super) miners: usize,
}

/// Splits the payment of `file`, which was read from `bytes`, again.
///
/// # Errors
/// Where file and recomputation part, or the bytes are not those of the form.
pub(super) fn split_again(bytes: &[u8], file: &AuditFile) -> Result<Sums, String> {
    recompute(file).map_err(|difference| difference.to_string())?;
    let written = file.to_bytes().map_err(|error| error.to_string())?;
    if written != bytes {
        let same = written
            .iter()
            .zip(bytes)
            .take_while(|(a, b)| a == b)
            .count();
        return Err(format!(
            "the bytes are not those of the form, from byte {} on: its hash is that of another file",
            same.saturating_add(1)
        ));
    }
    let add_up = || "the sums pass 2^64".to_owned();
    let allocated = Msat::checked_sum(file.miners.iter().map(|row| row.allocated));
    let paid = file.miners.iter().map(|row| row.paid);
    let paid = paid.into_iter().try_fold(Sat::ZERO, Sat::checked_add);
    let sums = Sums {
        amount: file.payment.amount,
        gathered: file.settlement.gathered,
        fee: file.settlement.fee,
        allocated: allocated.ok_or_else(add_up)?,
        paid: paid.ok_or_else(add_up)?,
        miners: file.miners.len(),
    };
    match sums.fee.checked_add(sums.allocated) {
        Some(sum) if Some(sum) == sums.amount.checked_add(sums.gathered) => Ok(sums),
        _ => Err(format!(
            "fee {} msat and allocations {} msat are not the payment's {} msat and the {} msat \
             that had gathered",
            sums.fee, sums.allocated, sums.amount, sums.gathered
        )),
    }
}

/// Whether `file` follows on the file before it: by its hash, and in all sums that both
/// have.
pub(super) fn against_previous(
    file: &AuditFile,
    (before_bytes, before): (&[u8], &AuditFile),
) -> Finding {
    let hash = FileHash::of(before_bytes);
    match file.previous {
        None => return Finding::Differs("it says that it is the first file".to_owned()),
        Some(previous) if previous != hash => {
            return Finding::Differs(format!(
                "it follows on the file {previous}, and that is {hash}"
            ));
        }
        Some(_) => {}
    }
    if let Err(difference) = recompute(before) {
        return Finding::Differs(format!("the file before it: {difference}"));
    }
    match goes_on(file, before) {
        Ok(()) => Finding::Agrees(format!("it follows on {hash}")),
        Err(difference) => Finding::Differs(difference.to_string()),
    }
}

/// Carry and receipts go on where they stood.
fn goes_on(file: &AuditFile, before: &AuditFile) -> Result<(), Difference> {
    let carry: BTreeMap<MinerId, Msat> = before
        .miners
        .iter()
        .map(|row| (row.miner, row.carry_after))
        .collect();
    for row in &file.miners {
        if carry
            .get(&row.miner)
            .is_some_and(|carry| *carry != row.carry_before)
        {
            return Err(Difference::Carry(row.miner));
        }
    }
    let mut received: BTreeMap<EpochId, u64> = BTreeMap::new();
    for candidate in &before.settlement.candidates {
        received.insert(candidate.epoch, candidate.received.get());
    }
    for part in &before.settlement.parts {
        if let Some(sum) = received.get_mut(&part.epoch) {
            *sum = sum.saturating_add(part.amount.get());
        }
    }
    for candidate in &file.settlement.candidates {
        let computed = received.get(&candidate.epoch).copied().map(Msat::new);
        if let Some(computed) = computed.filter(|computed| *computed != candidate.received) {
            let (epoch, file) = (candidate.epoch, candidate.received);
            return Err(Difference::Received {
                epoch,
                file,
                computed,
            });
        }
    }
    Ok(())
}

/// Whether the work of a receipt is in `file`. It may have become more since.
pub(super) fn against_receipt(file: &AuditFile, receipt: &Receipt) -> Finding {
    let claim = &receipt.claim;
    if !receipt.is_signed() {
        return Finding::Differs(format!("the receipt is not signed by {}", claim.pool));
    }
    let with_it =
        |epoch: &&AuditEpoch| epoch.epoch == claim.epoch || epoch.absorbed.contains(&claim.epoch);
    let Some(epoch) = file.epochs.iter().find(with_it) else {
        return Finding::Silent(format!(
            "the receipt is of epoch {}, which this payment was not split over",
            claim.epoch
        ));
    };
    let row = epoch.works.iter().find(|row| row.miner == claim.miner);
    let (work, accepted) = row
        .map(|row| (row.work, row.upstream_accepted_work))
        .unwrap_or((Work::ZERO, Work::ZERO));
    let less = |what: &str, there: Work, signed: Work| {
        Finding::Differs(format!(
            "{what} of {} in epoch {} is {there} in the file, less than the {signed} that the pool signed for",
            claim.miner, epoch.epoch
        ))
    };
    if work < claim.work {
        return less("the work", work, claim.work);
    }
    if accepted < claim.upstream_accepted_work {
        return less(
            "the upstream-accepted work",
            accepted,
            claim.upstream_accepted_work,
        );
    }
    if let Some(difference) = other_terms(file, claim) {
        return Finding::Differs(difference);
    }
    Finding::Agrees(format!(
        "signed by {}: work {} of {}, and {work} is in epoch {} of the file",
        claim.pool, claim.work, claim.miner, epoch.epoch
    ))
}

/// Where the file pays the receipt's epoch by other terms than those that the receipt
/// has. (Work of an epoch that was merged counts under the terms of the one that has it.)
fn other_terms(file: &AuditFile, claim: &Claim) -> Option<String> {
    let signed = claim.terms?;
    for part in &file.settlement.parts {
        if part.pays_over == claim.epoch && part.terms != signed {
            return Some(format!(
                "epoch {} is paid by the terms {:?}, and the pool signed for {signed:?}",
                claim.epoch, part.terms
            ));
        }
        let slices = part
            .slices
            .iter()
            .filter(|slice| slice.epoch == claim.epoch);
        let mut fees = slices.filter_map(|slice| Some(slice.pays?.fee_bps));
        if let Some(fee) = fees.find(|fee| *fee != signed.fee_bps) {
            return Some(format!(
                "the fee on epoch {} is {fee} basis points, and the pool signed for {}",
                claim.epoch, signed.fee_bps
            ));
        }
    }
    None
}

/// Whether the earnings that a payment was split by are those that OCEAN tells today, by
/// block. One finding a part that used any.
pub(super) fn against_ocean(file: &AuditFile, told: &[(BlockHash, Earnings)]) -> Vec<Finding> {
    let told: BTreeMap<BlockHash, Earnings> = told.iter().copied().collect();
    let mut findings = Vec::new();
    for part in &file.settlement.parts {
        let Some(used) = part.earnings else { continue };
        let listed = file.epochs.iter().find(|epoch| epoch.epoch == part.epoch);
        let Some(block) = listed.and_then(|epoch| epoch.block) else {
            findings.push(Finding::Silent(format!(
                "the block of epoch {} is not in the file: its earnings cannot be asked for",
                part.epoch
            )));
            continue;
        };
        let shown = |earnings: &Earnings| match earnings.shares_in_window {
            Some(shares) => format!("{} sat, {shares} shares in the window", earnings.net),
            None => format!("{} sat", earnings.net),
        };
        let what = format!("epoch {}, block {}", part.epoch, block.height);
        findings.push(match told.get(&block.hash) {
            None => Finding::Silent(format!("{what}: OCEAN does not list it (any more)")),
            // A window that was not believed is not in the file.
            Some(today)
                if today.net == used.net
                    && used.shares_in_window.is_none_or(|_| *today == used) =>
            {
                Finding::Agrees(format!("{what}: {} as OCEAN says", shown(&used)))
            }
            Some(today) => Finding::Differs(format!(
                "{what}: {} in the file, {} says OCEAN today",
                shown(&used),
                shown(today)
            )),
        });
    }
    if findings.is_empty() {
        findings.push(Finding::Silent(
            "the payment was split without OCEAN's word on earnings".to_owned(),
        ));
    }
    findings
}
