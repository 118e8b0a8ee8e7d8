//! The amount that a closed epoch is expected to get.
//!
//! The one source of it is OCEAN's API. Money that came is none: anybody can pay the
//! offer, so that what epochs received says nothing of what they were to receive.

use std::collections::{BTreeMap, BTreeSet};

use ruint::aliases::U256;

use super::account::{Earnings, EpochAccount};
use super::allocate::apportion_msat;
use super::policy::Policy;
use crate::{EpochId, Msat, Split, Work};

/// All epochs, in their order.
pub(super) type Epochs = BTreeMap<EpochId, EpochAccount>;

/// Money per work, as a fraction.
#[derive(Clone, Copy)]
struct Rate {
    msat: U256,
    work: U256,
}

/// Expectations, all by one rate: that of the time before the event.
pub(super) struct Expectations<'a> {
    epochs: &'a Epochs,
    policy: &'a Policy,
    /// The newest epochs that the API told of, to judge others by.
    recent: Vec<Told>,
    rate: Option<Rate>,
}

/// What the API told of a block, and our own work that the block paid, about: that of
/// the last epochs up to it.
#[derive(Clone, Copy)]
struct Told {
    epoch: EpochId,
    net: U256,
    window: U256,
    /// How many epochs that is.
    epochs: u64,
}

/// Divides by any number of epochs of a window without a rest.
const SCALE: u64 = 840;

impl Told {
    fn of(epochs: &Epochs, policy: &Policy, account: &EpochAccount) -> Option<Told> {
        let net = account.earnings?.net.get();
        let closed = epochs.range(..=account.epoch).rev();
        let closed = closed.filter(|(_, epoch)| epoch.is_closed());
        let (mut window, mut count) = (Work::ZERO, 0_u64);
        for (_, epoch) in closed.take(policy.window_epochs) {
            window = window.saturating_add(epoch.work);
            count = count.saturating_add(1);
        }
        (!window.is_zero()).then(|| Told {
            epoch: account.epoch,
            net: U256::from(net),
            window: U256::from(window.hashes()),
            epochs: count,
        })
    }

    /// Both tell about the same, of the block or of a hash in the window: our part of a
    /// block stays while our hashrate does, and grows with it.
    fn agrees(&self, other: &Told, factor: u32) -> bool {
        let factor = U256::from(factor);
        let near = |one: U256, two: U256| {
            // 64 + 128 + 32 bits: it fits.
            one <= two.saturating_mul(factor) && two <= one.saturating_mul(factor)
        };
        near(self.net, other.net)
            || near(
                self.net.saturating_mul(other.window),
                other.net.saturating_mul(self.window),
            )
    }
}

impl<'a> Expectations<'a> {
    pub(super) fn of(epochs: &'a Epochs, policy: &'a Policy) -> Self {
        let newest_first = epochs.values().rev().filter(|epoch| counts(epoch));
        let told = newest_first.filter_map(|epoch| Told::of(epochs, policy, epoch));
        let mut known = Expectations {
            epochs,
            policy,
            recent: told.take(policy.recent_epochs).collect(),
            rate: None,
        };
        known.rate = known.rate();
        known
    }

    /// True when something is known of what work earns.
    pub(super) fn are_known(&self) -> bool {
        self.rate.is_some()
    }

    /// The API's earnings of the block that closed it. Epochs closed by command wait
    /// for the next block and share its earnings with the epoch that it closed, by
    /// work. Where the API is silent or not believed, its rate of the recent epochs;
    /// without that nothing is known. An orphaned block brings nothing.
    pub(super) fn of_epoch(&self, id: EpochId) -> Option<Msat> {
        let epoch = self.epochs.get(&id)?;
        if epoch.orphaned {
            return Some(Msat::ZERO);
        }
        self.by_earnings(id).or_else(|| {
            let Rate { msat, work } = self.rate?;
            let product = U256::from(epoch.work.hashes()).checked_mul(msat)?;
            // An absurd estimate (over 2^64 msat) is none.
            u64::try_from(product.checked_div(work)?)
                .ok()
                .map(Msat::new)
        })
    }

    /// What the API told of the block of an epoch, as far as it is believed.
    ///
    /// Earnings are when more than half of what it told lately is about the same, of the
    /// block or per hash of our own work in the window: one wrong figure among right ones
    /// is found, whichever came first, and of two that contradict each other neither is
    /// used.
    pub(super) fn believed(&self, id: EpochId) -> Option<Earnings> {
        let account = self.epochs.get(&id)?;
        let told = Told::of(self.epochs, self.policy, account)?;
        let others = self.recent.iter().filter(|other| other.epoch != id);
        let agreeing = others
            .clone()
            .filter(|other| told.agrees(other, self.policy.belief_factor));
        let (agreeing, all) = (agreeing.count(), others.count());
        // It speaks for itself.
        if agreeing.saturating_add(1).saturating_mul(2) <= all.saturating_add(1) {
            return None;
        }
        account.earnings
    }

    /// The same, as far as a part that is split so uses it: a window is believed when it
    /// is near our own work of the last epochs, and looked at where it is used only. (An
    /// operator may have other devices at the same address.)
    pub(super) fn used(&self, id: EpochId, split: Split) -> Option<Earnings> {
        let earnings = self.believed(id)?;
        let told = Told::of(self.epochs, self.policy, self.epochs.get(&id)?)?;
        let shares = earnings.shares_in_window;
        let is_near = |shares: &u64| split == Split::Epoch || self.is_window(told.window, *shares);
        Some(Earnings {
            shares_in_window: shares.filter(is_near),
            ..earnings
        })
    }

    /// Epochs of which the API told what is not believed, the newest ones.
    pub(super) fn doubted(&self) -> BTreeSet<EpochId> {
        let recent = self.recent.iter().map(|told| told.epoch);
        recent
            .filter(|&epoch| {
                let account = self.epochs.get(&epoch);
                account.is_some_and(|account| {
                    self.used(epoch, account.terms.split) != account.earnings
                })
            })
            .collect()
    }

    fn is_window(&self, own: U256, shares: u64) -> bool {
        let factor = U256::from(self.policy.window_factor);
        let told = U256::from(shares).saturating_mul(U256::from(1_u64 << 32));
        told <= own.saturating_mul(factor) && own <= told.saturating_mul(factor)
    }

    fn by_earnings(&self, id: EpochId) -> Option<Msat> {
        let (&closer, account) = closer(self.epochs, id)?;
        let net = self.believed(closer)?.net.to_msat()?;
        let group = span(self.epochs, closer).map(|epoch| (epoch.epoch, epoch.work.hashes()));
        // Oldest last here, so the closer comes first and a tie's msat is its own.
        let all = std::iter::once((closer, account.work.hashes())).chain(group);
        match apportion_msat(net, all) {
            Some(parts) => parts
                .into_iter()
                .find(|&(at, _)| at == id)
                .map(|(_, part)| part),
            None => Some(if closer == id { net } else { Msat::ZERO }),
        }
    }

    /// What work earned lately: a block pays for all of its window, so the work that its
    /// earnings are measured by is that of an epoch on the average of it.
    fn rate(&self) -> Option<Rate> {
        let mut sum = Rate {
            msat: U256::ZERO,
            work: U256::ZERO,
        };
        for told in &self.recent {
            let Some(net) = self.believed(told.epoch).and_then(|e| e.net.to_msat()) else {
                continue;
            };
            let scale = U256::from(SCALE);
            let msat = U256::from(net.get()).saturating_mul(scale);
            let work = told.window.saturating_mul(scale);
            let work = work.checked_div(U256::from(told.epochs));
            sum.msat = sum.msat.saturating_add(msat);
            sum.work = sum.work.saturating_add(work.unwrap_or_default());
        }
        (!sum.work.is_zero() && !sum.msat.is_zero()).then_some(sum)
    }
}

/// Closed, and its block is one of the chain.
fn counts(epoch: &EpochAccount) -> bool {
    epoch.is_closed() && !epoch.orphaned
}

/// The epochs that wait for the block that closed `closer`: those closed by command
/// since the block before it, the newest first.
pub(super) fn span(
    epochs: &Epochs,
    closer: EpochId,
) -> impl Iterator<Item = &EpochAccount> + Clone {
    epochs
        .range(..closer)
        .rev()
        .map(|(_, epoch)| epoch)
        .take_while(|epoch| epoch.block().is_none() || epoch.orphaned)
        .filter(|epoch| counts(epoch))
}

/// The epoch whose block ends the span that `id` is in: itself, or the next one that a
/// block closed which is still in the chain.
pub(super) fn closer(epochs: &Epochs, id: EpochId) -> Option<(&EpochId, &EpochAccount)> {
    epochs
        .range(id..)
        .find(|(_, epoch)| epoch.block().is_some() && !epoch.orphaned)
}

/// At least half of `expected` is there.
pub(super) fn covers(received: Msat, expected: Msat) -> bool {
    let twice = u128::from(received.get()).saturating_mul(2);
    !received.is_zero() && twice >= u128::from(expected.get())
}
