//! The epochs of a payment, and how much of it each gets.

use serde::{Deserialize, Serialize};

use super::account::EpochAccount;
use super::allocate::apportion;
use super::expect::{Epochs, Expectations, closer};
use super::note::Note;
use super::policy::Policy;
use crate::{EpochId, Msat, Work};

/// How a payout's epochs were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The note named the block that closed it.
    Named {
        /// The epoch.
        epoch: EpochId,
        /// What of the note matched.
        by: NamedBy,
    },
    /// Nothing usable was named: the uncovered epochs whose block was deep enough.
    Deep,
    /// The operator said so.
    Assigned {
        /// The epoch.
        epoch: EpochId,
    },
}

/// What of a note matched an OCEAN block. Which of these OCEAN means is not known for
/// sure: the ledger keeps it with every payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// The block's hash.
    Hash,
    /// The height at which payouts of that block start (found + 30).
    PayoutHeight,
    /// The height at which it was found.
    FoundHeight,
}

impl Found {
    /// The one epoch that it names.
    pub fn epoch(self) -> Option<EpochId> {
        match self {
            Found::Named { epoch, .. } | Found::Assigned { epoch } => Some(epoch),
            Found::Deep => None,
        }
    }
}

/// An epoch that could get something of a payout, as it was before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The epoch.
    pub epoch: EpochId,
    /// All its work.
    pub work: Work,
    /// What it was expected to get in all.
    pub expected: Option<Msat>,
    /// What it had got.
    pub received: Msat,
}

/// What a note means, given the OCEAN blocks known now: its hash, if that is one; else
/// its height less the payout delay, else its height.
pub(super) fn named(epochs: &Epochs, policy: &Policy, note: Note) -> Option<Found> {
    let find = |is: &dyn Fn(super::Block) -> bool, by: NamedBy| {
        epochs
            .iter()
            .rev()
            .find(|(_, epoch)| epoch.block().is_some_and(is))
            .map(|(&epoch, _)| Found::Named { epoch, by })
    };
    let delayed = note.height.checked_sub(policy.payout_delay_blocks);
    find(&|block| block.hash == note.hash, NamedBy::Hash)
        .or_else(|| {
            find(
                &|block| Some(block.height) == delayed,
                NamedBy::PayoutHeight,
            )
        })
        .or_else(|| find(&|block| block.height == note.height, NamedBy::FoundHeight))
}

/// The epochs that may get something: the named one and every earlier uncovered one.
pub(super) fn candidates_named(
    epochs: &Epochs,
    expectations: &Expectations<'_>,
    named: EpochId,
) -> Vec<Candidate> {
    let wanted = |epoch: &EpochAccount| epoch.epoch == named || !epoch.covered;
    candidates(
        epochs,
        expectations,
        epochs
            .range(..=named)
            .map(|(_, epoch)| epoch)
            .filter(|e| wanted(e)),
    )
}

/// The uncovered epochs whose block is at or below `height`. Those closed by command go
/// with the next block's.
pub(super) fn candidates_deep(
    epochs: &Epochs,
    expectations: &Expectations<'_>,
    height: u32,
) -> Vec<Candidate> {
    let deep = |epoch: &EpochAccount| {
        let block = closer(epochs, epoch.epoch).and_then(|(_, closer)| closer.block());
        !epoch.covered && block.is_some_and(|block| block.height <= height)
    };
    candidates(
        epochs,
        expectations,
        epochs.values().filter(|epoch| deep(epoch)),
    )
}

/// One epoch alone.
pub(super) fn candidates_only(
    epochs: &Epochs,
    expectations: &Expectations<'_>,
    only: EpochId,
) -> Vec<Candidate> {
    candidates(epochs, expectations, epochs.get(&only).into_iter())
}

fn candidates<'a>(
    epochs: &Epochs,
    expectations: &Expectations<'_>,
    wanted: impl Iterator<Item = &'a EpochAccount>,
) -> Vec<Candidate> {
    // Before the first work there is nobody to pass an epoch's money to.
    let Some(first) = epochs.values().find(|e| e.is_closed() && !e.work.is_zero()) else {
        return Vec::new();
    };
    wanted
        .filter(|epoch| epoch.is_closed() && epoch.epoch >= first.epoch)
        .map(|epoch| Candidate {
            epoch: epoch.epoch,
            work: epoch.work,
            expected: expectations.of_epoch(epoch.epoch),
            received: epoch.received,
        })
        .collect()
}

/// How much each candidate gets, in their order, adding up to `amount`; those that get
/// nothing are left out.
///
/// Under half of what the named epoch expects in all: a gift, for that epoch alone, so
/// that dust with a forged note takes nobody's place. Else in proportion to what each
/// is still expected to get; by work, when that is not known of all. Where all of them
/// have what they expected, the newest gets it, which is the named one.
pub(super) fn share_out(
    amount: Msat,
    found: Found,
    candidates: &[Candidate],
) -> Vec<(EpochId, Msat)> {
    let Some(newest) = candidates.last() else {
        return Vec::new();
    };
    let gift =
        found.epoch() == Some(newest.epoch) && !super::expect::covers(amount, newest.expected);
    let known = candidates
        .iter()
        .all(|candidate| candidate.expected.is_some());
    let weight = |candidate: &Candidate| match candidate.expected {
        Some(expected) if known => {
            u128::from(expected.get().saturating_sub(candidate.received.get()))
        }
        _ => candidate.work.hashes(),
    };
    let weights = candidates
        .iter()
        .map(|candidate| (candidate.epoch, weight(candidate)));
    let parts = if gift {
        None
    } else {
        apportion(amount.get(), weights)
    };
    match parts {
        Some(parts) => parts
            .into_iter()
            .filter(|&(_, part)| part > 0)
            .map(|(epoch, part)| (epoch, Msat::new(part)))
            .collect(),
        None => vec![(newest.epoch, amount)],
    }
}
