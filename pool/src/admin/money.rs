//! Requests and answers about the money: payments, their splits, suspense, and the
//! operator's balance.

use accounting::settle::{Block, Found, PayoutKey, Suspense};
use accounting::{EpochId, MinerId, Msat, Sat, Work};
use bitcoin::Txid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node::Afterwards;

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum MoneyRequest {
    /// What came last?
    Payouts {
        /// At most so many.
        newest: usize,
    },
    /// How was it split?
    Payout {
        /// Which.
        payout: PayoutKey,
    },
    /// What is nobody's yet?
    Suspense,
    /// Give a suspended payment to the miners of a closed epoch.
    Assign {
        /// The payment.
        payout: PayoutKey,
        /// The epoch.
        epoch: EpochId,
    },
    /// Take a suspended payment for the operator.
    ToFee {
        /// The payment.
        payout: PayoutKey,
    },
    /// Book a payment out that a reorganisation took out of the chain.
    BookOut {
        /// The payment.
        payout: PayoutKey,
    },
    /// What is the operator's?
    Fee,
    /// Send of the operator's money on-chain.
    Withdraw {
        /// Made before the first try: whoever asks again with it is never paid twice.
        id: String,
        /// The address.
        to: String,
        /// How much; `None`: all whole satoshis that there are, less what sending them
        /// costs.
        amount: Option<Sat>,
        /// Even if less is left than is owed.
        #[serde(default)]
        force: bool,
    },
    /// Tell what became of a withdrawal that nobody knows of.
    Resolve {
        /// The withdrawal's id.
        id: String,
        /// The transaction; `None`: it is sure that there is none.
        txid: Option<Txid>,
    },
}

/// Older payments than those of a list are counted up to here: each has to be read.
pub const MORE_COUNTED: usize = 1_000;

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum MoneyReply {
    /// To [`MoneyRequest::Payouts`], the newest first, and to [`MoneyRequest::Suspense`],
    /// the oldest first.
    Payouts(Payouts),
    /// To [`MoneyRequest::Payout`], [`MoneyRequest::Assign`] and [`MoneyRequest::ToFee`]:
    /// the payment as it is now.
    Payout(Box<PayoutSplit>),
    /// To [`MoneyRequest::Fee`].
    Fee(FeeStatus),
    /// To [`MoneyRequest::Withdraw`] and [`MoneyRequest::Resolve`].
    Withdrawal(WithdrawalRow),
}

/// A list of payments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payouts {
    /// One a payment.
    pub payouts: Vec<PayoutRow>,
    /// So many older ones are there besides, up to [`MORE_COUNTED`].
    #[serde(default)]
    pub more: usize,
}

/// A payment that is the miners', or may become so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Payout")]
pub struct PayoutRow {
    /// Its key: the payment hash, or `txid:vout`.
    pub payout: PayoutKey,
    /// What was received.
    pub amount_msat: Msat,
    /// When it was seen, milliseconds since 1970.
    pub received_ms: u64,
    /// Whether it came over lightning or on-chain.
    pub via: Way,
    /// The payer's note, as it came: foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // The public lists do not have it.
    #[schemars(skip)]
    pub note: Option<String>,
    /// The outcome.
    pub state: PayoutFate,
    /// Another amount that was told for the same payment later, and is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Msat")]
    pub amount_refused_msat: Option<Msat>,
}

/// How a payment came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PayoutWay")]
pub enum Way {
    /// Over lightning.
    Lightning,
    /// To the payout address.
    OnChain,
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayoutFate {
    /// It is split.
    Settled {
        /// How its epochs were found.
        found: Found,
        /// What each epoch got.
        epochs: Vec<EpochPart>,
        /// The operator's fee.
        fee_msat: Msat,
        /// How many miners got something.
        miners: u64,
        /// The number of its audit file.
        audit: u64,
    },
    /// It is nobody's yet.
    Suspended {
        /// Why.
        why: Suspense,
    },
    /// It is too small to be split by itself, and is split with the next one that is.
    Gathered,
    /// It was not for the OCEAN offer: the operator's.
    // The public lists do not have these.
    #[schemars(skip)]
    Operators,
    /// The operator took it out of suspense.
    ToFee,
}

/// An epoch's part of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EpochPart {
    /// The epoch that is expected to get it.
    pub epoch: EpochId,
    /// The block that closed it.
    pub block: Option<Block>,
    /// How much.
    pub amount_msat: Msat,
    /// The epoch whose miners get it: another one where this has no work.
    pub pays_over: EpochId,
}

/// A payment with its split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PayoutSplit {
    /// The payment.
    pub payout: PayoutRow,
    /// Who got what, in the order of the keys; none unless it is settled.
    pub miners: Vec<SplitRow>,
}

/// What a payment did to a miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRow {
    /// Who.
    pub miner: MinerId,
    /// Their work in the epochs that it was split over.
    pub work: Work,
    /// Their part.
    pub allocated_msat: Msat,
    /// Their carry before.
    pub carry_before_msat: Msat,
    /// What went to their quote.
    pub paid_sat: Sat,
    /// Their carry after.
    pub carry_after_msat: Msat,
    /// The epoch whose quote is paid, or would be.
    pub quote_epoch: EpochId,
}

/// The operator's account, in msat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeStatus {
    /// All that became the operator's.
    #[serde(with = "accounting::as_text")]
    pub fee_msat: u128,
    /// What running the node has cost.
    #[serde(with = "accounting::as_text")]
    pub node_costs_msat: u128,
    /// What was withdrawn, what nobody knows the outcome of included.
    #[serde(with = "accounting::as_text")]
    pub withdrawn_msat: u128,
    /// What can be withdrawn.
    #[serde(with = "accounting::as_text")]
    pub withdrawable_msat: u128,
    /// Every withdrawal, in the order of the ids, which begin with the time.
    pub withdrawals: Vec<WithdrawalRow>,
}

/// A withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRow {
    /// Its id.
    pub id: String,
    /// Where to.
    pub to: String,
    /// How much.
    pub amount_sat: Sat,
    /// What became of it.
    pub outcome: WithdrawalOutcome,
    /// What was estimated before it was booked; told once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Afterwards>,
}

/// What became of a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalOutcome {
    /// It was sent.
    Sent {
        /// The transaction.
        txid: Txid,
    },
    /// Nothing was sent, and the money is back.
    Returned {
        /// Why; `None` when it is not told any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Nobody knows: the process ended between the booking and the sending, or just after
    /// it. It is never sent again.
    Unknown,
}
