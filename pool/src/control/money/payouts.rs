//! Payments, and their splits.

use std::collections::BTreeMap;

use accounting::settle::{
    AllocationRow, AuditFile, EpochAccount, Payout, PayoutKey, PayoutState, Settlement, Via,
};
use accounting::{EpochId, MinerId, Work};
use ledger::{LedgerError, Reader};

use crate::admin::{EpochPart, PayoutFate, PayoutRow, PayoutSplit, SplitRow, Way};

/// The numbers of the audit files by payout, as far as they were looked up, and how many
/// miners each lists: neither ever changes.
#[derive(Debug, Default)]
pub struct AuditIndex {
    numbers: BTreeMap<PayoutKey, u64>,
    miners: BTreeMap<PayoutKey, u64>,
    /// Files up to this are in `numbers`.
    known: u64,
}

impl AuditIndex {
    /// The number of a settled payout's audit file.
    fn number(&mut self, reader: &Reader, key: &PayoutKey) -> Result<u64, LedgerError> {
        while !self.numbers.contains_key(key) {
            let next = self.known.saturating_add(1);
            let Some(payout) = reader.audited_payout(next)? else {
                break;
            };
            self.numbers.insert(payout.payment.key(), next);
            self.known = next;
        }
        // The settlement and its number are written in one transaction.
        Ok(self.numbers.get(key).copied().unwrap_or_default())
    }

    fn miners(&mut self, reader: &Reader, key: &PayoutKey) -> Result<u64, LedgerError> {
        if let Some(count) = self.miners.get(key) {
            return Ok(*count);
        }
        let count = u64::try_from(reader.allocations(key)?.len()).unwrap_or(u64::MAX);
        self.miners.insert(*key, count);
        Ok(count)
    }
}

/// Payments for a list.
pub fn rows(
    reader: &Reader,
    index: &mut AuditIndex,
    payouts: Vec<Payout>,
) -> Result<Vec<PayoutRow>, LedgerError> {
    let epochs = reader.epoch_accounts()?;
    let row = |payout| row(reader, index, &epochs, payout);
    payouts.into_iter().map(row).collect()
}

fn row(
    reader: &Reader,
    index: &mut AuditIndex,
    epochs: &BTreeMap<EpochId, EpochAccount>,
    payout: Payout,
) -> Result<PayoutRow, LedgerError> {
    let key = payout.payment.key();
    let state = match payout.state {
        PayoutState::Settled(settlement) => PayoutFate::Settled {
            found: settlement.found,
            epochs: epoch_parts(&settlement, epochs),
            fee_msat: settlement.fee,
            miners: index.miners(reader, &key)?,
            audit: index.number(reader, &key)?,
        },
        PayoutState::Suspended(why) => PayoutFate::Suspended { why },
        PayoutState::Gathered => PayoutFate::Gathered,
        PayoutState::Operators => PayoutFate::Operators,
        PayoutState::ToFee => PayoutFate::ToFee,
    };
    let (via, note) = match payout.payment.via {
        Via::Lightning { note, .. } => (Way::Lightning, note),
        Via::OnChain { .. } => (Way::OnChain, None),
    };
    Ok(PayoutRow {
        payout: key,
        amount_msat: payout.payment.amount,
        received_ms: payout.payment.received_ms,
        via,
        note,
        state,
        amount_refused_msat: payout.amount_refused,
    })
}

/// What each epoch got of a payment.
fn epoch_parts(
    settlement: &Settlement,
    epochs: &BTreeMap<EpochId, EpochAccount>,
) -> Vec<EpochPart> {
    let part = |part: &accounting::settle::Part| EpochPart {
        epoch: part.epoch,
        block: epochs.get(&part.epoch).and_then(EpochAccount::block),
        amount_msat: part.amount,
        pays_over: part.pays_over,
    };
    settlement.parts.iter().map(part).collect()
}

/// A payment with its split; `None` when it never arrived.
pub(super) fn split(reader: &Reader, key: PayoutKey) -> Result<Option<PayoutSplit>, LedgerError> {
    let Some(payout) = reader.payout(&key)? else {
        return Ok(None);
    };
    let settled = matches!(payout.state, PayoutState::Settled(_));
    let mut index = AuditIndex::default();
    let payout = row(reader, &mut index, &reader.epoch_accounts()?, payout)?;
    let mut miners = Vec::new();
    if settled {
        let number = index.number(reader, &key)?;
        let works = reader.audit_file(number)?.map(|file| works(&file));
        let works = works.unwrap_or_default();
        let rows = reader.allocations(&key)?.into_iter();
        miners.extend(rows.map(|row| split_row(row, &works)));
    }
    Ok(Some(PayoutSplit { payout, miners }))
}

/// Each miner's work in all epochs that a payment was split over.
pub(crate) fn works(file: &AuditFile) -> BTreeMap<MinerId, Work> {
    let mut works = BTreeMap::<MinerId, Work>::new();
    for row in file.epochs.iter().flat_map(|epoch| &epoch.works) {
        let sum = works.entry(row.miner).or_default();
        *sum = sum.saturating_add(row.work);
    }
    works
}

fn split_row(row: AllocationRow, works: &BTreeMap<MinerId, Work>) -> SplitRow {
    SplitRow {
        miner: row.miner,
        work: works.get(&row.miner).copied().unwrap_or_default(),
        allocated_msat: row.allocated,
        carry_before_msat: row.carry_before,
        paid_sat: row.paid,
        carry_after_msat: row.carry_after,
        quote_epoch: row.quote_epoch,
    }
}
