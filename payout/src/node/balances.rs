//! The node's assets, each satoshi counted once.
//!
//! LDK tells of money in three lists that overlap: the wallet's coins, the channels'
//! balances and the outputs of closed channels that are being swept. Two rules make one
//! sum of them. What the wallet has as a coin is counted there alone, whoever else still
//! lists it. A payment of ours that is under way (an outgoing HTLC) is ours until it is
//! decided: it left its channel's balance when it was offered, and may come back.

use std::collections::HashSet;

use accounting::{MSAT_PER_SAT, Msat, Sat};
use bitcoin::Txid;
use ldk_node::{BalanceDetails, LightningBalance, PendingSweepBalance};
use lightning::chain::channelmonitor::BalanceSource;
use lightning::ln::types::ChannelId;
use lightning::types::payment::PaymentHash;

/// Weight of a commitment transaction without HTLCs (BOLT 3, anchors).
const COMMITMENT_WEIGHT: u64 = 1124;

/// What each HTLC adds to that (BOLT 3).
const HTLC_WEIGHT: u64 = 172;

/// What the node has, in the parts that an operator thinks in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// Ours in channels, those that are closing included.
    pub channels: Sat,
    /// In payments of ours that are not decided: spent or back in their channels when they
    /// are.
    pub under_way: Msat,
    /// On-chain and confirmed enough to be spent, the anchors' reserve not counted.
    pub spendable: Sat,
    /// On-chain in all.
    pub on_chain: Sat,
    /// Kept for closing channels.
    pub anchor_reserve: Sat,
    /// On the way from closed channels into the wallet, and not yet a coin there.
    pub closing: Sat,
}

impl Balances {
    /// That a peer's channel would be refused for want of its reserve of `reserve_sat`, in
    /// words: the operator has to know it before one is bought.
    pub fn lacks_reserve(&self, reserve_sat: u64) -> Option<String> {
        let free = self.spendable.get();
        (free < reserve_sat).then(|| {
            format!(
                "a channel that a peer opens to this node is refused now: it needs {reserve_sat} \
                 sat on-chain as reserve, and {free} sat are free. Send more to `axepool address \
                 --deposit` before you buy one (or list the peer in anchors.trusted)"
            )
        })
    }
}

/// The parts of `all`. `is_paid`: which of these outgoing payments have arrived, so that
/// their HTLCs are the receivers' although the channel still has them. `is_wallets`: whether
/// the wallet has what was swept.
pub(super) fn balances(
    all: &BalanceDetails,
    is_paid: impl FnOnce(&HashSet<PaymentHash>) -> HashSet<PaymentHash>,
    is_wallets: impl Fn(&Swept) -> bool,
) -> Balances {
    let offered: HashSet<PaymentHash> = all
        .lightning_balances
        .iter()
        .filter_map(|balance| outgoing(balance).map(|(hash, _)| hash))
        .collect();
    let paid = if offered.is_empty() {
        HashSet::new()
    } else {
        is_paid(&offered)
    };
    let sum = |sats: &mut dyn Iterator<Item = u64>| sats.fold(0, u64::saturating_add);
    let twice = sum(&mut all.lightning_balances.iter().map(wallets_already));
    let for_htlcs = sum(&mut all
        .lightning_balances
        .iter()
        .map(|balance| fee_for_htlcs(balance, &all.lightning_balances)));
    let under_way = sum(&mut all
        .lightning_balances
        .iter()
        .map(|balance| under_way_msat(balance, &paid)));
    let swept = &all.pending_balances_from_channel_closures;
    let closing = sum(&mut swept.iter().map(|one| not_yet_wallets(one, &is_wallets)));
    let channels = all.total_lightning_balance_sats.saturating_sub(twice);
    Balances {
        channels: Sat::new(channels.saturating_add(for_htlcs)),
        under_way: Msat::new(under_way),
        spendable: Sat::new(all.spendable_onchain_balance_sats),
        on_chain: Sat::new(all.total_onchain_balance_sats),
        anchor_reserve: Sat::new(all.total_anchor_channels_reserve_sats),
        closing: Sat::new(closing),
    }
}

/// An HTLC of a payment of ours: its hash, and its whole satoshis.
fn outgoing(balance: &LightningBalance) -> Option<(PaymentHash, u64)> {
    match balance {
        LightningBalance::MaybeTimeoutClaimableHTLC {
            amount_satoshis,
            payment_hash,
            outbound_payment: true,
            ..
        } => Some((*payment_hash, *amount_satoshis)),
        _ => None,
    }
}

/// What of a balance is under way in payments of ours. LDK lists the whole satoshis of
/// each HTLC, and for the channel what is beyond them together with HTLCs that are too
/// small for an output.
fn under_way_msat(balance: &LightningBalance, paid: &HashSet<PaymentHash>) -> u64 {
    match (outgoing(balance), balance) {
        (Some((hash, _)), _) if paid.contains(&hash) => 0,
        (Some((_, sat)), _) => sat.saturating_mul(MSAT_PER_SAT),
        (
            None,
            LightningBalance::ClaimableOnChannelClose {
                outbound_payment_htlc_rounded_msat,
                ..
            },
        ) => *outbound_payment_htlc_rounded_msat,
        (None, _) => 0,
    }
}

/// The output of a close that both sides agreed to is the wallet's at once: confirmed, it
/// is a coin there, while the channel counts it for some blocks more.
fn wallets_already(balance: &LightningBalance) -> u64 {
    match balance {
        LightningBalance::ClaimableAwaitingConfirmations {
            amount_satoshis,
            source: BalanceSource::CoopClose,
            ..
        } => *amount_satoshis,
        _ => 0,
    }
}

/// What the commitment transaction of a channel that we opened costs more for the HTLCs in
/// it: LDK takes its fee from our balance. It is not spent, and strangers decide how many
/// HTLCs there are.
fn fee_for_htlcs(balance: &LightningBalance, all: &[LightningBalance]) -> u64 {
    let LightningBalance::ClaimableOnChannelClose {
        channel_id,
        transaction_fee_satoshis,
        outbound_payment_htlc_rounded_msat,
        outbound_forwarded_htlc_rounded_msat,
        inbound_claiming_htlc_rounded_msat,
        inbound_htlc_rounded_msat,
        ..
    } = balance
    else {
        return 0;
    };
    let htlcs = all.iter().filter(|one| is_htlc_of(one, channel_id)).count();
    let weight = HTLC_WEIGHT.saturating_mul(u64::try_from(htlcs).unwrap_or(u64::MAX));
    // What HTLCs lose to rounding is in LDK's figure, too, and counted elsewhere.
    let rounded = [
        outbound_payment_htlc_rounded_msat,
        outbound_forwarded_htlc_rounded_msat,
        inbound_claiming_htlc_rounded_msat,
        inbound_htlc_rounded_msat,
    ];
    let rounded = rounded
        .into_iter()
        .fold(0, |sum, msat| msat.saturating_add(sum));
    let fee = transaction_fee_satoshis.saturating_sub(rounded.div_ceil(MSAT_PER_SAT));
    let share =
        u128::from(fee) * u128::from(weight) / u128::from(COMMITMENT_WEIGHT.saturating_add(weight));
    u64::try_from(share).unwrap_or(0)
}

fn is_htlc_of(balance: &LightningBalance, channel: &ChannelId) -> bool {
    match balance {
        LightningBalance::MaybeTimeoutClaimableHTLC { channel_id, .. }
        | LightningBalance::MaybePreimageClaimableHTLC { channel_id, .. } => channel_id == channel,
        _ => false,
    }
}

/// What of a swept output is not the wallet's yet: LDK lists it for 4,032 blocks after its
/// transaction was confirmed, and the wallet has that from the moment that it sees it.
fn not_yet_wallets(swept: &PendingSweepBalance, is_wallets: &impl Fn(&Swept) -> bool) -> u64 {
    let swept = Swept::of(swept);
    if is_wallets(&swept) { 0 } else { swept.sat }
}

/// An output of a closed channel on its way into the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Swept {
    pub(super) channel: Option<ChannelId>,
    pub(super) sat: u64,
    /// The last transaction that was made for it; `None`: none yet.
    pub(super) txid: Option<Txid>,
}

impl Swept {
    pub(super) fn of(balance: &PendingSweepBalance) -> Swept {
        let (channel, sat, txid) = match balance {
            PendingSweepBalance::PendingBroadcast {
                channel_id,
                amount_satoshis,
            } => (channel_id, amount_satoshis, None),
            PendingSweepBalance::BroadcastAwaitingConfirmation {
                channel_id,
                amount_satoshis,
                latest_spending_txid,
                ..
            }
            | PendingSweepBalance::AwaitingThresholdConfirmations {
                channel_id,
                amount_satoshis,
                latest_spending_txid,
                ..
            } => (channel_id, amount_satoshis, Some(*latest_spending_txid)),
        };
        Swept {
            channel: *channel,
            sat: *sat,
            txid,
        }
    }
}

#[cfg(test)]
mod tests;
