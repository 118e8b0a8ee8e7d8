//! The node's events. There is one queue and one loop over it: an event that nobody
//! takes stands before all that come after it.

use accounting::Msat;
use accounting::settle::Preimage;
use bitcoin::hashes::{Hash as _, sha256};
use ldk_node::Event;

use super::closed::ClosedChannel;
use crate::outgoing::{Heard, Name};

/// What became of a channel, for logs and for who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelNews {
    /// It waits for its confirmations.
    Pending,
    /// It can be used.
    Ready,
    /// It is gone.
    Closed,
    /// It changes its size, or could not.
    Spliced,
}

/// What an event asks of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Money arrived: book it, then acknowledge.
    Received { hash: sha256::Hash, amount: Msat },
    /// An outgoing payment is decided: write it down, then acknowledge.
    Outgoing(Heard),
    /// A channel was closed: keep who did it, then acknowledge.
    Closed(ClosedChannel),
    /// The channels are not what they were.
    Channels(ChannelNews),
    /// Nothing.
    Nothing,
}

/// Reads an event, and tells the log of it.
pub(super) fn meaning(event: &Event, now_secs: u64) -> Meaning {
    match event {
        Event::PaymentReceived {
            payment_hash,
            amount_msat,
            ..
        } => Meaning::Received {
            hash: sha256::Hash::from_byte_array(payment_hash.0),
            amount: Msat::new(*amount_msat),
        },
        Event::PaymentSuccessful {
            payment_id,
            payment_hash,
            payment_preimage,
            fee_paid_msat,
        } => {
            // A name is there in all that this version of the node wrote.
            let name = Name(payment_id.map_or(payment_hash.0, |id| id.0));
            tracing::info!(%name, ?fee_paid_msat, "an outgoing payment succeeded");
            Meaning::Outgoing(Heard::Arrived {
                name,
                preimage: payment_preimage.map(|preimage| Preimage(preimage.0).to_string()),
                fee: fee_paid_msat.map(Msat::new),
            })
        }
        Event::PaymentFailed {
            payment_id,
            payment_hash,
            reason,
        } => {
            let id = payment_id.map(|id| id.0);
            let Some(name) = id.or(payment_hash.map(|hash| hash.0)).map(Name) else {
                return Meaning::Nothing;
            };
            tracing::info!(%name, ?reason, "an outgoing payment failed");
            Meaning::Outgoing(Heard::Failed { name })
        }
        Event::PaymentClaimable { payment_hash, .. } => {
            // Only for invoices made with a hash of somebody else, which we never make.
            tracing::warn!(%payment_hash, "a payment waits for a preimage that is not ours");
            Meaning::Nothing
        }
        Event::PaymentForwarded {
            total_fee_earned_msat,
            ..
        } => {
            tracing::debug!(?total_fee_earned_msat, "forwarded a payment");
            Meaning::Nothing
        }
        Event::ChannelPending {
            counterparty_node_id,
            funding_txo,
            ..
        } => {
            tracing::info!(peer = %counterparty_node_id, %funding_txo, "a channel waits for its confirmations");
            Meaning::Channels(ChannelNews::Pending)
        }
        Event::ChannelReady {
            counterparty_node_id,
            ..
        } => {
            let peer = counterparty_node_id.map(|id| id.to_string());
            tracing::info!(peer, "a channel is ready");
            Meaning::Channels(ChannelNews::Ready)
        }
        Event::ChannelClosed {
            counterparty_node_id,
            channel_id,
            user_channel_id,
            reason,
        } => {
            let names = (user_channel_id.0, channel_id);
            let reason = reason.as_ref();
            let closed = ClosedChannel::new(names, *counterparty_node_id, reason, now_secs);
            let peer = counterparty_node_id.map(|id| id.to_string());
            let (reason, by) = (&closed.reason, closed.by);
            // Until another is open OCEAN cannot pay: somebody should look.
            tracing::warn!(peer, reason, ?by, "a channel was closed");
            Meaning::Closed(closed)
        }
        Event::SplicePending { .. } => Meaning::Channels(ChannelNews::Spliced),
        Event::SpliceFailed {
            counterparty_node_id,
            ..
        } => {
            tracing::warn!(peer = %counterparty_node_id, "a channel could not change its size");
            Meaning::Channels(ChannelNews::Spliced)
        }
    }
}
