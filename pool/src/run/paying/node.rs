//! What the operator asks of the node, over the admin socket.

use std::str::FromStr;

use accounting::settle::EpochAccount;
use accounting::{Msat, Sat};
use anyhow::{Context, Result, bail};
use basics::clock;
use bitcoin::Address;
use bitcoin::address::NetworkUnchecked;
use payout::commands::{Amount, Close};
use payout::node::payments::OnChainFee;
use payout::node::{NodeView, WalletRange};
use payout::offer::{Answer, Route, Standing};
use payout::outgoing;
use payout::readiness::{SourceReport, readiness};
use payout::settings::Peer;

use super::guard::{OPERATOR, Outlay};
use super::{Node, Paying};
use crate::admin::{
    NodeLook, NodeReply, NodeRequest, NodeStatus, OfferAnswer, Opening, Payment, Sent, WalletView,
};

/// Whether a payment of this id was ordered by the operator.
pub(in crate::run) fn is_operators(id: &str) -> bool {
    id.starts_with(OPERATOR)
}

impl Paying {
    /// Answers `request`.
    ///
    /// # Errors
    /// There is no node, it is not up, or it could not.
    pub(in crate::run) async fn node_answer(&self, request: NodeRequest) -> Result<NodeReply> {
        let Some(node) = &self.node else {
            match &self.node_broken {
                Some(why) => bail!("there is no lightning node: {why}"),
                None => bail!(
                    "the config names no lightning node: [lightning] config = \"...\", see ldk-node-config/"
                ),
            }
        };
        let lightning = &node.lightning;
        Ok(match request {
            NodeRequest::Status => NodeReply::Status(Box::new(self.node_status(node).await?)),
            NodeRequest::DepositAddress => NodeReply::DepositAddress {
                address: lightning.deposit_address().await?.to_string(),
            },
            NodeRequest::Offer { renew } => {
                NodeReply::Offer(Box::new(offer_answer(node.desk.offer(renew).await?)))
            }
            NodeRequest::Connect { peer } => {
                lightning.connect(parse_peer(&peer)?).await?;
                NodeReply::Done
            }
            NodeRequest::Open {
                peer,
                size,
                public,
                force,
            } => {
                if public && !node.settings.is_public() {
                    bail!(
                        "a public channel needs a public node: give reach.alias and reach.listen in its file"
                    );
                }
                let peer = parse_peer(&peer)?;
                let _alone = self.orders.lock().await;
                let outlay = self.opening(node, size).await?;
                self.has_coins(node, &peer, size, outlay).await?;
                let after = self.may_leave(node, outlay, force).await?;
                let channel = lightning.open_channel(peer, size, public).await?;
                let reserve = node.settings.anchors.reserve_sat;
                // The channel is being opened, whether or not there is something to add.
                let view = lightning.view().await.ok();
                let advice = view.and_then(|view| view.balances.lacks_reserve(reserve));
                NodeReply::Opening(Opening {
                    channel,
                    after,
                    advice,
                })
            }
            NodeRequest::Close { channel, force } => {
                let how = if force {
                    Close::ByForce
                } else {
                    Close::Together
                };
                lightning.close_channel(channel, how).await?;
                NodeReply::Done
            }
            NodeRequest::SendOnchain { to, amount, force } => {
                self.send_on_chain(node, &to, amount, force).await?
            }
            NodeRequest::Pay { to, amount, force } => self.pay(node, to, amount, force).await?,
            NodeRequest::Wallet => {
                let WalletRange {
                    first_block,
                    external,
                    internal,
                } = lightning.wallet_range().await?;
                NodeReply::Wallet(WalletView {
                    first_block,
                    external,
                    internal,
                })
            }
            NodeRequest::Sought => {
                lightning.was_sought().await?;
                NodeReply::Done
            }
            NodeRequest::Fetching { txid, fee } => {
                let fee = fee.to_msat().context("there is no such fee")?;
                lightning.will_fetch(OnChainFee { txid, fee }).await?;
                NodeReply::Done
            }
            NodeRequest::Accept { how } => {
                let doubt = lightning.accept_directory(how)?;
                tracing::warn!(%doubt, ?how, "the operator accepts the node's directory");
                NodeReply::Done
            }
            NodeRequest::Undecided => NodeReply::Undecided {
                payments: node.payer.undecided().await?,
            },
            NodeRequest::GiveUp { id } => {
                let state = node.payer.give_up(&id).await?;
                NodeReply::Payment(Payment { id, state })
            }
        })
    }

    async fn send_on_chain(
        &self,
        node: &Node,
        to: &str,
        amount: Option<Sat>,
        force: bool,
    ) -> Result<NodeReply> {
        let address = Address::<NetworkUnchecked>::from_str(to)
            .with_context(|| format!("{to:?} is not a bitcoin address"))?;
        self.is_no_payout_address(&address)?;
        let _alone = self.orders.lock().await;
        let amount = amount.map_or(Amount::AllButReserve, Amount::Sats);
        let rate = self.rate(node).await?;
        let outlay = self.sending(node, amount, rate).await?;
        let after = self.may_leave(node, outlay, force).await?;
        let sent = node.lightning.send_on_chain(address, amount, rate);
        let txid = sent.await?;
        tracing::warn!(%txid, to, "sent on-chain by command");
        Ok(NodeReply::Sent(Sent { txid, after }))
    }

    async fn pay(
        &self,
        node: &Node,
        to: String,
        amount: Option<Sat>,
        force: bool,
    ) -> Result<NodeReply> {
        let amount = match amount {
            Some(sat) => Some(sat.to_msat().context("no such amount can be paid")?),
            None => None,
        };
        let to = to.trim().to_owned();
        let request = if to.to_lowercase().starts_with("lno1") {
            outgoing::Request::Bolt12 { offer: to, amount }
        } else {
            outgoing::Request::Bolt11 {
                invoice: to,
                amount,
            }
        };
        let quote = node.payer.quote(request.clone()).await?;
        let _alone = self.orders.lock().await;
        let most = quote.amount.get().saturating_add(quote.fee_limit.get());
        let outlay = Outlay {
            leaves: Msat::new(most),
            ..Outlay::default()
        };
        self.may_leave(node, outlay, force).await?;
        // No two of the operator's orders are one: a person looks before ordering again.
        let id = format!("{OPERATOR}{:016x}", rand::random::<u64>());
        let outcome = node.payer.pay(&id, request, quote.fee_limit).await?;
        tracing::warn!(id, amount_msat = %quote.amount, "paid by command");
        Ok(NodeReply::Payment(Payment { id, state: outcome }))
    }

    /// What arrives at the payout address is the miners', whoever sent it.
    pub(in crate::run) fn is_no_payout_address(
        &self,
        to: &Address<NetworkUnchecked>,
    ) -> Result<()> {
        if to.assume_checked_ref().script_pubkey() == self.address.script_pubkey() {
            bail!(
                "{} is the payout address: what arrives there is the miners'",
                self.address
            );
        }
        Ok(())
    }

    async fn node_status(&self, node: &Node) -> Result<NodeStatus> {
        let state = node.lightning.state().borrow().to_string();
        let expected = self.expected().await?;
        let source = SourceReport {
            trouble: self.nodes_source_trouble(),
            no_fees: self.nodes_source_lacks_fees(),
        };
        let Ok(view) = node.lightning.view().await else {
            return Ok(NodeStatus {
                state,
                node: None,
                checks: source.checks(),
                expected,
                closed: self.closings(),
            });
        };
        let standing = node.desk.standing().await?;
        let now_secs = clock::now_ms() / 1000;
        let (settings, offer) = (&node.settings, standing.as_ref());
        let checks = readiness((&view, source), settings, offer, expected, now_secs);
        let closed = view.closed.clone();
        Ok(NodeStatus {
            state,
            node: Some(node_look(view)),
            checks,
            expected,
            closed,
        })
    }

    /// What OCEAN said of the blocks that it has not paid yet; `None` when it said
    /// nothing.
    async fn expected(&self) -> Result<Option<Msat>> {
        let reader = self.ledger.reader().clone();
        let accounts = tokio::task::spawn_blocking(move || reader.epoch_accounts()).await??;
        let open = accounts.values().filter(|account| !account.covered);
        let open = open.filter_map(still_expected);
        Ok(open.reduce(|sum, more| Msat::new(sum.get().saturating_add(more.get()))))
    }
}

/// What OCEAN said of the epoch's block, less what came; `None` when it said nothing.
pub(in crate::run) fn still_expected(account: &EpochAccount) -> Option<Msat> {
    account.block()?;
    let earned = account.earnings?.net.to_msat()?;
    earned.checked_sub(account.received)
}

fn parse_peer(text: &str) -> Result<Peer> {
    text.parse()
        .with_context(|| format!("{text:?} is no peer: give node_id@host:port"))
}

fn offer_answer(answer: Answer) -> OfferAnswer {
    let route = match answer.offer.route {
        Route::Public => "by its id: the node is public, and the offer needs no path".to_owned(),
        Route::Through(peer) => format!("through its peer {peer}: the node is private"),
    };
    let trouble = match answer.standing {
        Standing::Good => None,
        Standing::Hindered(obstacle) => Some(format!("it cannot be paid now: {obstacle}")),
        Standing::Outdated(why) => Some(format!(
            "OCEAN needs a new one: {why} (axepool offer --renew)"
        )),
    };
    OfferAnswer {
        offer: answer.offer.offer,
        address: answer.offer.address,
        made_secs: answer.offer.made_secs,
        is_new: answer.is_new,
        route,
        trouble,
        advice: answer.advice,
    }
}

fn node_look(view: NodeView) -> NodeLook {
    NodeLook {
        node_id: view.node_id,
        tip_height: view.tip_height,
        channels: view.channels,
        peers: view.peers,
        channels_sat: view.balances.channels,
        spendable_sat: view.balances.spendable,
        on_chain_sat: view.balances.on_chain,
        anchor_reserve_sat: view.balances.anchor_reserve,
        closing_sat: view.balances.closing,
    }
}
