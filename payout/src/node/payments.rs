//! The node's stored payments: the one place that knows how ldk-node keeps them. (Its
//! `payment` and `list_payments` are about to change.)

use std::collections::{BTreeMap, HashSet};
use std::io;

use accounting::settle::Preimage;
use accounting::{MSAT_PER_SAT, Msat};
use bitcoin::Txid;
use bitcoin::hashes::{Hash as _, sha256};
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};
use ldk_node::{Node, PendingSweepBalance};
use lightning::ln::channelmanager::PaymentId;
use lightning::types::payment::PaymentHash;

use super::{fetched, storage_dir};
use crate::intake::{Paid, Received};
use crate::outgoing::{Name, Outbound, Status};

/// What a transaction of ours cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OnChainFee {
    /// The transaction.
    pub txid: Txid,
    /// Its fee.
    pub fee: Msat,
}

/// What the node's own transactions cost, those of its channels among them, once they are
/// confirmed: of two that replace each other one is. The wallet knows what its own cost;
/// what sweeps closed channels, or fetches lost money, spends coins that it never had.
pub(crate) fn on_chain_fees(node: &Node) -> io::Result<Vec<OnChainFee>> {
    let fetched = fetched::all(&storage_dir(node))?.into_iter();
    let fetched = fetched.filter(|one| arrived_on_chain(node, &one.txid).is_some());
    Ok(wallets_fees(node)
        .into_iter()
        .chain(sweeps(node))
        .chain(fetched)
        .collect())
}

/// What is confirmed of a transaction to the wallet, in msat.
fn arrived_on_chain(node: &Node, txid: &Txid) -> Option<u64> {
    let payment = node.payment(&PaymentId(txid.to_byte_array()))?;
    let is_inbound = payment.direction == PaymentDirection::Inbound
        && payment.status == PaymentStatus::Succeeded;
    payment.amount_msat.filter(|_| is_inbound)
}

/// What the confirmed sweeps of closed channels cost: each spends all of its channels'
/// outputs, and pays the wallet alone. (ldk-node forgets them after 4,032 blocks.)
fn sweeps(node: &Node) -> Vec<OnChainFee> {
    let mut spent: BTreeMap<Txid, u64> = BTreeMap::new();
    for one in node.list_balances().pending_balances_from_channel_closures {
        if let PendingSweepBalance::AwaitingThresholdConfirmations {
            latest_spending_txid,
            amount_satoshis,
            ..
        } = one
        {
            let sat = spent.entry(latest_spending_txid).or_default();
            *sat = sat.saturating_add(amount_satoshis);
        }
    }
    let fee = |(txid, sat): (Txid, u64)| {
        let arrived = arrived_on_chain(node, &txid)?;
        let fee = sat.checked_mul(MSAT_PER_SAT)?.checked_sub(arrived)?;
        (fee > 0).then_some(OnChainFee {
            txid,
            fee: Msat::new(fee),
        })
    };
    spent.into_iter().filter_map(fee).collect()
}

fn wallets_fees(node: &Node) -> Vec<OnChainFee> {
    let ours = node.list_payments_with_filter(|payment| {
        payment.direction == PaymentDirection::Outbound
            && payment.status == PaymentStatus::Succeeded
    });
    let fee = |payment: PaymentDetails| match payment.kind {
        PaymentKind::Onchain { txid, .. } => Some(OnChainFee {
            txid,
            fee: Msat::new(payment.fee_paid_msat.filter(|fee| *fee > 0)?),
        }),
        _ => None,
    };
    ours.into_iter().filter_map(fee).collect()
}

/// The incoming payment of that hash, if it is complete; ldk-node names incoming
/// payments by their hash.
pub(crate) fn received(node: &Node, hash: &sha256::Hash) -> Option<Received> {
    node.payment(&PaymentId(hash.to_byte_array()))
        .and_then(arrived)
}

/// All that ever arrived over lightning, oldest first.
pub(crate) fn all_received(node: &Node) -> Vec<Received> {
    let complete = node.list_payments_with_filter(|payment| {
        payment.direction == PaymentDirection::Inbound && payment.status == PaymentStatus::Succeeded
    });
    let mut all: Vec<Received> = complete.into_iter().filter_map(arrived).collect();
    all.sort_by_key(|payment| (payment.at_secs, payment.hash));
    all
}

/// Whether the wallet has seen that transaction in a block, now or before.
pub(super) fn is_on_chain(node: &Node, txid: &Txid) -> bool {
    node.payment(&PaymentId(txid.to_byte_array())).is_some()
}

/// Which of these outgoing payments have arrived.
pub(super) fn arrived_of(node: &Node, hashes: &HashSet<PaymentHash>) -> HashSet<PaymentHash> {
    let hash = |kind: &PaymentKind| match kind {
        PaymentKind::Bolt11 { hash, .. }
        | PaymentKind::Bolt11Jit { hash, .. }
        | PaymentKind::Spontaneous { hash, .. } => Some(*hash),
        PaymentKind::Bolt12Offer { hash, .. } | PaymentKind::Bolt12Refund { hash, .. } => *hash,
        PaymentKind::Onchain { .. } => None,
    };
    let arrived = node.list_payments_with_filter(|payment| {
        payment.direction == PaymentDirection::Outbound
            && payment.status == PaymentStatus::Succeeded
            && hash(&payment.kind).is_some_and(|hash| hashes.contains(&hash))
    });
    let arrived = arrived.iter().filter_map(|payment| hash(&payment.kind));
    arrived.collect()
}

/// The outgoing payment of that name.
pub(crate) fn outbound(node: &Node, name: Name) -> Option<Outbound> {
    node.payment(&PaymentId(name.0)).and_then(went_out)
}

/// The outgoing payment to an offer that carries this note.
pub(crate) fn outbound_with_note(node: &Node, note: &str) -> Option<Outbound> {
    let with_note = node.list_payments_with_filter(|payment| {
        payment.direction == PaymentDirection::Outbound
            && matches!(
                &payment.kind,
                PaymentKind::Bolt12Offer { payer_note: Some(said), .. } if said.0 == note
            )
    });
    with_note.into_iter().next().and_then(went_out)
}

fn went_out(details: PaymentDetails) -> Option<Outbound> {
    if details.direction != PaymentDirection::Outbound {
        return None;
    }
    let (preimage, note) = match details.kind {
        PaymentKind::Bolt12Offer {
            preimage,
            payer_note,
            ..
        } => (preimage, payer_note.map(|note| note.0)),
        PaymentKind::Bolt11 { preimage, .. }
        | PaymentKind::Bolt11Jit { preimage, .. }
        | PaymentKind::Bolt12Refund { preimage, .. }
        | PaymentKind::Spontaneous { preimage, .. } => (preimage, None),
        PaymentKind::Onchain { .. } => return None,
    };
    Some(Outbound {
        status: match details.status {
            PaymentStatus::Pending => Status::Pending,
            PaymentStatus::Succeeded => Status::Succeeded,
            PaymentStatus::Failed => Status::Failed,
        },
        amount: details.amount_msat.map(Msat::new),
        fee: details.fee_paid_msat.map(Msat::new),
        preimage: preimage.map(|preimage| Preimage(preimage.0).to_string()),
        note,
        at_secs: details.latest_update_timestamp,
    })
}

fn arrived(details: PaymentDetails) -> Option<Received> {
    if details.direction != PaymentDirection::Inbound || details.status != PaymentStatus::Succeeded
    {
        return None;
    }
    let (preimage, paid) = match details.kind {
        PaymentKind::Bolt12Offer {
            preimage,
            offer_id,
            payer_note,
            ..
        } => (
            preimage,
            Paid::Offer {
                id: offer_id,
                note: payer_note.map(|note| note.0),
            },
        ),
        PaymentKind::Bolt11 { preimage, .. }
        | PaymentKind::Bolt11Jit { preimage, .. }
        | PaymentKind::Bolt12Refund { preimage, .. }
        | PaymentKind::Spontaneous { preimage, .. } => (preimage, Paid::Other),
        PaymentKind::Onchain { .. } => return None,
    };
    Some(Received {
        hash: sha256::Hash::from_byte_array(details.id.0),
        amount: Msat::new(details.amount_msat?),
        preimage: preimage.map(|preimage| Preimage(preimage.0)),
        at_secs: details.latest_update_timestamp,
        paid,
    })
}
