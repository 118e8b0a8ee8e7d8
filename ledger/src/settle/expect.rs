//! What a closed epoch is expected to get.

use std::collections::BTreeMap;

use ruint::aliases::U256;

use super::account::EpochAccount;
use super::allocate::apportion;
use super::policy::Policy;
use crate::{EpochId, Msat};

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
    rate: Option<Rate>,
}

impl<'a> Expectations<'a> {
    pub(super) fn of(epochs: &'a Epochs, policy: &Policy) -> Self {
        let covered = |epoch: &EpochAccount| epoch.covered.then_some(epoch.received);
        let earned = |epoch: &EpochAccount| epoch.earnings.and_then(|known| known.net.to_msat());
        let rate = rate(epochs, policy, covered).or_else(|| rate(epochs, policy, earned));
        Expectations { epochs, rate }
    }

    /// The API's earnings of the block that closed it. Epochs closed by command wait
    /// for the next block and share its earnings with the epoch that it closed, by
    /// work. Without the API the rate of the recent payouts; without these nothing is
    /// known.
    pub(super) fn of_epoch(&self, id: EpochId) -> Option<Msat> {
        let epoch = self.epochs.get(&id)?;
        self.by_earnings(id).or_else(|| {
            let Rate { msat, work } = self.rate?;
            let product = U256::from(epoch.work.hashes()).checked_mul(msat)?;
            // An absurd estimate (over 2^64 msat) is none.
            u64::try_from(product.checked_div(work)?)
                .ok()
                .map(Msat::new)
        })
    }

    fn by_earnings(&self, id: EpochId) -> Option<Msat> {
        let (&closer, account) = closer(self.epochs, id)?;
        let net = account.earnings?.net.to_msat()?;
        let group = self
            .epochs
            .range(..closer)
            .rev()
            .take_while(|(_, epoch)| epoch.block().is_none())
            .filter(|(_, epoch)| epoch.is_closed())
            .map(|(&id, epoch)| (id, epoch.work.hashes()));
        // Oldest last here, so the closer comes first and a tie's msat is its own.
        let all = std::iter::once((closer, account.work.hashes())).chain(group);
        match apportion(net.get(), all) {
            Some(parts) => parts
                .into_iter()
                .find(|&(at, _)| at == id)
                .map(|(_, part)| Msat::new(part)),
            None => Some(if closer == id { net } else { Msat::ZERO }),
        }
    }
}

/// The epoch whose block ends the span that `id` is in: itself, or the next one that a
/// block closed.
pub(super) fn closer(epochs: &Epochs, id: EpochId) -> Option<(&EpochId, &EpochAccount)> {
    epochs
        .range(id..)
        .find(|(_, epoch)| epoch.block().is_some())
}

fn rate(
    epochs: &Epochs,
    policy: &Policy,
    money: impl Fn(&EpochAccount) -> Option<Msat>,
) -> Option<Rate> {
    let mut sum = Rate {
        msat: U256::ZERO,
        work: U256::ZERO,
    };
    let known = epochs
        .values()
        .rev()
        .filter(|epoch| epoch.is_closed() && !epoch.work.is_zero());
    let known = known.filter_map(|epoch| money(epoch).map(|msat| (msat, epoch.work)));
    for (msat, work) in known
        .filter(|(msat, _)| !msat.is_zero())
        .take(policy.recent_epochs)
    {
        sum.msat = sum.msat.saturating_add(U256::from(msat.get()));
        sum.work = sum.work.saturating_add(U256::from(work.hashes()));
    }
    (!sum.work.is_zero()).then_some(sum)
}

/// At least half of `expected` is there; where nothing is known, anything is enough.
pub(super) fn covers(received: Msat, expected: Option<Msat>) -> bool {
    let twice = u128::from(received.get()).saturating_mul(2);
    !received.is_zero() && expected.is_none_or(|expected| twice >= u128::from(expected.get()))
}
