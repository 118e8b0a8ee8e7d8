//! What the mint owes, what it should know and does not, and what lies parked.

use cdk_common::database::{DynMintDatabase, Error};
use cdk_common::mint::MintQuote;
use ledger::Sat;
use serde::Serialize;

use crate::apply::{Parked, parked_key};
use crate::decide::payment_id;
use crate::index;
use crate::metrics::gauge_value;
use crate::mint::Mint;
use crate::outbox::{Expected, Order, Row};
use crate::quote::is_of;
use crate::restored::{Forgotten, forgotten};
use crate::store::read_totals;

/// The mint's liabilities, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Liabilities {
    /// Ecash issued and not redeemed, of every keyset there ever was.
    pub outstanding_sat: Sat,
    /// Paid to quotes and not issued yet.
    pub paid_unissued_sat: Sat,
    /// Payments that the mint refuses for good and that are still owed.
    pub parked_sat: Sat,
    /// All that quotes were ever paid: no debt of its own, it tells which payments of
    /// the ledger have not reached the mint yet.
    pub paid_sat: Sat,
}

impl Liabilities {
    /// All of it, or `None` past 2^64 - 1 sat.
    pub fn total(&self) -> Option<Sat> {
        self.outstanding_sat
            .checked_add(self.paid_unissued_sat)?
            .checked_add(self.parked_sat)
    }
}

/// What is owed for ecash and quotes. After a restore there is more to reckon with than the
/// store knows of: ecash that was issued since, by the operator's word, and ecash that was
/// melted since, by the node's. So redeemed may pass what the store knows of as issued, by
/// what the old quotes were not issued.
pub(crate) async fn owed(
    store: &DynMintDatabase,
    forgotten: Option<Forgotten>,
) -> Result<Liabilities, Error> {
    let totals = read_totals(store).await?;
    // Redeemed first: what is redeemed was issued before.
    let redeemed = sum(store.get_total_redeemed().await?.values())?;
    let issued = sum(store.get_total_issued().await?.values())?;
    let mut unissued = difference("issued quotes", totals.paid_sat, totals.issued_sat)?;
    let outstanding = match forgotten {
        None => difference("redeemed ecash", issued, redeemed)?,
        Some(Forgotten {
            issued: more,
            melted,
        }) => {
            let overflow = Error::AmountOverflow;
            let issued = issued.checked_add(more.get()).ok_or(overflow)?;
            let redeemed = redeemed.saturating_add(melted.get());
            let beyond = redeemed.saturating_sub(issued);
            // A store that was lost knows of no payments until they are ordered again.
            unissued = Sat::new(unissued.get().saturating_sub(beyond));
            Sat::new(issued.saturating_sub(redeemed))
        }
    };
    Ok(Liabilities {
        outstanding_sat: outstanding,
        paid_unissued_sat: unissued,
        parked_sat: Sat::ZERO,
        paid_sat: Sat::new(totals.paid_sat),
    })
}

impl Mint {
    /// What the mint owes now. Its parts are read one after the other, each as of some
    /// commit. Also sets the gauges.
    pub async fn liabilities(&self) -> Result<Liabilities, Error> {
        let owed = owed(self.store(), forgotten(self.store()).await?).await?;
        let parked = self.parked().await?;
        let parked = parked.iter().filter_map(|parked| match &parked.row.order {
            Order::PayQuote { amount, .. } => Some(*amount),
            _ => None,
        });
        let liabilities = Liabilities {
            parked_sat: parked
                .clone()
                .try_fold(Sat::ZERO, Sat::checked_add)
                .ok_or(Error::AmountOverflow)?,
            ..owed
        };
        let metrics = self.metrics();
        metrics
            .outstanding_sat
            .set(gauge_value(liabilities.outstanding_sat.get()));
        metrics
            .paid_unissued_sat
            .set(gauge_value(liabilities.paid_unissued_sat.get()));
        metrics
            .parked_sat
            .set(gauge_value(liabilities.parked_sat.get()));
        Ok(liabilities)
    }

    /// The rows that can never be done, in no order.
    pub async fn parked(&self) -> Result<Vec<Parked>, Error> {
        let mut all = Vec::new();
        for key in self.store().kv_list(index::AXEPOOL, index::PARKED).await? {
            all.extend(index::read_json(self.store(), index::AXEPOOL, index::PARKED, &key).await?);
        }
        Ok(all)
    }

    /// Tries the parked rows again, and gives how many are done now. The operator's
    /// command.
    pub async fn retry_parked(&self) -> Result<usize, Error> {
        let mut done = 0;
        for parked in self.parked().await? {
            let key = parked_key(&parked.row.order)?;
            match self.apply_counted(std::slice::from_ref(&parked.row)).await {
                Ok(()) => {}
                Err(Error::Duplicate) => continue,
                Err(error) => return Err(error),
            }
            if self.is_done(&parked.row.order).await? {
                let mut tx = self.store().begin_transaction().await?;
                tx.kv_remove(index::AXEPOOL, index::PARKED, &key).await?;
                tx.commit().await?;
                done += 1;
            }
        }
        Ok(done)
    }

    /// True when each of `rows` is set aside already.
    pub(crate) async fn are_parked(&self, rows: &[Row]) -> Result<bool, Error> {
        for row in rows {
            let key = parked_key(&row.order)?;
            let parked = self.store().kv_read(index::AXEPOOL, index::PARKED, &key);
            if parked.await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn is_done(&self, order: &Order) -> Result<bool, Error> {
        let expected = match order {
            Order::CreateQuote { quote } => Expected {
                quote: *quote,
                payments: Vec::new(),
            },
            Order::PayQuote {
                quote,
                payout,
                amount,
            } => Expected {
                quote: *quote,
                payments: vec![(payout.clone(), *amount)],
            },
            Order::SettleEpoch { .. } | Order::MergeEpoch { .. } => return Ok(true),
        };
        let id = self.ids().id(&expected.quote);
        let stored = self.store().get_mint_quote(&id).await?;
        Ok(lacking(&expected, stored.as_ref(), &id).is_none())
    }

    /// Of what is expected, what the store does not have: quotes that are not there,
    /// with all their payments, and payments that are not on theirs.
    ///
    /// Payments that nobody expects put the mint ahead of the ledger. That cannot come
    /// from a crash; it is shown and never undone.
    pub(crate) async fn missing(&self, page: &[Expected]) -> Result<Vec<Expected>, Error> {
        let ids: Vec<_> = page
            .iter()
            .map(|expected| self.ids().id(&expected.quote))
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.store().get_mint_quotes_by_ids(&ids).await?;
        let mut missing = Vec::new();
        for ((expected, id), stored) in page.iter().zip(&ids).zip(&stored) {
            missing.extend(lacking(expected, stored.as_ref(), id));
            let ahead_sat = stored
                .as_ref()
                .map_or(0, |stored| unexpected_sat(expected, stored, id));
            if ahead_sat > 0 {
                tracing::error!(quote = %expected.quote, ahead_sat, "the mint knows of payments that the ledger does not");
                self.metrics().ahead_sat.add(gauge_value(ahead_sat));
            }
        }
        Ok(missing)
    }
}

type Id = cdk_common::quote_id::QuoteId;

fn lacking(expected: &Expected, stored: Option<&MintQuote>, id: &Id) -> Option<Expected> {
    let Some(stored) = stored.filter(|stored| is_of(stored, &expected.quote.miner)) else {
        return Some(expected.clone());
    };
    let mut rest = expected.clone();
    rest.payments.retain(|(payout, _)| {
        let id = payment_id(payout, id);
        !stored
            .payments
            .iter()
            .any(|payment| payment.payment_id == id)
    });
    (!rest.payments.is_empty()).then_some(rest)
}

fn unexpected_sat(expected: &Expected, stored: &MintQuote, id: &Id) -> u64 {
    let known: Vec<String> = expected
        .payments
        .iter()
        .map(|(payout, _)| payment_id(payout, id))
        .collect();
    let unknown = stored
        .payments
        .iter()
        .filter(|payment| !known.contains(&payment.payment_id));
    unknown.fold(0, |sum, payment| sum.saturating_add(payment.amount.value()))
}

fn sum<'a>(amounts: impl Iterator<Item = &'a cdk_common::Amount>) -> Result<u64, Error> {
    amounts
        .map(|amount| u64::from(*amount))
        .try_fold(0u64, u64::checked_add)
        .ok_or(Error::AmountOverflow)
}

fn difference(what: &str, whole: u64, part: u64) -> Result<Sat, Error> {
    whole
        .checked_sub(part)
        .map(Sat::new)
        .ok_or_else(|| Error::Internal(format!("{what}: {part} sat of {whole} sat")))
}
