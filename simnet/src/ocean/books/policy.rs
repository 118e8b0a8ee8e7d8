//! The way in which a user is paid.

use std::str::FromStr as _;

use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, ScriptBuf};

use super::Account;

/// Smaller outputs are not relayed (Bitcoin Core's limit for the oldest kind of address).
const DUST_SAT: u64 = 546;

/// How OCEAN pays over the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChain {
    /// In an ordinary transaction, several users in one.
    Transaction,
    /// In the coinbase of its next block.
    Coinbase,
}

/// When OCEAN pays which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Lightning payouts are paused: what is due gathers for the chain.
    pub lightning_paused: bool,
    /// Less than this is not worth a lightning payment.
    pub lightning_min_msat: u64,
    /// As much as this goes over the chain, unless lightning works.
    pub on_chain_sat: u64,
    /// Which way over the chain.
    pub on_chain: OnChain,
}

impl Default for Policy {
    /// OCEAN's: no least amount over lightning, 1,048,576 satoshis over the chain.
    fn default() -> Self {
        Policy {
            lightning_paused: false,
            lightning_min_msat: 1,
            on_chain_sat: 1_048_576,
            on_chain: OnChain::Transaction,
        }
    }
}

/// What to do about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Pay its offer.
    Lightning,
    /// Pay its address.
    OnChain,
    /// Nothing yet.
    Wait,
}

/// Where a user is paid over the chain; a username without an address has nowhere.
pub(crate) fn script_of(address: &str) -> Option<ScriptBuf> {
    let address = Address::<NetworkUnchecked>::from_str(address).ok()?;
    Some(address.assume_checked().script_pubkey())
}

/// What of an account can go over the chain, in whole satoshis; less than dust cannot.
pub(crate) fn payable_on_chain(user: &str, msat: u64) -> Option<u64> {
    let sat = msat / 1_000;
    (sat >= DUST_SAT && script_of(user).is_some()).then_some(sat)
}

impl Policy {
    /// How a user is to be paid now. Lightning first; who cannot be reached that way and
    /// has gathered enough is paid over the chain.
    pub(crate) fn route(&self, user: &str, account: &Account) -> Route {
        let gathered_msat = account.due_msat + account.in_coinbase_msat;
        let has_enough =
            payable_on_chain(user, gathered_msat).is_some_and(|sat| sat >= self.on_chain_sat);
        let is_reachable = account.offer.is_some() && !self.lightning_paused;
        if has_enough && (!is_reachable || account.failures > 0) {
            Route::OnChain
        } else if is_reachable
            && account.in_flight_msat == 0
            && account.due_msat >= self.lightning_min_msat.max(1)
        {
            Route::Lightning
        } else {
            Route::Wait
        }
    }
}
