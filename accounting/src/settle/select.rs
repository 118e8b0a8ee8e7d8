//! The epochs of a payment.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::EpochAccount;
use super::expect::{Epochs, Expectations, closer};
use super::level::{self, Filled};
use super::note::Note;
use super::policy::Policy;
use crate::{EpochId, Msat, Work};

/// How a payout's epochs were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The epoch.
    pub epoch: EpochId,
    /// All its work.
    pub work: Work,
    /// What it was expected to get in all. Known of all candidates or of none.
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

/// Where a payment without an assignment belongs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meant {
    /// The epoch that its note names.
    Named(EpochId),
    /// Epochs whose block is at or below this height. `sure`: it is OCEAN's money.
    Deep { height: u32, sure: bool },
}

/// The epochs that may get something of `amount`. None: there is no place for it.
///
/// Where earnings are known: the named epoch and every earlier uncovered one, or every
/// uncovered one that is deep enough. Where nothing is known, see [`by_level`].
pub(super) fn candidates(
    epochs: &Epochs,
    expectations: &Expectations<'_>,
    meant: Meant,
    amount: Msat,
) -> Vec<Candidate> {
    // Before the first work there is nobody to pass an epoch's money to.
    let Some(first) = epochs.values().find(|e| e.is_closed() && !e.work.is_zero()) else {
        return Vec::new();
    };
    let possible = epochs
        .range(first.epoch..)
        .map(|(_, epoch)| epoch)
        .filter(|epoch| epoch.is_closed() && is_meant(epochs, meant, epoch));
    if expectations.are_known() {
        let wanted = possible.filter(|epoch| !epoch.covered || is_named(meant, epoch));
        return wanted
            .map(|epoch| candidate(epoch, expectations.of_epoch(epoch.epoch)))
            .collect();
    }
    by_level(epochs, possible, meant, amount)
}

/// One epoch alone, as the operator says.
pub(super) fn candidates_only(
    epochs: &Epochs,
    expectations: &Expectations<'_>,
    only: EpochId,
) -> Vec<Candidate> {
    let worked = |epoch: &&EpochAccount| epoch.is_closed() && !epoch.work.is_zero();
    let payable = epochs.range(..=only).any(|(_, epoch)| worked(&epoch));
    let account = epochs.get(&only).filter(|e| payable && e.is_closed());
    let expected = expectations.of_epoch(only);
    account
        .map(|account| candidate(account, expected))
        .into_iter()
        .collect()
}

fn candidate(epoch: &EpochAccount, expected: Option<Msat>) -> Candidate {
    Candidate {
        epoch: epoch.epoch,
        work: epoch.work,
        expected,
        received: epoch.received,
    }
}

fn is_named(meant: Meant, epoch: &EpochAccount) -> bool {
    matches!(meant, Meant::Named(named) if named == epoch.epoch)
}

/// Epochs closed by command go with the next block's. An orphaned block brings nothing,
/// but for what names it.
fn is_meant(epochs: &Epochs, meant: Meant, epoch: &EpochAccount) -> bool {
    match meant {
        Meant::Named(named) => epoch.epoch == named || (epoch.epoch < named && !epoch.orphaned),
        Meant::Deep { height, .. } => {
            let block = closer(epochs, epoch.epoch).and_then(|(_, closer)| closer.block());
            !epoch.orphaned && block.is_some_and(|block| block.height <= height)
        }
    }
}

/// Nothing is known of any earnings: all that says something about a payment is its
/// amount. The named epoch (or all deep ones that nothing came for) and the epochs that
/// would be left with less than half of what this payment gives for their work.
///
/// So nobody's place is taken by a payment that is small beside the real one, whoever
/// made it, how often and whatever it named.
fn by_level<'a>(
    epochs: &Epochs,
    possible: impl Iterator<Item = &'a EpochAccount>,
    meant: Meant,
    amount: Msat,
) -> Vec<Candidate> {
    let possible: Vec<Candidate> = possible.map(|epoch| candidate(epoch, None)).collect();
    let mut begun: BTreeSet<EpochId> = match meant {
        Meant::Named(named) => {
            let of = |e: &EpochAccount| e.is_closed() && !e.work.is_zero();
            let before = epochs.range(..=named).rev().map(|(_, epoch)| epoch);
            // Who has no work passes the money back, and the level is of who gets it.
            let payer = before.clone().find(|epoch| of(epoch));
            [Some(named), payer.map(|payer| payer.epoch)]
                .into_iter()
                .flatten()
                .collect()
        }
        Meant::Deep { .. } => {
            let open = |c: &&Candidate| {
                let covered = epochs.get(&c.epoch).is_some_and(|epoch| epoch.covered);
                !covered && !c.work.is_zero()
            };
            possible.iter().filter(open).map(|c| c.epoch).collect()
        }
    };
    if begun.is_empty() {
        // All have a mark of having been paid, and anybody can make one. What is
        // OCEAN's for sure finds those who got least, unless they have as much.
        let least = possible.iter().filter(|c| !c.work.is_zero());
        let least = least.min_by(|a, b| level::compare(a, b));
        let sure = matches!(meant, Meant::Deep { sure: true, .. });
        begun.extend(
            least
                .filter(|least| sure && least.received < amount)
                .map(|least| least.epoch),
        );
    }
    let (chosen, rest) = possible
        .into_iter()
        .partition(|candidate| begun.contains(&candidate.epoch));
    level::join(amount, chosen, rest)
}

/// How much each candidate gets, in their order, adding up to `amount`; those that get
/// nothing are left out.
///
/// Under half of what the named epoch expects in all: a gift, for that epoch alone. Else
/// in proportion to what each is still expected to get. Where all of them have what they
/// expected, the newest gets it, which is the named one. Where nothing is known: so that
/// all have as much for their work as can be, what they had received counted.
pub(super) fn share_out(
    amount: Msat,
    found: Found,
    candidates: &[Candidate],
) -> Vec<(EpochId, Msat)> {
    let Some(newest) = candidates.last() else {
        return Vec::new();
    };
    let all = || vec![(newest.epoch, amount)];
    let known: Option<Vec<(EpochId, Msat)>> = candidates
        .iter()
        .map(|c| Some((c.epoch, c.expected?)))
        .collect();
    let Some(expected) = known else {
        return match level::fill(amount, candidates) {
            Filled::Parts(parts) => given(parts),
            Filled::NoWork => all(),
        };
    };
    let is_named = found.epoch() == Some(newest.epoch);
    let of_newest = expected.last().map(|&(_, expected)| expected);
    if is_named && of_newest.is_some_and(|expected| !super::expect::covers(amount, expected)) {
        return all();
    }
    let missing = expected
        .iter()
        .zip(candidates)
        .map(|(&(epoch, expected), c)| {
            let missing = expected.get().saturating_sub(c.received.get());
            (epoch, u128::from(missing))
        });
    super::allocate::apportion_msat(amount, missing).map_or_else(all, given)
}

fn given(parts: Vec<(EpochId, Msat)>) -> Vec<(EpochId, Msat)> {
    parts
        .into_iter()
        .filter(|(_, part)| !part.is_zero())
        .collect()
}
