//! The state that a subscription begins with (NUT-17), as far as cdk does not tell it: of
//! quotes of our method it tells none, and of ecash only what is spent or pending. And the
//! form of what is told: cdk gives a custom method's quote as a pair with the method's name.

use std::collections::HashSet;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;

use cdk_common::nuts::nut17::{Kind, NotificationPayload};
use cdk_common::nuts::{MintQuoteCustomResponse, ProofState, PublicKey, State};
use cdk_common::quote_id::QuoteId;
use cdk_common::subscription::{Params, SubId};
use cdk_common::ws::{NotificationInner, notification_to_ws_message};
use serde_json::Value;

use crate::handle::Mint;
use crate::http::form::no_expiry;
use crate::quote::{METHOD, method};

/// A payload, and the subscription that it is for.
pub(super) type News = (Arc<SubId>, NotificationPayload<QuoteId>);

/// The things whose state is to be told first, each once.
pub(super) enum First {
    Quotes(Vec<QuoteId>),
    Ecash(Vec<PublicKey>),
    /// cdk tells it.
    Nothing,
}

impl First {
    /// Of a subscription that cdk took, so that its filters are what they should be.
    pub(super) fn of(params: &Params) -> First {
        match &params.kind {
            Kind::Custom(kind) if kind.strip_suffix("_mint_quote") == Some(METHOD) => {
                First::Quotes(once(&params.filters))
            }
            Kind::ProofState => First::Ecash(once(&params.filters)),
            _ => First::Nothing,
        }
    }

    /// What is known now. What changes later is told by the subscription, which is there
    /// already: an earlier state never follows a later one.
    pub(super) async fn read(self, mint: &Mint) -> Vec<NotificationPayload<QuoteId>> {
        let read = match self {
            First::Quotes(ids) => quotes(mint, &ids).await,
            First::Ecash(points) => unspent(mint, &points).await,
            First::Nothing => Ok(Vec::new()),
        };
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, "the state for a new subscription cannot be read");
            Vec::new()
        })
    }
}

/// The filters, each once, in their order.
fn once<T: FromStr + Clone + Eq + Hash>(filters: &[String]) -> Vec<T> {
    let mut seen = HashSet::new();
    let parsed = filters.iter().filter_map(|filter| filter.parse::<T>().ok());
    parsed.filter(|each| seen.insert(each.clone())).collect()
}

type Told = Result<Vec<NotificationPayload<QuoteId>>, cdk_common::Error>;

async fn quotes(mint: &Mint, ids: &[QuoteId]) -> Told {
    let found = mint.store().get_mint_quotes_by_ids(ids).await?;
    let of_ours = found.into_iter().flatten();
    let of_ours = of_ours.filter(|quote| quote.payment_method == method());
    of_ours
        .map(|quote| {
            let quote = MintQuoteCustomResponse::try_from(quote)?;
            Ok(NotificationPayload::CustomMintQuoteResponse(
                METHOD.to_owned(),
                quote,
            ))
        })
        .collect()
}

/// What the mint never saw is unspent.
async fn unspent(mint: &Mint, points: &[PublicKey]) -> Told {
    let states = mint.store().get_proofs_states(points).await?;
    let unseen = points.iter().zip(states);
    let unseen = unseen.filter_map(|(point, state)| state.is_none().then_some(*point));
    let told = unseen.map(|point| ProofState::from((point, State::Unspent)));
    Ok(told.map(NotificationPayload::ProofState).collect())
}

/// The message that tells it.
pub(super) fn message((sub_id, payload): News) -> Result<Value, serde_json::Error> {
    let plain = match &payload {
        NotificationPayload::CustomMintQuoteResponse(_, quote) => {
            let mut quote = serde_json::to_value(quote)?;
            no_expiry(&mut quote);
            Some(quote)
        }
        NotificationPayload::CustomMeltQuoteResponse(_, quote) => {
            Some(serde_json::to_value(quote)?)
        }
        _ => None,
    };
    let news = notification_to_ws_message(NotificationInner { sub_id, payload });
    let mut message = serde_json::to_value(news)?;
    if let (Some(plain), Some(payload)) = (plain, message.pointer_mut("/params/payload")) {
        *payload = plain;
    }
    Ok(message)
}
