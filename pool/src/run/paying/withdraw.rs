//! The node's part of the operator's withdrawals.

use accounting::Sat;
use accounting::settle::PayoutKey;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Txid};
use payout::NodeError;
use payout::commands::Amount;

use super::guard::Outlay;
use super::{Node, Paying};
use crate::admin::Afterwards;
use crate::control::Coffer;

impl Paying {
    fn wallet(&self) -> Result<&Node> {
        let node = self.node.as_ref();
        node.context("this pool has no lightning node, whose wallet it would be sent from")
    }
}

#[async_trait]
impl Coffer for Paying {
    fn may_go_to(&self, to: &Address<NetworkUnchecked>) -> Result<()> {
        let lightning = &self.wallet()?.lightning;
        let state = lightning.state().borrow().clone();
        if !state.is_running() {
            bail!("the lightning node is not up: {state}");
        }
        // Before anything is booked.
        lightning.trusts_the_chain()?;
        self.is_no_payout_address(to)
    }

    fn is_gone(&self, payout: &PayoutKey) -> bool {
        Paying::is_gone(self, payout)
    }

    async fn cost(&self, amount: Sat) -> Result<Sat> {
        let (outlay, _) = self.sending(self.wallet()?, Amount::Sats(amount)).await?;
        Ok(outlay.fee.to_sat_floor())
    }

    async fn may_withdraw(&self, amount: Sat, force: bool) -> Result<Option<Afterwards>> {
        let node = self.wallet()?;
        let (outlay, _) = self.sending(node, Amount::Sats(amount)).await?;
        // The amount is booked, as well as its fee.
        let booked = outlay.leaves;
        self.may_leave(node, Outlay { booked, ..outlay }, force)
            .await
    }

    async fn send(&self, to: Address<NetworkUnchecked>, amount: Sat) -> Result<Txid, NodeError> {
        let Ok(node) = self.wallet() else {
            return Err(NodeError::Failed("there is none".to_owned()));
        };
        let _alone = self.orders.lock().await;
        let rate = self.rate(node).await;
        let sent = node.lightning.send_on_chain(to, Amount::Sats(amount), rate);
        sent.await
    }
}
