//! A token that was made of a miner's sats.

use mint::{Token, TokenState};

use super::super::format;

#[derive(Debug)]
pub(super) struct TokenShown {
    pub(super) number: u64,
    pub(super) sat: String,
    pub(super) when: String,
    pub(super) machine: String,
    pub(super) state: &'static str,
    pub(super) state_class: &'static str,
}

impl TokenShown {
    pub(super) fn of(token: &Token, state: TokenState) -> Self {
        let (state, state_class) = match state {
            TokenState::Unspent => ("not redeemed yet", "good"),
            TokenState::PartlySpent => ("partly redeemed", "warn"),
            TokenState::Spent => ("redeemed", ""),
        };
        TokenShown {
            number: token.number,
            sat: format::sat(token.amount),
            when: format::minute(token.issued_ms),
            machine: format::machine_time(token.issued_ms),
            state,
            state_class,
        }
    }
}
