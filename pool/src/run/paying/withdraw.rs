//! The node's part of the operator's withdrawals.

use accounting::Sat;
use accounting::settle::PayoutKey;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Txid};
use payout::NodeError;
use payout::commands::Amount;
use tokio::sync::MutexGuard;

use super::guard::Outlay;
use super::{Node, Paying};
use crate::admin::Afterwards;
use crate::control::{Coffer, Sending};

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

    async fn begin(&self) -> Result<Box<dyn Sending + '_>> {
        let node = self.wallet()?;
        let alone = self.orders.lock().await;
        Ok(Box::new(Withdrawing {
            paying: self,
            node,
            rate: self.rate(node).await?,
            _alone: alone,
        }))
    }
}

/// A withdrawal that is being made.
struct Withdrawing<'a> {
    paying: &'a Paying,
    node: &'a Node,
    /// Satoshis per vbyte.
    rate: u32,
    _alone: MutexGuard<'a, ()>,
}

#[async_trait]
impl Sending for Withdrawing<'_> {
    async fn cost(&self, amount: Sat) -> Result<Sat> {
        let (paying, amount) = (self.paying, Amount::Sats(amount));
        let outlay = paying.sending(self.node, amount, self.rate).await?;
        Ok(outlay.fee.to_sat_floor())
    }

    async fn may_withdraw(&self, amount: Sat, force: bool) -> Result<Option<Afterwards>> {
        let (paying, amount) = (self.paying, Amount::Sats(amount));
        let outlay = paying.sending(self.node, amount, self.rate).await?;
        // The amount is booked, as well as its fee.
        let booked = outlay.leaves;
        let outlay = Outlay { booked, ..outlay };
        paying.may_leave(self.node, outlay, force).await
    }

    async fn send(&self, to: Address<NetworkUnchecked>, amount: Sat) -> Result<Txid, NodeError> {
        let (lightning, amount) = (&self.node.lightning, Amount::Sats(amount));
        lightning.send_on_chain(to, amount, self.rate).await
    }
}
