//! The operator's commands to the node.

use std::time::Duration;

use accounting::Sat;
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, FeeRate, Txid};
use ldk_node::{Node, UserChannelId};
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
    /// payout address ([`crate::payout_address`]): the wallet counted beyond it before the
    /// node started.
    ///
    /// # Errors
    /// If the node is not up or its store fails.
    pub async fn deposit_address(&self) -> Result<Address, NodeError> {
        let live = self.live()?;
        let store = live.store();
        let address = live.with(move |node| {
            let address = node.onchain_payment().new_address()?;
            if store.is_payout_address(&address) {
                let why = "its wallet gave the payout address for a deposit: restart it";
                return Err(NodeError::Failed(why.to_owned()));
            }
            Ok(address)
        });
        address.await?
    }

    /// What the node's own transactions cost so far.
    ///
    /// # Errors
    /// If the node is not up, or what it wrote down cannot be read.
    pub async fn on_chain_fees(&self) -> Result<Vec<OnChainFee>, NodeError> {
        let fees = self.with(payments::on_chain_fees).await?;
        fees.map_err(|error| NodeError::Failed(error.to_string()))
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
    /// If the node is not up, the peer is not reached, the coins are missing, the chain is
    /// in doubt, or it is to be public and the node is not.
    pub async fn open_channel(
        &self,
        peer: Peer,
        size: Sat,
        is_public: bool,
    ) -> Result<u128, NodeError> {
        self.trusts_the_chain()?;
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

    /// The most that a transaction costs which sends `amount` from the node's wallet: as
    /// if it spent its smallest coins.
    ///
    /// # Errors
    /// If the node is not up.
    pub async fn on_chain_cost(
        &self,
        amount: Amount,
        sat_per_vbyte: u32,
    ) -> Result<Sat, NodeError> {
        let live = self.live()?;
        let store = live.store();
        let coins = live.with(move |_| store.coins()).await?;
        let coins = coins.unwrap_or_else(|error| {
            tracing::warn!(%error, "the wallet's coins cannot be listed: the fee is an estimate");
            vec![0; COINS_UNKNOWN]
        });
        Ok(Sat::new(most_cost(coins, amount, sat_per_vbyte)))
    }

    /// Sends from the node's wallet, and waits until the chain source shows the
    /// transaction: it is handed over without an answer, and until it is seen the wallet
    /// would spend the same coins again. What it costs is the caller's to bring into the
    /// books, before.
    ///
    /// # Errors
    /// If the node is not up, the address is of another network, the coins are missing, or
    /// the chain is in doubt: nothing was sent. [`NodeError::Unseen`] and [`NodeError::BrokeOff`]: that is not
    /// known.
    pub async fn send_on_chain(
        &self,
        to: Address<NetworkUnchecked>,
        amount: Amount,
        sat_per_vbyte: u32,
    ) -> Result<Txid, NodeError> {
        self.trusts_the_chain()?;
        let rate = FeeRate::from_sat_per_vb(u64::from(sat_per_vbyte));
        let _alone = self.sends.lock().await;
        let sent = self.with(move |node| {
            let network = node.config().network;
            let to = to
                .require_network(network)
                .map_err(|error| NodeError::Failed(error.to_string()))?;
            let (wallet, before) = (node.onchain_payment(), on_chain_sat(node));
            Ok(match amount {
                Amount::Sats(sats) => (
                    wallet.send_to_address(&to, sats.get(), rate)?,
                    before.saturating_sub(sats.get()),
                ),
                Amount::AllButReserve => (
                    wallet.send_all_to_address(&to, true, rate)?,
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

/// So many are reckoned with where the wallet's coins cannot be read.
const COINS_UNKNOWN: usize = 20;

/// Vbytes of an input of the wallet's.
const INPUT_VBYTES: u64 = 68;

/// Vbytes of all else of a transaction: frame, an output of any kind and one of change.
const OTHER_VBYTES: u64 = 11 + 43 + 31;

/// The cost with the smallest of `coins` (satoshis) that are enough, or all of them.
fn most_cost(mut coins: Vec<u64>, amount: Amount, sat_per_vbyte: u32) -> u64 {
    coins.sort_unstable();
    let mut vbytes = OTHER_VBYTES;
    let mut sum = 0_u64;
    for coin in coins {
        let fee = vbytes.saturating_mul(u64::from(sat_per_vbyte));
        if let Amount::Sats(sats) = amount
            && sum >= sats.get().saturating_add(fee)
        {
            break;
        }
        sum = sum.saturating_add(coin);
        vbytes = vbytes.saturating_add(INPUT_VBYTES);
    }
    vbytes.saturating_mul(u64::from(sat_per_vbyte))
}

/// All that the wallet has, unconfirmed too.
fn on_chain_sat(node: &Node) -> u64 {
    node.list_balances().total_onchain_balance_sats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_that_of_the_smallest_coins() {
        let cost = |coins: &[u64], amount| most_cost(coins.to_vec(), amount, 2);
        assert_eq!(cost(&[], Amount::Sats(Sat::new(5))), 2 * 85);
        let coins = [100_000, 500, 600];
        assert_eq!(cost(&coins, Amount::Sats(Sat::new(600))), 2 * (85 + 2 * 68));
        assert_eq!(cost(&coins, Amount::Sats(Sat::new(800))), 2 * (85 + 3 * 68));
        assert_eq!(
            cost(&coins, Amount::Sats(Sat::new(9_000_000))),
            2 * (85 + 3 * 68)
        );
        assert_eq!(cost(&coins, Amount::AllButReserve), 2 * (85 + 3 * 68));
    }
}
