//! Questions and orders about the lightning node, and their answers.

use accounting::{Msat, Sat};
use bitcoin::Txid;
use bitcoin::secp256k1::PublicKey;
use payout::marks::GoOn;
use payout::node::{ChannelView, ClosedView, PeerView};
use payout::outgoing::{Outcome, Undecided};
use payout::readiness::Check;
use serde::{Deserialize, Serialize};

/// A question or an order for the node of the running process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeRequest {
    /// How is it, and what keeps OCEAN from paying?
    Status,
    /// A fresh address for the operator's own deposits.
    DepositAddress,
    /// The offer for OCEAN: the one that there is, or a new one.
    Offer {
        /// A new one where the one that there is does not work any more.
        #[serde(default)]
        renew: bool,
    },
    /// Connect to a peer, now and after every restart.
    Connect {
        /// `node_id@host:port`.
        peer: String,
    },
    /// Open a channel.
    Open {
        /// `node_id@host:port`.
        peer: String,
        /// Its size.
        size: Sat,
        /// The network may know of it.
        public: bool,
        /// Even if less is left than is owed.
        #[serde(default)]
        force: bool,
    },
    /// Close a channel.
    Close {
        /// The node's own name for it.
        #[serde(with = "accounting::as_text")]
        channel: u128,
        /// Without the peer's agreement.
        force: bool,
    },
    /// Send from the node's wallet.
    SendOnchain {
        /// The address.
        to: String,
        /// How much; `None`: all but the reserve for closing channels.
        amount: Option<Sat>,
        /// Even if less is left than is owed.
        force: bool,
    },
    /// Pay over lightning, with what is the operator's.
    Pay {
        /// An invoice or an offer.
        to: String,
        /// How much, where it does not say so itself.
        amount: Option<Sat>,
        /// Even if less is left than is owed.
        force: bool,
    },
    /// What of the chain does the node's wallet see, and which addresses are its own?
    Wallet,
    /// Keep that older coins of the wallet were looked for, and sent to it.
    Sought,
    /// Keep what a transaction costs that brings lost money to the node's wallet, before it
    /// is handed to the network: it is booked once it is confirmed.
    Fetching {
        /// The transaction.
        txid: Txid,
        /// Its fee.
        fee: Sat,
    },
    /// Start the node although its directory is not the last one, or may not be.
    Accept {
        /// How it goes on.
        how: GoOn,
    },
    /// Which payments of the node are undecided?
    Undecided,
    /// Declare one as not made.
    GiveUp {
        /// Its id.
        id: String,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum NodeReply {
    /// To [`NodeRequest::Status`].
    Status(Box<NodeStatus>),
    /// To [`NodeRequest::DepositAddress`].
    DepositAddress {
        /// The address.
        address: String,
    },
    /// To [`NodeRequest::Offer`].
    Offer(Box<OfferAnswer>),
    /// To [`NodeRequest::Wallet`].
    Wallet(WalletView),
    /// It is done.
    Done,
    /// To [`NodeRequest::Open`]: the node waits for the channel's confirmations.
    Opening(Opening),
    /// To [`NodeRequest::SendOnchain`].
    Sent(Sent),
    /// To [`NodeRequest::Pay`] and [`NodeRequest::GiveUp`].
    Payment(Payment),
    /// To [`NodeRequest::Undecided`].
    Undecided {
        /// All that is neither paid nor certain not to be.
        payments: Vec<Undecided>,
    },
}

/// What of the chain the node's wallet sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletView {
    /// It has seen each block after this one, and nothing of what was there by then.
    pub first_block: u32,
    /// The last address that it gave out, counted from 0.
    pub external: u32,
    /// The last change address, likewise.
    pub internal: u32,
}

/// A channel that is being opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// The node's own name for it.
    #[serde(with = "accounting::as_text")]
    pub channel: u128,
    /// The estimate beforehand; `None` when there was none, and the order was forced.
    pub after: Option<Afterwards>,
    /// The amount that is missing for a channel in the other direction.
    #[serde(default)]
    pub advice: Option<String>,
}

/// An on-chain payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The transaction.
    pub txid: Txid,
    /// The estimate beforehand; `None` when there was none, and the order was forced.
    pub after: Option<Afterwards>,
}

/// A payment over lightning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub state: Outcome,
}

/// The offer for OCEAN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferAnswer {
    /// `lno1...`.
    pub offer: String,
    /// The payout address in its description.
    pub address: String,
    /// When it was made, seconds since 1970.
    pub made_secs: u64,
    /// It was made just now: OCEAN does not know it yet.
    pub is_new: bool,
    /// How a payer finds the node.
    pub route: String,
    /// Why it cannot be paid now, or ever again.
    pub trouble: Option<String>,
    /// What else is to be done for payments to arrive.
    pub advice: Vec<String>,
}

/// What is owed and what is there when an order is carried out, as it was estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Afterwards {
    /// To miners, holders of ecash and the operator.
    #[serde(with = "accounting::as_text")]
    pub owed_msat: u128,
    /// In channels, payments under way and on-chain.
    #[serde(with = "accounting::as_text")]
    pub there_msat: u128,
    /// What the network takes, at most.
    pub fee_sat: Sat,
}

/// The node at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// What it is doing, in words.
    pub state: String,
    /// What it looks like; `None` while it is not up.
    pub node: Option<NodeLook>,
    /// What was looked at for OCEAN's next payout, and how it is.
    pub checks: Vec<Check>,
    /// What the next payout is expected to have; `None` when nobody knows.
    pub expected: Option<Msat>,
    /// The channels that were closed, the newest first, as they were seen last.
    pub closed: Vec<ClosedView>,
}

/// The node while it is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeLook {
    /// Who it is.
    pub node_id: PublicKey,
    /// The last block that it saw.
    pub tip_height: u32,
    /// Its channels.
    pub channels: Vec<ChannelView>,
    /// Whom it knows.
    pub peers: Vec<PeerView>,
    /// Ours in channels.
    pub channels_sat: Sat,
    /// On-chain and to be spent.
    pub spendable_sat: Sat,
    /// On-chain in all, unconfirmed too.
    pub on_chain_sat: Sat,
    /// Kept for closing channels.
    pub anchor_reserve_sat: Sat,
    /// On the way from closed channels.
    pub closing_sat: Sat,
}
