//! A batch of outbox rows, applied in one transaction.

use std::collections::HashMap;

use accounting::EpochId;
use basics::clock::now_ms;
use cdk_common::database::Error;
use cdk_common::database::mint::Acquired;
use cdk_common::mint::MintQuote;
use cdk_common::quote_id::QuoteId;
use cdk_common::{Amount, CurrencyUnit};

use crate::decide::{Decision, Refusal, decide};
use crate::epochs::{EpochMark, store_mark};
use crate::handle::Mint;
use crate::index;
use crate::marks;
use crate::metrics::Metrics;
use crate::outbox::{Order, Row};
use crate::parked::park;
use crate::quote::unpaid;
use crate::typed;

/// The counts of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) created: u64,
    pub(crate) paid: u64,
    pub(crate) paid_sat: u64,
    pub(crate) parked: u64,
    pub(crate) repeated: u64,
}

impl Applied {
    fn count_in(&self, metrics: &Metrics) {
        metrics.quotes_created.inc_by(self.created);
        metrics.payments.inc_by(self.paid);
        metrics.paid_sat.inc_by(self.paid_sat);
        metrics.parked.inc_by(self.parked);
    }
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
    /// Does what `rows` say in one transaction, whatever of it was done before, and counts
    /// it in the metrics. An error means that nothing of it is done.
    pub(crate) async fn apply(&self, rows: &[Row]) -> Result<(), Error> {
        let applied = self.apply_or_park(rows, None, now_ms()).await?;
        applied.count_in(self.metrics());
        tracing::debug!(rows = rows.len(), ?applied, "outbox rows applied");
        Ok(())
    }

    /// The same for one row that the store refuses: it is parked.
    pub(crate) async fn park(&self, row: &Row, why: String) -> Result<(), Error> {
        let refusal = Some(Refusal::Store(why));
        let rows = std::slice::from_ref(row);
        let applied = self.apply_or_park(rows, refusal, now_ms()).await?;
        applied.count_in(self.metrics());
        Ok(())
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
        self.epochs().remember(&outcome.marks);
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
            let is_new = park(tx, row, reason.to_string(), now_ms).await?;
            self.applied.parked += u64::from(is_new);
            return Ok(());
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
            let typed = match &row.order {
                Order::CreateQuote { typed, .. } => *typed,
                _ => None,
            };
            let prefix = typed::note(&mut *tx, &key.miner, typed).await?;
            let quote = unpaid(id.clone(), key, prefix, now_ms / 1000);
            let quote = tx.add_mint_quote(quote).await?;
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
        store_mark(tx, epoch, mark).await?;
        self.marks.push((epoch, mark));
        Ok(true)
    }
}
