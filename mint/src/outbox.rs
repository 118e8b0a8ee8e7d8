//! The interface to whoever orders quotes: the ledger, or a stand-in. Orders are rows with
//! ids of their own, and delivering a row twice does no harm.

use std::fmt;
use std::str::FromStr;

use accounting::{EpochId, KeyPrefix, OutboxId, Sat};
use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use tokio::sync::watch;

use crate::quote::QuoteKey;

/// An order to the mint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Make the quote, unpaid.
    CreateQuote {
        /// The quote.
        quote: QuoteKey,
        /// The spelling of the key that it is locked to; none: the miner's last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        typed: Option<KeyPrefix>,
    },
    /// Pay the quote, once per payout; make it if it is not there.
    PayQuote {
        /// The quote.
        quote: QuoteKey,
        /// The payout that the money came with.
        payout: PayoutId,
        /// Whole satoshis, at least one.
        amount: Sat,
    },
    /// The epoch is settled: its quotes that were paid nothing will not be, what was
    /// earned is in carry.
    SettleEpoch {
        /// The epoch.
        epoch: EpochId,
    },
    /// The epoch's block was orphaned: its work counts in another one.
    MergeEpoch {
        /// The epoch.
        epoch: EpochId,
        /// The epoch that its work went to.
        into: EpochId,
    },
}

impl Order {
    /// The quote that it is about, if it is about one.
    pub const fn quote(&self) -> Option<&QuoteKey> {
        match self {
            Order::CreateQuote { quote, .. } | Order::PayQuote { quote, .. } => Some(quote),
            Order::SettleEpoch { .. } | Order::MergeEpoch { .. } => None,
        }
    }
}

/// A row of the outbox, as the mint reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its number; a later row has a higher one.
    pub id: OutboxId,
    /// The order.
    #[serde(flatten)]
    pub order: Order,
}

/// A payout's idempotency key as text: a payment hash, or `txid:vout`. At most 100
/// printable ASCII characters without a space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PayoutId(Box<str>);

/// The text is no payout's id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no payout: 1 to 100 printable ASCII characters")]
pub struct PayoutIdError(String);

impl PayoutId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PayoutId {
    type Err = PayoutIdError;

    fn from_str(text: &str) -> Result<Self, PayoutIdError> {
        if (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(PayoutId(text.into()))
        } else {
            Err(PayoutIdError(text.chars().take(120).collect()))
        }
    }
}

impl fmt::Display for PayoutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PayoutId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A quote that was ever ordered, with its payments by the ledger's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The quote.
    pub quote: QuoteKey,
    /// Its payments, each payout once.
    pub payments: Vec<(PayoutId, Sat)>,
}

/// The ledger did not answer.
#[derive(Debug, Error)]
#[error("the ledger's outbox: {0}")]
pub struct OutboxError(pub Box<dyn std::error::Error + Send + Sync>);

/// All that the mint's worker needs of the ledger; the binary has the adapter. One row is
/// about one quote: where a payment is spread over the quotes of many shares, there is a row
/// for each.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Rows that are not done, with an id above `after`, in order, at most `limit`.
    async fn pending(&self, after: OutboxId, limit: usize) -> Result<Vec<Row>, OutboxError>;

    /// Marks rows as done, durably. Marking one twice is harmless.
    async fn done(&self, ids: Vec<OutboxId>) -> Result<(), OutboxError>;

    /// Changes when there are new rows, which wakes the worker; `None` where the worker has
    /// to poll.
    fn news(&self) -> Option<watch::Receiver<OutboxId>> {
        None
    }

    /// A page of all quotes that were ever ordered, in an order of the ledger's own: `after`
    /// is the last quote of the page before. At most `limit`; none at the end. The worker
    /// reads it when the mint starts, to repair a mint store that is older than the ledger.
    async fn expected(
        &self,
        after: Option<QuoteKey>,
        limit: usize,
    ) -> Result<Vec<Expected>, OutboxError>;
}
