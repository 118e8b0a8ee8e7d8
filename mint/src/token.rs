//! The stored tokens, with the state of each.

use accounting::{KeyPrefix, MinerId, Sat};
use cdk_common::database::Error;
use cdk_common::nuts::{PublicKey, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handle::Mint;
use crate::index::{self, Tx};

/// A token that was issued to a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Counts the miner's tokens from 1.
    pub number: u64,
    /// Its value.
    pub amount: Sat,
    /// When it was issued, milliseconds since 1970.
    pub issued_ms: u64,
    /// The token, as wallets read it (NUT-00, version 4), locked to the miner's key.
    pub token: String,
    /// The spelling of the key that it is locked to.
    #[serde(default = "before_spellings")]
    pub prefix: KeyPrefix,
    /// True when the key's holder signed for it.
    #[serde(default)]
    pub(crate) is_signed: bool,
    /// How often it was made again, locked to the other spelling.
    #[serde(default)]
    pub(crate) reissues: u8,
    /// When it was made again last without a signature, milliseconds since 1970; 0: never.
    #[serde(default)]
    pub(crate) unsigned_ms: u64,
    /// Its proofs as the mint knows them when they are spent (NUT-00's Y).
    pub(crate) ys: Vec<PublicKey>,
    /// The quotes that it was issued on, and how much of each.
    pub(crate) quotes: Vec<(String, Sat)>,
}

/// Tokens of before spellings were kept are locked to this one.
const fn before_spellings() -> KeyPrefix {
    KeyPrefix::Even
}

/// The state of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// None of its proofs was used.
    Unspent,
    /// Some were, or are being used right now.
    PartlySpent,
    /// All were.
    Spent,
}

/// The state of a token, by those of its proofs; one that the store does not know was
/// never used.
fn state_of(proofs: &[Option<State>]) -> TokenState {
    let unused = |state: &Option<State>| matches!(state, None | Some(State::Unspent));
    if proofs.iter().all(unused) {
        TokenState::Unspent
    } else if proofs.iter().all(|state| *state == Some(State::Spent)) {
        TokenState::Spent
    } else {
        TokenState::PartlySpent
    }
}

impl Token {
    /// Writes it into `tx`.
    pub(crate) async fn store(&self, tx: Tx<'_>, miner: &MinerId) -> Result<(), Error> {
        let (miner, number) = (index::miner_key(miner), index::number_key(self.number));
        index::write_json(tx, index::TOKENS, &miner, &number, self).await
    }
}

impl Mint {
    /// A miner's tokens, the newest first, at most `limit`.
    pub async fn tokens(
        &self,
        miner: &MinerId,
        limit: usize,
    ) -> Result<Vec<(Token, TokenState)>, Error> {
        let mut tokens = Vec::new();
        for number in self
            .token_numbers(miner)
            .await?
            .into_iter()
            .rev()
            .take(limit)
        {
            tokens.extend(self.token(miner, number).await?);
        }
        Ok(tokens)
    }

    /// The numbers of a miner's tokens, the oldest first.
    pub(crate) async fn token_numbers(&self, miner: &MinerId) -> Result<Vec<u64>, Error> {
        let keys = self
            .store()
            .kv_list(index::TOKENS, &index::miner_key(miner))
            .await?;
        keys.iter().map(|key| index::key_number(key)).collect()
    }

    /// One token of a miner, with its state now; `None` when there is none of this number.
    pub async fn token(
        &self,
        miner: &MinerId,
        number: u64,
    ) -> Result<Option<(Token, TokenState)>, Error> {
        let (miner, number) = (index::miner_key(miner), index::number_key(number));
        let token: Option<Token> =
            index::read_json(self.store(), index::TOKENS, &miner, &number).await?;
        let Some(token) = token else { return Ok(None) };
        let states = self.store().get_proofs_states(&token.ys).await?;
        Ok(Some((token, state_of(&states))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_spent_when_all_of_it_is() {
        use State::{Pending, Spent, Unspent};
        for (proofs, state) in [
            (vec![None, None], TokenState::Unspent),
            (vec![None, Some(Unspent)], TokenState::Unspent),
            (vec![Some(Spent), Some(Spent)], TokenState::Spent),
            (vec![Some(Spent), None], TokenState::PartlySpent),
            (vec![Some(Pending), None], TokenState::PartlySpent),
            (vec![Some(Pending)], TokenState::PartlySpent),
        ] {
            assert_eq!(state_of(&proofs), state, "{proofs:?}");
        }
    }
}
