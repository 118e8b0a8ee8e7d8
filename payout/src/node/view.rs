//! What the node looks like at one moment, in values of our own.

use bitcoin::secp256k1::PublicKey;
use ldk_node::{LightningBalance, Node};
use ledger::{Msat, Sat};
use lightning::chain::channelmonitor::BalanceSource;
use serde::{Deserialize, Serialize};

/// The node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Who it is.
    pub node_id: PublicKey,
    /// Its channels.
    pub channels: Vec<ChannelView>,
    /// Whom it knows.
    pub peers: Vec<PeerView>,
    /// What it has.
    pub balances: Balances,
    /// The last block that it saw.
    pub tip_height: u32,
    /// When it last heard from its chain source, seconds since 1970.
    pub chain_heard_secs: Option<u64>,
    /// When it last announced itself to the network, seconds since 1970.
    pub announced_secs: Option<u64>,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelView {
    /// The node's own name for it, which commands take.
    #[serde(with = "ledger::as_text")]
    pub id: u128,
    /// With whom.
    pub peer: PublicKey,
    /// Its size.
    pub size: Sat,
    /// What it can take in all, in msat.
    pub inbound: Msat,
    /// The most that it takes in one part, in msat; unknown until the peer has said it.
    pub inbound_part: Option<Msat>,
    /// What it can send, in msat.
    pub outbound: Msat,
    /// Confirmed, or trusted without.
    pub is_ready: bool,
    /// Ready, and the peer is there.
    pub is_usable: bool,
    /// The network may know of it.
    pub is_public: bool,
    /// We opened it.
    pub is_ours: bool,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Who.
    pub node_id: PublicKey,
    /// Where.
    pub address: String,
    /// It is there.
    pub is_connected: bool,
    /// The node connects to it by itself.
    pub is_persistent: bool,
}

/// What the node has, in the parts that an operator thinks in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// Ours in channels, those that are closing included.
    pub channels: Sat,
    /// On-chain and confirmed enough to be spent, the anchors' reserve not counted.
    pub spendable: Sat,
    /// On-chain in all.
    pub on_chain: Sat,
    /// Kept for closing channels.
    pub anchor_reserve: Sat,
    /// On the way from closed channels into the wallet.
    pub closing: Sat,
}

/// Looks at the node. It blocks for a few locks, never for the network.
pub(crate) fn look(node: &Node) -> NodeView {
    let status = node.status();
    NodeView {
        node_id: node.node_id(),
        channels: node.list_channels().iter().map(channel).collect(),
        peers: node
            .list_peers()
            .into_iter()
            .map(|peer| PeerView {
                node_id: peer.node_id,
                address: peer.address.to_string(),
                is_connected: peer.is_connected,
                is_persistent: peer.is_persisted,
            })
            .collect(),
        balances: balances(node),
        tip_height: status.current_best_block.height,
        chain_heard_secs: status.latest_lightning_wallet_sync_timestamp,
        announced_secs: status.latest_node_announcement_broadcast_timestamp,
    }
}

/// What the usable channels can send in all.
pub(super) fn spendable(node: &Node) -> Msat {
    let channels = node.list_channels();
    let usable = channels.iter().filter(|channel| channel.is_usable);
    Msat::new(
        usable
            .map(|channel| channel.outbound_capacity_msat)
            .fold(0, u64::saturating_add),
    )
}

fn channel(channel: &ldk_node::ChannelDetails) -> ChannelView {
    let inbound = Msat::new(channel.inbound_capacity_msat);
    // Two caps on what is in flight towards us: ours at opening, and the peer's own.
    let cap = [
        channel.inbound_htlc_maximum_msat,
        channel.counterparty_outbound_htlc_maximum_msat,
    ];
    let cap = cap.into_iter().flatten().min().map(Msat::new);
    ChannelView {
        id: channel.user_channel_id.0,
        peer: channel.counterparty_node_id,
        size: Sat::new(channel.channel_value_sats),
        inbound,
        inbound_part: cap.map(|cap| cap.min(inbound)),
        outbound: Msat::new(channel.outbound_capacity_msat),
        is_ready: channel.is_channel_ready,
        is_usable: channel.is_usable,
        is_public: channel.is_announced,
        is_ours: channel.is_outbound,
    }
}

fn balances(node: &Node) -> Balances {
    let all = node.list_balances();
    let closing = all
        .pending_balances_from_channel_closures
        .iter()
        .map(|pending| match pending {
            ldk_node::PendingSweepBalance::PendingBroadcast {
                amount_satoshis, ..
            }
            | ldk_node::PendingSweepBalance::BroadcastAwaitingConfirmation {
                amount_satoshis,
                ..
            }
            | ldk_node::PendingSweepBalance::AwaitingThresholdConfirmations {
                amount_satoshis,
                ..
            } => *amount_satoshis,
        })
        .fold(0, u64::saturating_add);
    // The output of a close that both sides agreed to is the wallet's at once: confirmed,
    // it is a coin there, while the channel counts it for some blocks more.
    let twice = all.lightning_balances.iter().map(|balance| match balance {
        LightningBalance::ClaimableAwaitingConfirmations {
            amount_satoshis,
            source: BalanceSource::CoopClose,
            ..
        } => *amount_satoshis,
        _ => 0,
    });
    let twice = twice.fold(0, u64::saturating_add);
    Balances {
        channels: Sat::new(all.total_lightning_balance_sats.saturating_sub(twice)),
        spendable: Sat::new(all.spendable_onchain_balance_sats),
        on_chain: Sat::new(all.total_onchain_balance_sats),
        anchor_reserve: Sat::new(all.total_anchor_channels_reserve_sats),
        closing: Sat::new(closing),
    }
}
