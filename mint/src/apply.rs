//! A batch of outbox rows, applied in one transaction.

use std::collections::HashMap;

use bitcoin::hashes::{Hash, sha256};
use cdk_common::database::Error;
use cdk_common::database::mint::Acquired;
use cdk_common::mint::MintQuote;
use cdk_common::quote_id::QuoteId;
use cdk_common::{Amount, CurrencyUnit};
use ledger::EpochId;
use serde::{Deserialize, Serialize};

use crate::decide::{Decision, Refusal, decide};
use crate::index;
use crate::marks;
use crate::mint::Mint;
use crate::outbox::{Order, Row};
use crate::quote::unpaid;

/// What became of an epoch, as far as its quotes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochMark {
    /// Paid out: a quote that got nothing is in carry.
    Settled,
    /// Dissolved into another epoch.
    MergedInto(EpochId),
}

/// A row that can never be done, kept until an operator looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The row.
    pub row: Row,
    /// Why.
    pub reason: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: u64,
}

/// What a batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) created: u64,
    pub(crate) paid: u64,
    pub(crate) paid_sat: u64,
    pub(crate) parked: u64,
    pub(crate) repeated: u64,
}

/// By what is asked, not by the row: the repair at the next start asks it again.
pub(crate) fn parked_key(order: &Order) -> Result<String, Error> {
    Ok(sha256::Hash::hash(&serde_json::to_vec(order)?).to_string())
}

/// The quotes that a batch is about, each once, held by its transaction.
struct Quotes {
    places: HashMap<QuoteId, usize>,
    held: Vec<Option<Acquired<MintQuote>>>,
    touched: Vec<bool>,
}

/// Rows still to be told to wallets, once they are durable.
#[derive(Default)]
struct Outcome {
    applied: Applied,
    marks: Vec<(EpochId, EpochMark)>,
}

impl Mint {
    /// Does what `rows` say in one transaction, whatever of it was done before. An
    /// error means that nothing of it is done.
    pub(crate) async fn apply(&self, rows: &[Row], now_ms: u64) -> Result<Applied, Error> {
        self.apply_or_park(rows, None, now_ms).await
    }

    /// The same for one row that the store refuses: it is parked.
    pub(crate) async fn park(&self, row: &Row, why: String, now_ms: u64) -> Result<Applied, Error> {
        self.apply_or_park(std::slice::from_ref(row), Some(Refusal::Store(why)), now_ms)
            .await
    }

    async fn apply_or_park(
        &self,
        rows: &[Row],
        refusal: Option<Refusal>,
        now_ms: u64,
    ) -> Result<Applied, Error> {
        let ids: Vec<Option<QuoteId>> = rows
            .iter()
            .map(|row| row.order.quote().map(|key| self.ids().id(key)))
            .collect();
        let mut tx = self.store().begin_transaction().await?;
        let mut quotes = Quotes::acquire(tx.as_mut(), &ids).await?;
        let mut outcome = Outcome::default();
        for (row, id) in rows.iter().zip(&ids) {
            let decision = match &refusal {
                Some(refusal) => Decision::Park(refusal.clone()),
                None => decide(&row.order, id.as_ref(), quotes.get(id.as_ref())),
            };
            outcome
                .perform(tx.as_mut(), &mut quotes, row, id.as_ref(), decision, now_ms)
                .await?;
        }
        quotes.update(tx.as_mut()).await?;
        // The rows of a repair have no number.
        if let Some(last) = rows.iter().map(|row| row.id).max() {
            marks::applied(tx.as_mut(), last).await?;
        }
        tx.commit().await?;
        self.remember_marks(&outcome.marks);
        quotes.publish(self);
        Ok(outcome.applied)
    }
}

impl Quotes {
    async fn acquire(tx: index::Tx<'_>, ids: &[Option<QuoteId>]) -> Result<Self, Error> {
        let mut distinct = Vec::with_capacity(ids.len());
        let mut places = HashMap::with_capacity(ids.len());
        for id in ids.iter().flatten() {
            places.entry(id.clone()).or_insert_with(|| {
                distinct.push(id.clone());
                distinct.len() - 1
            });
        }
        let held = match distinct.as_slice() {
            [] => Vec::new(),
            ids => tx.get_mint_quotes_by_ids(ids).await?,
        };
        let touched = vec![false; held.len()];
        Ok(Quotes {
            places,
            held,
            touched,
        })
    }

    fn get(&self, id: Option<&QuoteId>) -> Option<&MintQuote> {
        let place = *self.places.get(id?)?;
        self.held.get(place)?.as_deref()
    }

    fn put(&mut self, id: &QuoteId, quote: Acquired<MintQuote>) {
        if let Some(slot) = self
            .places
            .get(id)
            .and_then(|&place| self.held.get_mut(place))
        {
            *slot = Some(quote);
        }
    }

    fn touch(&mut self, id: &QuoteId) -> Option<&mut Acquired<MintQuote>> {
        let place = *self.places.get(id)?;
        *self.touched.get_mut(place)? = true;
        self.held.get_mut(place)?.as_mut()
    }

    fn paid(&mut self) -> impl Iterator<Item = &mut Acquired<MintQuote>> {
        let touched = self.touched.iter();
        self.held.iter_mut().zip(touched).filter_map(
            |(quote, &touched)| {
                if touched { quote.as_mut() } else { None }
            },
        )
    }

    async fn update(&mut self, tx: index::Tx<'_>) -> Result<(), Error> {
        for quote in self.paid() {
            tx.update_mint_quote(quote).await?;
        }
        Ok(())
    }

    /// Tells the wallets that listen (NUT-17), after the commit.
    fn publish(&mut self, mint: &Mint) {
        let listeners = mint.cdk().pubsub_manager();
        for quote in self.paid() {
            listeners.mint_quote_payment(quote, quote.amount_paid());
        }
    }
}

impl Outcome {
    async fn perform(
        &mut self,
        tx: index::Tx<'_>,
        quotes: &mut Quotes,
        row: &Row,
        id: Option<&QuoteId>,
        decision: Decision,
        now_ms: u64,
    ) -> Result<(), Error> {
        if let Decision::Park(reason) = decision {
            return self.set_aside(tx, row, reason.to_string(), now_ms).await;
        }
        if self.mark(tx, &row.order).await? {
            return Ok(());
        }
        let (Some(key), Some(id)) = (row.order.quote(), id) else {
            return Ok(());
        };
        let create = matches!(
            decision,
            Decision::Create | Decision::Pay { create: true, .. }
        );
        if create {
            let quote = tx
                .add_mint_quote(unpaid(id.clone(), key, now_ms / 1000))
                .await?;
            index::enter(&mut *tx, &key.miner, key.epoch, id).await?;
            quotes.put(id, quote);
            self.applied.created += 1;
        }
        match decision {
            Decision::Pay {
                payment_id, amount, ..
            } => {
                let quote = quotes
                    .touch(id)
                    .ok_or_else(|| Error::Internal(format!("the quote {id} is not held")))?;
                let sat = Amount::new(amount.get(), CurrencyUnit::Sat);
                quote
                    .add_payment(sat, payment_id, Some(now_ms / 1000))
                    .map_err(|error| Error::Internal(error.to_string()))?;
                self.applied.paid += 1;
                self.applied.paid_sat = self.applied.paid_sat.saturating_add(amount.get());
            }
            _ if !create => self.applied.repeated += 1,
            _ => {}
        }
        Ok(())
    }

    /// Rows about a whole epoch.
    async fn mark(&mut self, tx: index::Tx<'_>, order: &Order) -> Result<bool, Error> {
        let (epoch, mark) = match order {
            Order::SettleEpoch { epoch } => (*epoch, EpochMark::Settled),
            Order::MergeEpoch { epoch, into } => (*epoch, EpochMark::MergedInto(*into)),
            Order::CreateQuote { .. } | Order::PayQuote { .. } => return Ok(false),
        };
        let key = index::number_key(epoch.get());
        index::write_json(tx, index::AXEPOOL, index::EPOCHS, &key, &mark).await?;
        self.marks.push((epoch, mark));
        Ok(true)
    }

    async fn set_aside(
        &mut self,
        tx: index::Tx<'_>,
        row: &Row,
        reason: String,
        now_ms: u64,
    ) -> Result<(), Error> {
        tracing::error!(row = %row.id, %reason, "an outbox row can never be done: parked");
        let key = parked_key(&row.order)?;
        let parked = Parked {
            row: row.clone(),
            reason,
            since_ms: now_ms,
        };
        let value = serde_json::to_vec(&parked)?;
        let new = tx
            .kv_write_if_absent(index::AXEPOOL, index::PARKED, &key, &value)
            .await?;
        self.applied.parked += u64::from(new);
        Ok(())
    }
}
