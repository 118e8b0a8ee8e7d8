//! The decision what to do for one outbox row, given the quote in the store. Pure.

use accounting::Sat;
use cdk_common::mint::MintQuote;
use cdk_common::quote_id::QuoteId;
use thiserror::Error;

use crate::outbox::{Order, PayoutId};
use crate::quote::{MAX_MONEY_SAT, QuoteKey, is_of};

/// The action for a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It was done before.
    Nothing,
    /// The quote is to be made.
    Create,
    /// The quote, made first if it is not there, gets money.
    Pay {
        /// True when the quote is to be made first.
        create: bool,
        /// cdk's id of the payment.
        payment_id: String,
        /// The amount.
        amount: Sat,
    },
    /// It can never be done.
    Park(Refusal),
}

/// The reasons for which a row can never be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A payment of nothing.
    #[error("a payment of 0 sat")]
    NoAmount,
    /// More than there can be.
    #[error(
        "{paid_sat} sat paid and {amount_sat} sat more exceed the 21 million bitcoin that can exist"
    )]
    TooMuch {
        /// The sats that the quote was paid before.
        paid_sat: u64,
        /// The sats of this payment.
        amount_sat: u64,
    },
    /// The store has another quote under this id.
    #[error("the quote {id} in the store is not locked to {key}")]
    NotOurs {
        /// The quote's id.
        id: String,
        /// The quote that should be there.
        key: QuoteKey,
    },
    /// The store's own rules forbid it.
    #[error("the store refuses it: {0}")]
    Store(String),
}

/// The id of a payment in the mint's store, where it is unique over all quotes.
pub(crate) fn payment_id(payout: &PayoutId, quote: &QuoteId) -> String {
    format!("{payout}:{quote}")
}

/// Decides `order`, given the quote that the store has under `id`.
pub(crate) fn decide(order: &Order, id: Option<&QuoteId>, quote: Option<&MintQuote>) -> Decision {
    let (Some(key), Some(id)) = (order.quote(), id) else {
        return Decision::Nothing;
    };
    if let Some(quote) = quote
        && !is_of(quote, &key.miner)
    {
        return Decision::Park(Refusal::NotOurs {
            id: id.to_string(),
            key: *key,
        });
    }
    match order {
        Order::PayQuote { payout, amount, .. } => pay(payout, *amount, id, quote),
        _ if quote.is_some() => Decision::Nothing,
        _ => Decision::Create,
    }
}

fn pay(payout: &PayoutId, amount: Sat, id: &QuoteId, quote: Option<&MintQuote>) -> Decision {
    let payment_id = payment_id(payout, id);
    if quote.is_some_and(|quote| {
        quote
            .payments
            .iter()
            .any(|paid| paid.payment_id == payment_id)
    }) {
        return Decision::Nothing;
    }
    if amount.is_zero() {
        return Decision::Park(Refusal::NoAmount);
    }
    let paid_sat = quote.map_or(0, |quote| quote.amount_paid().value());
    if paid_sat
        .checked_add(amount.get())
        .is_none_or(|sum| sum > MAX_MONEY_SAT)
    {
        return Decision::Park(Refusal::TooMuch {
            paid_sat,
            amount_sat: amount.get(),
        });
    }
    Decision::Pay {
        create: quote.is_none(),
        payment_id,
        amount,
    }
}

#[cfg(test)]
mod tests {
    use accounting::{EpochId, KeyPrefix};
    use cdk_common::{Amount, CurrencyUnit};

    use super::*;
    use crate::quote::{tests::MINER, unpaid};

    fn key() -> QuoteKey {
        QuoteKey::of_epoch(MINER.parse().expect("a key"), EpochId::new(4))
    }

    fn pay_order(payout: &str, sat: u64) -> Order {
        Order::PayQuote {
            quote: key(),
            payout: payout.parse().expect("an id"),
            amount: Sat::new(sat),
        }
    }

    fn id() -> QuoteId {
        QuoteId::from(uuid::Uuid::from_u128(5))
    }

    fn paid(payout: &str, sat: u64) -> MintQuote {
        let mut quote = unpaid(id(), &key(), KeyPrefix::Even, 1);
        let payment = payment_id(&payout.parse().expect("an id"), &id());
        quote
            .add_payment(Amount::new(sat, CurrencyUnit::Sat), payment, Some(1))
            .expect("pays");
        quote
    }

    #[track_caller]
    fn case(order: &Order, quote: Option<&MintQuote>, decision: Decision) {
        assert_eq!(decide(order, Some(&id()), quote), decision);
    }

    #[test]
    fn rows_are_done_once() {
        let create = Order::CreateQuote {
            quote: key(),
            typed: None,
        };
        let there = unpaid(id(), &key(), KeyPrefix::Even, 1);
        let payment = |create, payout: &str, sat| Decision::Pay {
            create,
            payment_id: format!("{payout}:{}", id()),
            amount: Sat::new(sat),
        };
        case(&create, None, Decision::Create);
        case(&create, Some(&there), Decision::Nothing);
        case(&pay_order("a", 3), None, payment(true, "a", 3));
        case(&pay_order("a", 3), Some(&there), payment(false, "a", 3));
        case(&pay_order("a", 3), Some(&paid("a", 3)), Decision::Nothing);
        case(
            &pay_order("b", 3),
            Some(&paid("a", 3)),
            payment(false, "b", 3),
        );
        case(
            &Order::SettleEpoch {
                epoch: EpochId::new(4),
            },
            None,
            Decision::Nothing,
        );
    }

    #[test]
    fn what_can_never_be_done_is_parked() {
        case(&pay_order("a", 0), None, Decision::Park(Refusal::NoAmount));
        case(
            &pay_order("b", MAX_MONEY_SAT),
            Some(&paid("a", 1)),
            Decision::Park(Refusal::TooMuch {
                paid_sat: 1,
                amount_sat: MAX_MONEY_SAT,
            }),
        );
        case(
            &pay_order("a", u64::MAX),
            None,
            Decision::Park(Refusal::TooMuch {
                paid_sat: 0,
                amount_sat: u64::MAX,
            }),
        );
        let mut other = unpaid(id(), &key(), KeyPrefix::Even, 1);
        other.pubkey = None;
        let not_ours = Decision::Park(Refusal::NotOurs {
            id: id().to_string(),
            key: key(),
        });
        case(&pay_order("a", 1), Some(&other), not_ours.clone());
        case(
            &Order::CreateQuote {
                quote: key(),
                typed: None,
            },
            Some(&other),
            not_ours,
        );
    }
}
