//! What the node looks like at one moment, in values of our own.

use accounting::{Msat, Sat};
use basics::clock::now_secs;
use bitcoin::secp256k1::PublicKey;
use ldk_node::Node;
use serde::{Deserialize, Serialize};

use super::balances::{Balances, Swept, balances};
use super::closed::{self, ClosedView};
use super::store::Store;
use super::{payments, storage_dir};

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
    /// Its wallet began anew on a chain where it may have had coins, and nobody has looked
    /// for them (`axepool node recover`).
    pub is_unsought: bool,
    /// The channels that were closed, the newest first.
    pub closed: Vec<ClosedView>,
    /// The last block that it saw.
    pub tip_height: u32,
    /// When it last heard from its chain source, seconds since 1970.
    pub chain_heard_secs: Option<u64>,
    /// Why nobody knows which chain is the network's, while that is so.
    pub chain_doubt: Option<String>,
    /// When it last announced itself to the network, seconds since 1970.
    pub announced_secs: Option<u64>,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelView {
    /// The node's own name for it, which commands take.
    #[serde(with = "accounting::as_text")]
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

/// Looks at the node. It blocks for a few locks and for its disk, never for the network.
pub(super) fn look(node: &Node, store: &Store, chain_doubt: Option<String>) -> NodeView {
    let status = node.status();
    let at = (status.current_best_block.height, now_secs());
    let all = node.list_balances();
    let is_wallets = |swept: &Swept| store.wallet_has(node, swept);
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
        balances: balances(
            &all,
            |hashes| payments::arrived_of(node, hashes),
            is_wallets,
        ),
        is_unsought: store.given().known().is_unsought,
        closed: closed::look(&storage_dir(node), &all, is_wallets, at),
        tip_height: status.current_best_block.height,
        chain_heard_secs: status.latest_lightning_wallet_sync_timestamp,
        chain_doubt,
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
