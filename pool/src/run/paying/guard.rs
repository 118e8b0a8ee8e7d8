//! Assets and liabilities after an order of the operator. Miners' money never pays for
//! the operator's orders: neither the amount nor the network's fee.

use std::fmt;

use accounting::{MSAT_PER_SAT, Msat, Sat};
use anyhow::{Result, bail};
use mint::Liabilities;
use payout::commands::Amount;
use payout::settings::Peer;

use super::super::solvency::{Assets, Owed};
use super::{Node, Paying};
use crate::admin::Afterwards;
use crate::control;

/// Satoshis per vbyte where the chain source makes no estimate.
const RATE_UNKNOWN: u32 = 20;

/// The same on networks whose coins are worth nothing.
const RATE_UNKNOWN_TESTS: u32 = 2;

/// The highest rate at which the pool spends. Blocks were fuller than that for hours only; a
/// source that asks for more is wrong, or lies.
const RATE_AT_MOST: u32 = 1_000;

/// Within so many blocks a transaction of the operator's is to be confirmed.
const WITHIN_BLOCKS: u16 = 6;

/// The vbytes of a transaction that opens a channel beyond the coins that it spends are
/// those of one that pays to an address. This is what the channel itself sets aside, which
/// counts as gone: two anchors, and vbytes of the transaction that would close it.
const ANCHORS_SAT: u64 = 660;
const COMMITMENT_VBYTES: u64 = 281;

/// What an order takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outlay {
    /// What leaves the pool, the network's fee among it.
    pub(super) leaves: Msat,
    /// What of it is booked to the operator's account, so that it is not owed any more.
    pub(super) booked: Msat,
    /// The network's fee, as it was estimated.
    pub(super) fee: Msat,
}

/// More would be owed than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused(Afterwards);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Afterwards {
            owed_msat,
            there_msat,
            fee_sat,
        } = self.0;
        let missing = owed_msat.saturating_sub(there_msat);
        write!(
            f,
            "{owed_msat} msat are owed when it is done, and only {there_msat} msat would be there, \
             after a network fee of about {fee_sat} sat: {missing} msat of it are the miners' \
             (axepool fee status). Add --force to do it all the same"
        )
    }
}

/// What is owed and what is there when it is done, unless miners' money would pay for it.
/// The operator's account covers what is booked to it, as far as it goes.
fn afterwards(owed: &Owed, there: u128, outlay: Outlay) -> Option<(Afterwards, bool)> {
    let miners = owed.total()?.checked_sub(owed.fee)?;
    let operators = owed.fee.saturating_sub(u128::from(outlay.booked.get()));
    let after = Afterwards {
        owed_msat: miners.saturating_add(operators),
        there_msat: there.saturating_sub(u128::from(outlay.leaves.get())),
        fee_sat: Sat::new(outlay.fee.get().div_ceil(MSAT_PER_SAT)),
    };
    Some((after, after.there_msat >= after.owed_msat))
}

impl Paying {
    /// What would be owed and there after `outlay`.
    ///
    /// # Errors
    /// Miners' money would pay for it, or nobody knows, unless it is by `force`.
    pub(super) async fn may_leave(
        &self,
        node: &Node,
        outlay: Outlay,
        force: bool,
    ) -> Result<Option<Afterwards>> {
        let known = self.known_now(node).await?;
        let Some((owed, there)) = known else {
            if force {
                return Ok(None);
            }
            bail!("what is owed is not known now: try again in some seconds, or add --force");
        };
        match afterwards(&owed, there, outlay) {
            Some((after, false)) if !force => bail!("{}", Refused(after)),
            Some((after, _)) => Ok(Some(after)),
            None if force => Ok(None),
            None => {
                bail!("what is owed is not known now: try again in some seconds, or add --force")
            }
        }
    }

    /// The liabilities as the ledger has them now, and the node's assets. The operator's
    /// payments under way count as gone, and so do withdrawals that may have been sent. `None`
    /// while a part is not known.
    async fn known_now(&self, node: &Node) -> Result<Option<(Owed, u128)>> {
        // Without a mint all that was ever paid to miners is still owed.
        let without = (!self.has_mint).then(Liabilities::default);
        let mint = self.known().looked.and_then(|looked| looked.mint);
        let mint = mint.or(without);
        let owed = Owed::new(&self.totals().await?, mint.as_ref());
        let view = node.lightning.view().await?;
        // As for melts: what rounding hides is there.
        let there = Assets::new(&view.balances, view.channels.len()).at_most();
        let undecided = node.payer.undecided().await?;
        let ours = undecided.iter().filter(|one| one.id.starts_with(OPERATOR));
        let paying = ours.fold(0_u128, |sum, one| {
            sum + u128::from(one.amount.get()) + u128::from(one.fee_limit.get())
        });
        let reader = self.ledger.reader().clone();
        let sent = tokio::task::spawn_blocking(move || control::undecided(&reader)).await??;
        let paying = paying.saturating_add(sent.saturating_mul(u128::from(MSAT_PER_SAT)));
        let is_known = owed.total().is_some();
        Ok(is_known.then_some((owed, there.saturating_sub(paying))))
    }

    /// What sending `amount` from the wallet takes at a `rate` of satoshis per vbyte.
    pub(super) async fn sending(&self, node: &Node, amount: Amount, rate: u32) -> Result<Outlay> {
        let fee = node.lightning.on_chain_cost(amount, rate).await?;
        let fee = fee.to_msat().unwrap_or(Msat::new(u64::MAX));
        let sent = match amount {
            // The fee comes out of it.
            Amount::AllButReserve => {
                let view = node.lightning.view().await?;
                view.balances
                    .spendable
                    .to_msat()
                    .unwrap_or(Msat::new(u64::MAX))
            }
            Amount::Sats(sats) => {
                let sats = sats.to_msat().unwrap_or(Msat::new(u64::MAX));
                sats.checked_add(fee).unwrap_or(Msat::new(u64::MAX))
            }
        };
        Ok(Outlay {
            leaves: sent,
            booked: fee,
            fee,
        })
    }

    /// What opening a channel of `size` takes: its money stays, less what the channel sets
    /// aside for being closed.
    pub(super) async fn opening(&self, node: &Node, size: Sat) -> Result<Outlay> {
        let rate = self.rate(node).await?;
        let fee = node
            .lightning
            .on_chain_cost(Amount::Sats(size), rate)
            .await?;
        let closing = COMMITMENT_VBYTES.saturating_mul(u64::from(rate)) + ANCHORS_SAT;
        let msat = |sat: u64| Msat::new(sat.saturating_mul(MSAT_PER_SAT));
        Ok(Outlay {
            leaves: msat(fee.get().saturating_add(closing)),
            booked: msat(fee.get()),
            fee: msat(fee.get()),
        })
    }

    /// Whether the wallet has the coins for a channel of `size` to `peer`.
    ///
    /// # Errors
    /// It has not: how much is missing, and an address to send it to.
    pub(super) async fn has_coins(
        &self,
        node: &Node,
        peer: &Peer,
        size: Sat,
        outlay: Outlay,
    ) -> Result<()> {
        let free = node.lightning.view().await?.balances.spendable;
        let anchors = &node.settings.anchors;
        let is_trusted = anchors.trusted.contains(&peer.node_id);
        let reserve = if is_trusted { 0 } else { anchors.reserve_sat };
        let fee = outlay.fee.get().div_ceil(MSAT_PER_SAT);
        let needed = [size.get(), reserve, fee];
        let needed = needed.into_iter().fold(0, u64::saturating_add);
        let missing = needed.saturating_sub(free.get());
        if missing == 0 {
            return Ok(());
        }
        let address = node.lightning.deposit_address().await?;
        bail!(
            "a channel of {size} sat takes {needed} sat on-chain ({reserve} sat of it are kept for \
             its closing, and about {fee} sat are the network's fee), and {free} sat are there to \
             be spent. Send {missing} sat or more to {address}, which is the node's own, and open \
             the channel when they are confirmed"
        )
    }

    /// The fee rate of now, in satoshis per vbyte. It is asked once for an order: what was
    /// measured is what is sent.
    ///
    /// # Errors
    /// The chain source asks for more than anybody should pay.
    pub(super) async fn rate(&self, node: &Node) -> Result<u32> {
        let unknown = match node.settings.network {
            bitcoin::Network::Bitcoin => RATE_UNKNOWN,
            _ => RATE_UNKNOWN_TESTS,
        };
        match node.chain.fee_rate(WITHIN_BLOCKS).await {
            Ok(Some(rate)) if rate > RATE_AT_MOST => bail!(
                "the chain source estimates a fee rate of {rate} sat/vB, and the pool spends at \
                 {RATE_AT_MOST} at most: try again later, or with another chain source"
            ),
            Ok(Some(rate)) => Ok(rate),
            Ok(None) => Ok(unknown),
            Err(error) => {
                tracing::warn!(%error, unknown, "the chain source gives no fee rate");
                Ok(unknown)
            }
        }
    }
}

/// How ids of the operator's own payments begin.
pub(super) const OPERATOR: &str = "operator-";

#[cfg(test)]
mod tests {
    use super::super::super::solvency::MintOwes;
    use super::*;

    /// What is owed to miners and to the operator, what is there, what leaves and what of
    /// it is booked: what is owed and there afterwards, and whether it may.
    #[track_caller]
    fn case(owed: (u64, u128), there: u128, took: (u64, u64), expected: (u128, u128, bool)) {
        let owed = Owed {
            mint: Some(MintOwes {
                outstanding: Sat::new(owed.0),
                ..MintOwes::default()
            }),
            fee: owed.1,
            ..Owed::default()
        };
        let outlay = Outlay {
            leaves: Msat::new(took.0),
            booked: Msat::new(took.1),
            fee: Msat::ZERO,
        };
        let (after, may) = afterwards(&owed, there, outlay).expect("known");
        assert_eq!((after.owed_msat, after.there_msat, may), expected);
    }

    #[test]
    fn miners_money_pays_for_nothing_of_the_operators() {
        // All of it is the miners': neither an amount nor a fee may leave.
        case((10, 0), 10_000, (0, 0), (10_000, 10_000, true));
        case((10, 0), 10_000, (1, 1), (10_000, 9_999, false));
        // The operator's 5,000 pay for amount and fee together, and for no more.
        case((10, 5_000), 15_000, (5_000, 5_000), (10_000, 10_000, true));
        case((10, 5_000), 15_000, (5_200, 5_200), (10_000, 9_800, false));
        // A fee that is booked is not owed any more; an amount that is not booked is.
        case((10, 5_000), 15_000, (200, 200), (14_800, 14_800, true));
        case((10, 5_000), 15_000, (1_200, 200), (14_800, 13_800, false));
        // What nobody is owed may go.
        case((10, 0), 11_000, (1_000, 0), (10_000, 10_000, true));
        case((10, 0), 5, (1_000, 0), (10_000, 0, false));
    }

    #[test]
    fn a_refusal_has_the_numbers() {
        let refused = Refused(Afterwards {
            owed_msat: 10_000,
            there_msat: 9_800,
            fee_sat: Sat::new(141),
        });
        let said = refused.to_string();
        for part in [
            "10000 msat are owed",
            "9800 msat",
            "141 sat",
            " 200 msat of it",
            "--force",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
}
