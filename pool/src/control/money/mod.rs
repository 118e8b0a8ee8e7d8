//! Queries and orders about the money, answered from the ledger: `axepool payouts`,
//! `suspense` and `fee`. The running process and a command that opens the store itself
//! share this code.
//!
//! A withdrawal is booked before it is sent, under an id made before the first attempt. Its
//! outcome is a separate entry, of which there can be only one. Between the two entries
//! nobody knows whether it was sent: the pool shows it as such and never sends it again by
//! itself. `axepool fee resolve` records the outcome after a person has checked.

mod fee;
mod gone;
mod payouts;
mod words;

use std::path::Path;

use accounting::settle::{Event, PayoutKey};
use accounting::{EpochTerms, Sat};
use anyhow::{Result, bail};
use async_trait::async_trait;
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Network, Txid};
use ledger::{Ledger, Reader};
use payout::NodeError;
use tokio::sync::Mutex;

use super::store;
use crate::admin::{Afterwards, MORE_COUNTED, MoneyReply, MoneyRequest, PayoutSplit, Payouts};
use crate::data_dir;

pub(crate) use fee::undecided;
pub use fee::withdrawal_id;
pub use gone::booked_out_id;
pub use payouts::{AuditIndex, rows};
pub use words::suspense;

/// What a withdrawal needs of who has the money.
#[async_trait]
pub trait Coffer: Sync {
    /// Whether money can be sent there now.
    ///
    /// # Errors
    /// There is no wallet, it is not up, or the address is no place for the operator's money.
    fn may_go_to(&self, to: &Address<NetworkUnchecked>) -> Result<()>;

    /// Whether that payment is in no block any more.
    fn is_gone(&self, payout: &PayoutKey) -> bool;

    /// Begins a withdrawal, at the fee rate of now. No other order takes money until it is
    /// dropped, so what was measured for it still holds when it is sent.
    ///
    /// # Errors
    /// There is no wallet, or the fee rate is beyond all bounds.
    async fn begin(&self) -> Result<Box<dyn Sending + '_>>;
}

/// One withdrawal at a fee rate that stays what it is.
#[async_trait]
pub trait Sending: Send + Sync {
    /// What sending so much costs at most.
    async fn cost(&self, amount: Sat) -> Result<Sat>;

    /// What is owed and there after a withdrawal of so much.
    ///
    /// # Errors
    /// Miners' money would pay for it, unless by `force`.
    async fn may_withdraw(&self, amount: Sat, force: bool) -> Result<Option<Afterwards>>;

    /// Sends it.
    async fn send(&self, to: Address<NetworkUnchecked>, amount: Sat) -> Result<Txid, NodeError>;
}

/// Where a running process is asked.
#[derive(Debug)]
pub struct Desk {
    ledger: Ledger,
    network: Network,
    /// One order at a time: nobody may tell what became of a withdrawal that is just
    /// being sent.
    orders: Mutex<()>,
}

impl Desk {
    pub(crate) fn new(ledger: Ledger, network: Network) -> Self {
        Desk {
            ledger,
            network,
            orders: Mutex::new(()),
        }
    }

    /// The answer to `request`; withdrawals leave from `coffer`.
    ///
    /// # Errors
    /// It could not be answered or done, told for the person who asks.
    pub(crate) async fn answer(
        &self,
        coffer: &dyn Coffer,
        request: MoneyRequest,
    ) -> Result<MoneyReply> {
        let ledger = &self.ledger;
        match request {
            MoneyRequest::Withdraw {
                id,
                to,
                amount,
                force,
            } => {
                let _alone = self.orders.lock().await;
                let from = (coffer, self.network);
                let row = fee::withdraw(ledger, from, id, (&to, amount), force).await?;
                Ok(MoneyReply::Withdrawal(row))
            }
            MoneyRequest::BookOut { payout } => {
                let _alone = self.orders.lock().await;
                Ok(MoneyReply::Fee(
                    gone::book_out(ledger, coffer, payout).await?,
                ))
            }
            order @ (MoneyRequest::Assign { .. }
            | MoneyRequest::ToFee { .. }
            | MoneyRequest::Resolve { .. }) => {
                let _alone = self.orders.lock().await;
                obey(ledger, order).await
            }
            // The others look at the disk, and so they wait elsewhere.
            question => {
                let reader = ledger.reader().clone();
                tokio::task::spawn_blocking(move || look(&reader, question)).await?
            }
        }
    }
}

/// The answer from the store in `data_dir`, which no process has open.
///
/// # Errors
/// Like [`Desk::answer`]; what needs the lightning node needs a running process.
pub(crate) async fn ask_the_store(
    data_dir: &Path,
    terms: Option<EpochTerms>,
    request: MoneyRequest,
) -> Result<MoneyReply> {
    match request {
        MoneyRequest::BookOut { .. } => {
            bail!("only a pool that runs sees the chain: start it (axepool run) and ask again")
        }
        MoneyRequest::Withdraw { .. } => {
            bail!("the money is the lightning node's: start the pool (axepool run) and ask again")
        }
        order @ (MoneyRequest::Assign { .. }
        | MoneyRequest::ToFee { .. }
        | MoneyRequest::Resolve { .. }) => {
            let ledger = store::open_to_write(data_dir, terms)?;
            let reply = obey(&ledger, order).await;
            ledger.close().await;
            reply
        }
        question => look(&Reader::open(&data_dir::ledger(data_dir))?, question),
    }
}

async fn obey(ledger: &Ledger, order: MoneyRequest) -> Result<MoneyReply> {
    let (payout, event) = match order {
        MoneyRequest::Assign { payout, epoch } => (payout, Event::Assign { payout, epoch }),
        MoneyRequest::ToFee { payout } => (payout, Event::ToFee { payout }),
        MoneyRequest::Resolve { id, txid } => {
            return Ok(MoneyReply::Withdrawal(
                fee::resolve(ledger, &id, txid).await?,
            ));
        }
        other => bail!("{other:?} is a question, not an order"),
    };
    let booked = ledger.settle(event).await?;
    if !booked.is_empty() {
        tracing::warn!(%payout, "a payment in suspense is booked by command");
    }
    let reader = ledger.reader().clone();
    tokio::task::spawn_blocking(move || look(&reader, MoneyRequest::Payout { payout })).await?
}

fn look(reader: &Reader, question: MoneyRequest) -> Result<MoneyReply> {
    Ok(match question {
        MoneyRequest::Payouts { newest } => {
            let mut payouts = reader.payouts(newest.saturating_add(MORE_COUNTED))?;
            let more = payouts.len().saturating_sub(newest);
            payouts.truncate(newest);
            let payouts = rows(reader, &mut AuditIndex::default(), payouts)?;
            MoneyReply::Payouts(Payouts { payouts, more })
        }
        MoneyRequest::Suspense => {
            let suspended = reader.suspense()?;
            let payouts = rows(reader, &mut AuditIndex::default(), suspended)?;
            MoneyReply::Payouts(Payouts { payouts, more: 0 })
        }
        MoneyRequest::Payout { payout } => MoneyReply::Payout(Box::new(split(reader, payout)?)),
        MoneyRequest::Fee => MoneyReply::Fee(fee::status(reader)?),
        other => bail!("{other:?} is an order, not a question"),
    })
}

fn split(reader: &Reader, key: PayoutKey) -> Result<PayoutSplit> {
    match payouts::split(reader, key)? {
        Some(split) => Ok(split),
        None => bail!("there is no payout {key} (axepool payouts lists them)"),
    }
}
