//! What the operator's commands do with the node.

use std::time::Duration;

use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Txid};
use ldk_node::{Node, UserChannelId};
use ledger::Sat;
use tokio::time::Instant;

use crate::node::payments::{self, OnChainFee};
use crate::node::{Lightning, NodeError};
use crate::settings::Peer;

/// A transaction that a chain source has not shown by then has come to nothing, or nobody
/// can tell.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// Between two looks for it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How a channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Both sides agree: cheap and quick, and the peer must be there.
    Together,
    /// Alone: the money is locked for some hundred blocks, at a higher price.
    ByForce,
}

/// What is sent on-chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So much; the fee comes on top.
    Sats(Sat),
    /// All but the reserve for closing channels; the fee comes out of it.
    AllButReserve,
}

impl Lightning {
    /// A fresh address of the node's wallet, for the operator's own deposits. Never the
    /// payout address ([`crate::payout_address`]), which was set aside before the node
    /// first started.
    ///
    /// # Errors
    /// If the node is not up or its store fails.
    pub async fn deposit_address(&self) -> Result<Address, NodeError> {
        let address = self.with(|node| node.onchain_payment().new_address());
        Ok(address.await??)
    }

    /// What the node's own transactions cost so far.
    ///
    /// # Errors
    /// If the node is not up.
    pub async fn on_chain_fees(&self) -> Result<Vec<OnChainFee>, NodeError> {
        self.with(payments::on_chain_fees).await
    }

    /// Connects to a peer, now and after every restart.
    ///
    /// # Errors
    /// If the node is not up or the peer is not reached.
    pub async fn connect(&self, peer: Peer) -> Result<(), NodeError> {
        let connected = self.with(move |node| node.connect(peer.node_id, peer.address, true));
        Ok(connected.await??)
    }

    /// Opens a channel of `size` to a peer, from the node's own wallet; its name, for
    /// [`Self::close_channel`].
    ///
    /// # Errors
    /// If the node is not up, the peer is not reached, the coins are missing, or it is to
    /// be public and the node is not.
    pub async fn open_channel(
        &self,
        peer: Peer,
        size: Sat,
        is_public: bool,
    ) -> Result<u128, NodeError> {
        let opened = self.with(move |node| {
            let Peer { node_id, address } = peer;
            if is_public {
                node.open_announced_channel(node_id, address, size.get(), None, None)
            } else {
                node.open_channel(node_id, address, size.get(), None, None)
            }
        });
        Ok(opened.await??.0)
    }

    /// Closes the channel of that name.
    ///
    /// # Errors
    /// If the node is not up, has no such channel, or the peer is not there to agree.
    pub async fn close_channel(&self, id: u128, how: Close) -> Result<(), NodeError> {
        let closed = self.with(move |node| {
            let channels = node.list_channels();
            let channel = channels.iter().find(|one| one.user_channel_id.0 == id);
            let Some(channel) = channel else {
                return Err(NodeError::Failed(format!("it has no channel {id}")));
            };
            let (id, peer) = (UserChannelId(id), channel.counterparty_node_id);
            match how {
                Close::Together => node.close_channel(&id, peer)?,
                Close::ByForce => node.force_close_channel(&id, peer, None)?,
            }
            Ok(())
        });
        closed.await?
    }

    /// Sends from the node's wallet, and waits until the chain source shows the
    /// transaction: it is handed over without an answer, and until it is seen the wallet
    /// would spend the same coins again. What it costs is the caller's to bring into the
    /// books, before.
    ///
    /// # Errors
    /// If the node is not up, the address is of another network, or the coins are missing:
    /// nothing was sent. [`NodeError::Unseen`] and [`NodeError::BrokeOff`]: that is not
    /// known.
    pub async fn send_on_chain(
        &self,
        to: Address<NetworkUnchecked>,
        amount: Amount,
    ) -> Result<Txid, NodeError> {
        let _alone = self.sends.lock().await;
        let sent = self.with(move |node| {
            let network = node.config().network;
            let to = to
                .require_network(network)
                .map_err(|error| NodeError::Failed(error.to_string()))?;
            let (wallet, before) = (node.onchain_payment(), on_chain_sat(node));
            Ok(match amount {
                Amount::Sats(sats) => (
                    wallet.send_to_address(&to, sats.get(), None)?,
                    before.saturating_sub(sats.get()),
                ),
                Amount::AllButReserve => (
                    wallet.send_all_to_address(&to, true, None)?,
                    before.saturating_sub(1),
                ),
            })
        });
        let sent: Result<(Txid, u64), NodeError> = sent.await?;
        let (txid, left) = sent?;
        let handed_over = Instant::now();
        while !self.has_at_most(left, txid).await? {
            if handed_over.elapsed() > SEEN_WITHIN {
                return Err(NodeError::Unseen(txid));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(txid)
    }

    /// Whether the wallet has seen that it made `txid`: its payments tell of a transaction
    /// only in a block, its balance at once. Whatever is the matter with the node now, the
    /// transaction is made.
    async fn has_at_most(&self, left: u64, txid: Txid) -> Result<bool, NodeError> {
        let looked = self.with(move |node| {
            if let Err(error) = node.sync_wallets() {
                tracing::debug!(%error, "the node's wallet is not up to date");
            }
            on_chain_sat(node) <= left
        });
        looked.await.map_err(|_| NodeError::Unseen(txid))
    }
}

/// All that the wallet has, unconfirmed too.
fn on_chain_sat(node: &Node) -> u64 {
    node.list_balances().total_onchain_balance_sats
}
