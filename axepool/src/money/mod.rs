//! Questions and orders about the money, answered from the ledger: one code for the
//! running process and for a command that opens the store itself.

mod fee;
mod payouts;
mod words;

use std::path::Path;

use anyhow::{Result, bail};
use bitcoin::Network;
use ledger::settle::{Event, PayoutKey};
use ledger::{EpochTerms, Ledger, Reader};
use payout::Lightning;
use tokio::sync::Mutex;

use crate::admin::{MoneyReply, MoneyRequest, PayoutSplit};
use crate::{books, data_dir};

pub(crate) use fee::withdrawal_id;
pub(crate) use payouts::{AuditIndex, rows};
pub(crate) use words::suspense;

/// Where a running process is asked.
#[derive(Debug)]
pub(crate) struct Desk {
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

    /// The answer to `request`; withdrawals leave through `lightning`.
    ///
    /// # Errors
    /// It could not be answered or done, told for the person who asks.
    pub(crate) async fn answer(
        &self,
        lightning: Option<Lightning>,
        request: MoneyRequest,
    ) -> Result<MoneyReply> {
        let ledger = &self.ledger;
        match request {
            MoneyRequest::Withdraw { id, to, amount } => {
                let _alone = self.orders.lock().await;
                let node = (lightning.as_ref(), self.network);
                let row = fee::withdraw(ledger, node, id, &to, amount).await?;
                Ok(MoneyReply::Withdrawal(row))
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
        MoneyRequest::Withdraw { .. } => {
            bail!("the money is the lightning node's: start the pool (axepool run) and ask again")
        }
        order @ (MoneyRequest::Assign { .. }
        | MoneyRequest::ToFee { .. }
        | MoneyRequest::Resolve { .. }) => {
            let ledger = books::open_to_write(data_dir, terms)?;
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
        tracing::warn!(%payout, "a suspended payment is booked by command");
    }
    let reader = ledger.reader().clone();
    tokio::task::spawn_blocking(move || look(&reader, MoneyRequest::Payout { payout })).await?
}

fn look(reader: &Reader, question: MoneyRequest) -> Result<MoneyReply> {
    Ok(match question {
        MoneyRequest::Payouts { newest } => {
            let payouts = reader.payouts(newest)?;
            let payouts = rows(reader, &mut AuditIndex::default(), payouts)?;
            MoneyReply::Payouts { payouts }
        }
        MoneyRequest::Suspense => {
            let suspended = reader.suspense()?;
            let payouts = rows(reader, &mut AuditIndex::default(), suspended)?;
            MoneyReply::Payouts { payouts }
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
