//! The audit file: a settled payout with all that it takes to split it again, and the
//! auditor who does.

use std::collections::BTreeMap;

use bitcoin::hashes::{Hash as _, sha256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::Block;
use super::difference::Difference;
use super::file_hash::FileHash;
use super::first_rules;
use super::payment::{AllocationRow, Payment, Settlement, Via};
use super::select::share_out;
use super::split::{Part, Slice, Works, pay_slices, split, window_of_work};
use crate::{EpochId, MinerId, Msat, Split, Work};

/// One settled payout, as published. Its JSON (docs/decisions/0003-settlement.md) is
/// stable: fields in this order, lists in the order of their keys, no spaces; amounts
/// are integers in the named unit, work is a decimal string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditFile {
    /// That of the rules of its settlement: [`Settlement::FIRST_RULES`] or
    /// [`Settlement::RULES`].
    #[schemars(extend("enum" = [Settlement::FIRST_RULES, Settlement::RULES]))]
    pub version: u32,
    /// The hash of the file before, none in the first one.
    pub previous: Option<FileHash>,
    /// The money: payment hash and preimage or output, amount, note.
    pub payment: Payment,
    /// Its epochs, what they expected, and the split with its terms and API values.
    pub settlement: Settlement,
    /// The epochs whose work it was split over, in their order.
    pub epochs: Vec<AuditEpoch>,
    /// What each miner got, in the order of the keys.
    pub miners: Vec<AllocationRow>,
}

/// An epoch's work, miner by miner, with that of the epochs merged into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditEpoch {
    /// The number of the epoch.
    pub epoch: EpochId,
    /// The block that closed it, none by command.
    pub block: Option<Block>,
    /// The epochs merged into it.
    pub absorbed: Vec<EpochId>,
    /// In the order of the keys.
    pub works: Vec<AuditWork>,
}

/// A miner's work in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditWork {
    /// The miner.
    pub miner: MinerId,
    /// What is paid for.
    pub work: Work,
    /// What the upstream took of it: far from `work` for long, and the miner withholds.
    pub upstream_accepted_work: Work,
}

impl AuditFile {
    /// The bytes to publish.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    fn works(&self) -> Works {
        let of = |epoch: &AuditEpoch| epoch.works.iter().map(|w| (w.miner, w.work)).collect();
        self.epochs
            .iter()
            .map(|epoch| (epoch.epoch, of(epoch)))
            .collect()
    }
}

/// Splits a file's payment again, from nothing but the file, and tells the first place
/// where it differs.
pub fn recompute(file: &AuditFile) -> Result<(), Difference> {
    let known = [Settlement::FIRST_RULES, Settlement::RULES];
    if !known.contains(&file.version) || file.version != file.settlement.rules {
        return Err(Difference::Version(file.version));
    }
    if let Via::Lightning {
        payment_hash,
        preimage: Some(preimage),
        ..
    } = &file.payment.via
        && sha256::Hash::hash(&preimage.0) != *payment_hash
    {
        return Err(Difference::Preimage);
    }
    in_order(file)?;
    parts(file)?;
    let works = file.works();
    file.settlement
        .parts
        .iter()
        .try_for_each(|part| slices(part, &works).and_then(|()| shares(file.version, part)))?;
    miners(file, &works)
}

fn in_order(file: &AuditFile) -> Result<(), Difference> {
    fn strict<K: Ord>(keys: impl Iterator<Item = K> + Clone) -> bool {
        keys.clone().zip(keys.skip(1)).all(|(a, b)| a < b)
    }
    let checks = [
        (
            strict(file.settlement.candidates.iter().map(|c| c.epoch)),
            "the candidates",
        ),
        (
            strict(file.epochs.iter().map(|epoch| epoch.epoch)),
            "the epochs",
        ),
        (
            file.epochs
                .iter()
                .all(|e| strict(e.works.iter().map(|w| w.miner))),
            "an epoch's miners",
        ),
        (
            strict(file.miners.iter().map(|row| row.miner)),
            "the miners",
        ),
    ];
    checks
        .into_iter()
        .find(|(good, _)| !good)
        .map_or(Ok(()), |(_, what)| Err(Difference::Order(what)))
}

fn parts(file: &AuditFile) -> Result<(), Difference> {
    let Settlement {
        found,
        candidates,
        parts,
        ..
    } = &file.settlement;
    if let Some(named) = found.epoch()
        && candidates
            .last()
            .is_none_or(|candidate| candidate.epoch != named)
    {
        return Err(Difference::Named(named));
    }
    let amount = file.settlement.amount(&file.payment);
    let amount = amount.ok_or(Difference::Gathered(file.settlement.gathered))?;
    let computed = match file.version {
        Settlement::FIRST_RULES => first_rules::share_out(amount, *found, candidates),
        _ => share_out(amount, *found, candidates),
    };
    let told: Vec<_> = parts.iter().map(|part| (part.epoch, part.amount)).collect();
    if told == computed {
        Ok(())
    } else {
        Err(Difference::Parts {
            file: told,
            computed,
        })
    }
}

/// The slices are what the part's terms say, as far as the listed epochs show, and
/// their work is what the miners' adds up to.
fn slices(part: &Part, works: &Works) -> Result<(), Difference> {
    let newest_first = part
        .slices
        .iter()
        .zip(part.slices.iter().skip(1))
        .all(|(a, b)| a.epoch > b.epoch);
    let begins = part
        .slices
        .first()
        .is_some_and(|first| first.epoch == part.pays_over);
    let whole = |slice: &Slice| slice.taken == slice.work;
    let shares = part
        .earnings
        .and_then(|known| known.shares_in_window)
        .filter(|&shares| shares > 0);
    let by_terms = match (part.terms.split, shares) {
        (Split::Epoch, _) => part.slices.len() == 1 && part.slices.iter().all(whole),
        (Split::Tides, None) => part.slices.iter().all(whole),
        (Split::Tides, Some(shares)) => {
            let listed = part.slices.iter().map(|slice| (slice.epoch, slice.work));
            let taken = window_of_work(listed, shares).into_iter();
            let taken = taken.map(|slice| (slice.epoch, slice.taken));
            let told = part.slices.iter().map(|slice| (slice.epoch, slice.taken));
            taken.eq(told)
        }
    };
    if !(newest_first && begins && by_terms && part.pays_over <= part.epoch) {
        return Err(Difference::Slices(part.epoch));
    }
    for slice in &part.slices {
        let miners = works
            .get(&slice.epoch)
            .into_iter()
            .flat_map(BTreeMap::values);
        let computed = miners.fold(Work::ZERO, |sum, work| sum.saturating_add(*work));
        if computed != slice.work || computed.is_zero() {
            return Err(Difference::Work {
                epoch: slice.epoch,
                file: slice.work,
                computed,
            });
        }
    }
    Ok(())
}

/// What falls on each slice, and the fee of it.
fn shares(version: u32, part: &Part) -> Result<(), Difference> {
    let told: Vec<_> = part.slices.iter().map(|slice| slice.pays).collect();
    if version == Settlement::FIRST_RULES {
        let none = told.iter().all(Option::is_none);
        return none.then_some(()).ok_or(Difference::Shares(part.epoch));
    }
    let fee_of = |epoch| {
        let slice = part.slices.iter().find(|slice| slice.epoch == epoch);
        let pays = slice.and_then(|slice| slice.pays);
        pays.map_or(0, |pays| pays.fee_bps)
    };
    let mut computed = part.slices.clone();
    pay_slices(part.amount, &mut computed, fee_of)?;
    // The first one is of the epoch whose terms the part has.
    let terms = told.first().copied().flatten();
    let by_terms = terms.is_some_and(|pays| pays.fee_bps == part.terms.fee_bps);
    if by_terms && computed == part.slices {
        Ok(())
    } else {
        Err(Difference::Shares(part.epoch))
    }
}

fn miners(file: &AuditFile, works: &Works) -> Result<(), Difference> {
    let Settlement { parts, fee, .. } = &file.settlement;
    let computed = match file.version {
        Settlement::FIRST_RULES => first_rules::split(parts, works)?,
        _ => split(parts, works)?,
    };
    for (part, &computed) in parts.iter().zip(&computed.fees) {
        if part.fee != computed {
            return Err(Difference::Fee {
                epoch: part.epoch,
                file: part.fee,
                computed,
            });
        }
    }
    if Msat::checked_sum(computed.fees.iter().copied()) != Some(*fee) {
        return Err(Difference::FeeSum(*fee));
    }
    let mut due = computed.miners;
    for row in &file.miners {
        let computed = due.remove(&row.miner);
        let amount = computed.map(|(amount, _)| amount);
        if amount != Some(row.allocated) {
            let (miner, file) = (row.miner, Some(row.allocated));
            return Err(Difference::Miner {
                miner,
                file,
                computed: amount,
            });
        }
        if let Some((_, computed)) = computed.filter(|&(_, epoch)| epoch != row.quote_epoch) {
            let (miner, file) = (row.miner, row.quote_epoch);
            return Err(Difference::QuoteEpoch {
                miner,
                file,
                computed,
            });
        }
        let sum = row.carry_before.checked_add(row.allocated);
        let right = sum.is_some_and(|sum| {
            sum.to_sat_floor() == row.paid && sum.below_sat() == row.carry_after
        });
        if !right {
            return Err(Difference::Carry(row.miner));
        }
    }
    match due.into_iter().next() {
        Some((miner, (amount, _))) => Err(Difference::Miner {
            miner,
            file: None,
            computed: Some(amount),
        }),
        None => Ok(()),
    }
}

/// Checks all files of a ledger, from the first one on: each by itself, their chain,
/// and that carry and the epochs' receipts go on where they stood.
#[derive(Clone, Debug, Default)]
pub struct Auditor {
    before: Option<FileHash>,
    carry: BTreeMap<MinerId, Msat>,
    received: BTreeMap<EpochId, Msat>,
}

impl Auditor {
    /// Checks the next file and gives its hash.
    pub fn check(&mut self, file: &AuditFile) -> Result<FileHash, Difference> {
        if file.previous != self.before {
            return Err(Difference::Chain {
                file: file.previous,
                before: self.before,
            });
        }
        recompute(file)?;
        for candidate in &file.settlement.candidates {
            let computed = self
                .received
                .get(&candidate.epoch)
                .copied()
                .unwrap_or_default();
            if computed != candidate.received {
                let (epoch, file) = (candidate.epoch, candidate.received);
                return Err(Difference::Received {
                    epoch,
                    file,
                    computed,
                });
            }
        }
        for row in &file.miners {
            if self.carry.get(&row.miner).copied().unwrap_or_default() != row.carry_before {
                return Err(Difference::Carry(row.miner));
            }
        }
        let bytes = file
            .to_bytes()
            .map_err(|error| Difference::Write(error.to_string()))?;
        for part in &file.settlement.parts {
            let sum = self.received.entry(part.epoch).or_default();
            *sum = Msat::new(sum.get().saturating_add(part.amount.get()));
        }
        self.carry
            .extend(file.miners.iter().map(|row| (row.miner, row.carry_after)));
        let hash = FileHash::of(&bytes);
        self.before = Some(hash);
        Ok(hash)
    }
}
