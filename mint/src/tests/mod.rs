//! The mint from outside: over a real listener, with cdk's own wallet, and with a
//! ledger that crashes.

mod answers;
mod any_store;
mod claims;
mod crash;
mod fractions;
pub(crate) mod interop;
mod lost;
mod melt_crash;
mod melts;
mod nutshell;
mod refusals;
mod repeated;
pub(crate) mod restored;
mod share_quotes;
mod spellings;
mod start;
mod subscriptions;
pub(crate) mod support;
pub(crate) mod wallets;
mod work;
