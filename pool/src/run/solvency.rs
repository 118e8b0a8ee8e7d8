//! Solvency: liabilities against assets. Pure: numbers in, a verdict out.
//!
//! Both sides are shown separately, in msat, since carry is less than a satoshi. An
//! unknown amount is `None`, never 0.

use accounting::settle::Totals;
use accounting::{MSAT_PER_SAT, Msat, Sat};
use mint::Liabilities;
use payout::node::Balances;

use super::solvency_report::{AssetsReport, LiabilitiesReport};

/// What the pool owes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    /// What the mint says; `None` while it is not open.
    pub(super) mint: Option<MintOwes>,
    /// All miners' carry.
    pub(super) carry: u128,
    /// Arrived, and nobody's yet.
    pub(super) suspense: u128,
    /// The operator's, not withdrawn.
    pub(super) fee: u128,
}

/// What the pool owes through its mint, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MintOwes {
    /// Ecash that is out there.
    pub(super) outstanding: Sat,
    /// Paid to quotes and not issued yet.
    pub(super) paid_unissued: Sat,
    /// Payments that the mint refuses for good.
    pub(super) parked: Sat,
    /// Payments in the ledger that have not reached the mint yet.
    pub(super) unapplied: Sat,
}

/// What the pool has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Assets {
    /// Ours in channels.
    pub(super) channels: Sat,
    /// In payments that are not decided: ecash that is melted for one is owed until then.
    pub(super) under_way: Msat,
    /// Confirmed on-chain, the reserve for closing channels among it.
    pub(super) on_chain: Sat,
    /// On the way from closed channels, and no coin of the wallet yet.
    pub(super) closing: Sat,
    /// Channels with money of ours: of each the node shows whole satoshis, though the
    /// part of one that is beyond them is ours, too.
    pub(super) rounded: u64,
}

/// Whether ecash can be turned into lightning payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Melts {
    /// There is no node, or nothing was looked at yet.
    Off,
    /// They can.
    On,
    /// More is owed than there is.
    Paused {
        /// By so much.
        missing: Msat,
    },
}

impl Melts {
    /// What their holders are told while they are paused.
    pub(super) fn why_not(&self) -> Option<String> {
        match self {
            Melts::Off | Melts::On => None,
            Melts::Paused { .. } => {
                Some("the pool owes more than it has, and its operator is told".to_owned())
            }
        }
    }
}

impl Owed {
    /// From the ledger's totals and what the mint says of itself.
    pub(super) fn new(totals: &Totals, mint: Option<&Liabilities>) -> Owed {
        Owed {
            mint: mint.map(|mint| {
                let told = totals.paid / u128::from(MSAT_PER_SAT);
                let told = u64::try_from(told).unwrap_or(u64::MAX);
                let there = mint.paid_sat.get().saturating_add(mint.parked_sat.get());
                MintOwes {
                    outstanding: mint.outstanding_sat,
                    paid_unissued: mint.paid_unissued_sat,
                    parked: mint.parked_sat,
                    // The mint was asked at another moment: it may be ahead.
                    unapplied: Sat::new(told.saturating_sub(there)),
                }
            }),
            carry: totals.carry,
            // What gathers is nobody's yet as well.
            suspense: totals.suspense.saturating_add(totals.gathered),
            fee: totals.withdrawable(),
        }
    }

    /// All of it in msat; `None` while a part is not known.
    pub(super) fn total(&self) -> Option<u128> {
        let mint = self.mint?;
        let sats = [
            mint.outstanding,
            mint.paid_unissued,
            mint.parked,
            mint.unapplied,
        ];
        let sats = sats.iter().map(|sats| u128::from(sats.get()));
        let msat = sats.sum::<u128>().checked_mul(u128::from(MSAT_PER_SAT))?;
        [self.carry, self.suspense, self.fee]
            .into_iter()
            .try_fold(msat, u128::checked_add)
    }

    /// For `/api/solvency`.
    pub(super) fn told(self) -> LiabilitiesReport {
        let mint = self.mint;
        LiabilitiesReport {
            outstanding_sat: mint.map(|mint| mint.outstanding),
            paid_unissued_sat: mint.map(|mint| mint.paid_unissued),
            parked_sat: mint.map(|mint| mint.parked),
            unapplied_sat: mint.map(|mint| mint.unapplied),
            carry_msat: self.carry,
            suspense_msat: self.suspense,
            fee_msat: self.fee,
            total_msat: self.total(),
        }
    }
}

impl Assets {
    /// From what the node has.
    pub(super) fn new(balances: &Balances, channels: usize) -> Assets {
        Assets {
            rounded: u64::try_from(channels).unwrap_or(u64::MAX),
            channels: balances.channels,
            under_way: balances.under_way,
            on_chain: Sat::new(
                balances
                    .spendable
                    .get()
                    .saturating_add(balances.anchor_reserve.get()),
            ),
            closing: balances.closing,
        }
    }

    /// All of it, in msat.
    pub(super) fn total(&self) -> u128 {
        let sats = [self.channels, self.on_chain, self.closing];
        let sats = sats.iter().map(|sats| u128::from(sats.get()));
        // Three times 2^64 times 1,000 is far below 2^128.
        let sats = sats.sum::<u128>().saturating_mul(u128::from(MSAT_PER_SAT));
        sats.saturating_add(u128::from(self.under_way.get()))
    }

    /// The same with what rounding hides: just below a satoshi for each channel.
    pub(super) fn at_most(&self) -> u128 {
        let hidden = u128::from(self.rounded) * u128::from(MSAT_PER_SAT - 1);
        self.total().saturating_add(hidden)
    }

    /// For `/api/solvency`.
    pub(super) fn told(self) -> AssetsReport {
        AssetsReport {
            channels_sat: self.channels,
            under_way_msat: u128::from(self.under_way.get()),
            on_chain_sat: self.on_chain,
            closing_sat: self.closing,
            total_msat: self.total(),
        }
    }
}

/// Whether melts go on: `before` stands while one side is not known.
pub(super) fn melts(owed: &Owed, assets: Option<&Assets>, before: Melts) -> Melts {
    let (Some(owed), Some(assets)) = (owed.total(), assets) else {
        return before;
    };
    match owed.checked_sub(assets.at_most()) {
        None | Some(0) => Melts::On,
        Some(missing) => Melts::Paused {
            missing: Msat::new(u64::try_from(missing).unwrap_or(u64::MAX)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(outstanding: u64, carry: u128) -> Owed {
        Owed {
            mint: Some(MintOwes {
                outstanding: Sat::new(outstanding),
                ..MintOwes::default()
            }),
            carry,
            ..Owed::default()
        }
    }

    fn assets(channels: u64) -> Assets {
        Assets {
            channels: Sat::new(channels),
            ..Assets::default()
        }
    }

    #[track_caller]
    fn case(owed: Owed, assets: Option<Assets>, before: Melts, after: Melts) {
        assert_eq!(melts(&owed, assets.as_ref(), before), after);
    }

    #[test]
    fn melts_pause_when_more_is_owed_than_there_is() {
        let paused = |missing| Melts::Paused {
            missing: Msat::new(missing),
        };
        case(owed(10, 0), Some(assets(10)), Melts::Off, Melts::On);
        case(owed(10, 1), Some(assets(10)), Melts::On, paused(1));
        case(owed(11, 0), Some(assets(10)), Melts::On, paused(1000));
        case(owed(10, 0), Some(assets(10)), paused(7), Melts::On);
        // What a channel has beyond whole satoshis is not shown, and no breach.
        let rounded = Assets {
            rounded: 1,
            ..assets(10)
        };
        case(owed(10, 999), Some(rounded), Melts::On, Melts::On);
        case(owed(11, 0), Some(rounded), Melts::On, paused(1));
        // A payment that somebody holds is not gone.
        let held = Assets {
            under_way: Msat::new(1_000),
            ..assets(9)
        };
        case(owed(10, 0), Some(held), Melts::On, Melts::On);
        case(owed(10, 1), Some(held), Melts::On, paused(1));
        // What is not known changes nothing.
        case(owed(11, 0), None, Melts::On, Melts::On);
        let unknown = Owed::default();
        case(unknown, Some(assets(0)), paused(7), paused(7));
    }

    #[test]
    fn what_has_not_reached_the_mint_is_owed_all_the_same() {
        let totals = Totals {
            received: 20_500,
            paid: 20_000,
            carry: 400,
            fee: 100,
            ..Totals::default()
        };
        let mint = Liabilities {
            outstanding_sat: Sat::new(3),
            paid_unissued_sat: Sat::new(9),
            parked_sat: Sat::new(1),
            paid_sat: Sat::new(12),
        };
        let owed = Owed::new(&totals, Some(&mint));
        assert_eq!(owed.mint.map(|mint| mint.unapplied), Some(Sat::new(7)));
        assert_eq!(owed.total(), Some(20_500));
        assert_eq!(Owed::new(&totals, None).total(), None);
    }
}
