//! The difference between the quotes and payments that the ledger expects in the store and
//! those that are there.

use cdk_common::database::Error;
use cdk_common::mint::MintQuote;

use crate::decide::payment_id;
use crate::handle::Mint;
use crate::metrics::gauge_value;
use crate::outbox::{Expected, Order};
use crate::quote::is_of;

impl Mint {
    /// True when the store has what `order` asks for.
    pub(crate) async fn is_done(&self, order: &Order) -> Result<bool, Error> {
        let expected = match order {
            Order::CreateQuote { quote, .. } => Expected {
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

    /// The quotes of `page` that the store does not have, with all their payments, and the
    /// payments that are not on their quotes.
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
                tracing::error!(quote = %expected.quote, ahead_sat, "the mint has payments that the ledger did not order");
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
