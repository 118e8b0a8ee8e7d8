//! The form in which `/api/solvency` publishes liabilities and assets. Amounts in msat may
//! pass 2^53, so they are decimal strings.

use accounting::{Sat, as_text, schema};
use schemars::JsonSchema;
use serde::Serialize;

/// Liabilities and assets, as of the last check, a few seconds ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Solvency")]
pub struct SolvencyReport {
    /// When it was checked, milliseconds since 1970; `null` before the first check.
    pub as_of_ms: Option<u64>,
    /// What the pool owes.
    pub liabilities: Option<LiabilitiesReport>,
    /// What the pool has.
    pub assets: Option<AssetsReport>,
    /// Whether ecash can be turned into lightning payments here.
    pub melts: MeltsReport,
    /// How much the liabilities exceed the assets by, while melts are paused.
    #[serde(with = "as_text::option")]
    #[schemars(with = "Option<schema::BigMsat>")]
    pub missing_msat: Option<u128>,
    /// What `null` means, in words.
    pub detail: &'static str,
}

/// Whether ecash can be turned into lightning payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Melts")]
pub enum MeltsReport {
    /// There is no lightning node.
    Off,
    /// Assets cover the liabilities.
    On,
    /// Liabilities exceed assets.
    Paused,
}

/// Liabilities of the pool. `null`: not known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Liabilities")]
pub struct LiabilitiesReport {
    /// Ecash that is out there.
    pub outstanding_sat: Option<Sat>,
    /// Paid to quotes, and not minted yet.
    pub paid_unissued_sat: Option<Sat>,
    /// Payments that the mint refuses for good, until the operator has seen to it.
    pub parked_sat: Option<Sat>,
    /// Settled, and not yet at the mint.
    pub unapplied_sat: Option<Sat>,
    /// All miners' remainders below a satoshi.
    #[serde(with = "as_text")]
    #[schemars(with = "schema::BigMsat")]
    pub carry_msat: u128,
    /// Arrived, and nobody's yet.
    #[serde(with = "as_text")]
    #[schemars(with = "schema::BigMsat")]
    pub suspense_msat: u128,
    /// The operator's, not withdrawn.
    #[serde(with = "as_text")]
    #[schemars(with = "schema::BigMsat")]
    pub fee_msat: u128,
    /// All of it.
    #[serde(with = "as_text::option")]
    #[schemars(with = "Option<schema::BigMsat>")]
    pub total_msat: Option<u128>,
}

/// Assets of the pool's lightning node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Assets")]
pub struct AssetsReport {
    /// The pool's own in channels.
    pub channels_sat: Sat,
    /// In payments of its own that are not decided: spent or back when they are.
    #[serde(with = "as_text")]
    #[schemars(with = "schema::BigMsat")]
    pub under_way_msat: u128,
    /// Confirmed on-chain.
    pub on_chain_sat: Sat,
    /// On the way from closed channels.
    pub closing_sat: Sat,
    /// All of it.
    #[serde(with = "as_text")]
    #[schemars(with = "schema::BigMsat")]
    pub total_msat: u128,
}
