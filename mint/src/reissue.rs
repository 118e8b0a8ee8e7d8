//! An unspent token once more, locked to the other spelling of its key.
//!
//! The wallets that compare the whole key cannot open a token that is locked to the spelling
//! which they do not show. The mint made the token and has its secrets, so it spends the
//! token's proofs itself, without a witness, and makes new ones of the same sum, in one
//! transaction. Both are locked to the one secret key: who could spend the first can spend
//! the second, and nobody else can. The token keeps its number.

use std::collections::HashMap;

use accounting::{KeyPrefix, MinerKey};
use cdk_common::database::Error as StoreError;
use cdk_common::mint::{Operation, OperationKind};
use cdk_common::nuts::{Proofs, ProofsMethods as _, PublicKey, State};
use cdk_common::{Amount, nuts};

use crate::claim::{ClaimError, record_signed};
use crate::handle::Mint;
use crate::index::{self, Tx};
use crate::issue::{Ecash, make};
use crate::signed::{Purpose, Signed};
use crate::token::{Token, TokenState};
use crate::typed;

/// A token is made again so often at most: each time is work for the mint, and rows that
/// stay.
const MOST: u8 = 16;

/// Without a signature a token is made again so rarely, milliseconds: what was saved of it
/// is worth nothing afterwards.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Mint {
    /// The unspent token `number` of a key, locked to this spelling of it: as it is, or
    /// made again, after which its text of before is spent.
    ///
    /// Without a signature for [`Purpose::Reissue`] only in the spelling that a device
    /// typed last, once a day, and for a token for which nobody signed.
    ///
    /// # Errors
    /// [`ClaimError::NoReissue`] for a token that is not there, not wholly unspent, of an
    /// earlier keyset, that needs the signature, or was made again too often; nothing is
    /// changed then.
    pub async fn reissue(
        &self,
        key: MinerKey,
        number: u64,
        signed: Option<&Signed>,
        now_ms: u64,
    ) -> Result<Token, ClaimError> {
        let miner = key.miner;
        if let Some(why) = &self.config().no_tokens {
            return Err(ClaimError::NoTokens { why: why.clone() });
        }
        if let Some(signed) = signed {
            let prefix = key.prefix;
            let purpose = Purpose::Reissue { number, prefix };
            signed.check(purpose, self.key(), &miner, now_ms)?;
        } else if self.sweep_only(&miner).await? {
            return Err(ClaimError::SweepOnly { miner });
        }
        match self.token(&miner, number).await? {
            None => return Err(no(number, "the key has no token of this number")),
            Some((_, TokenState::Unspent)) => {}
            Some(_) => return Err(no(number, USED)),
        }
        let mut tx = self.store().begin_transaction().await?;
        let done = self.reissue_in(tx.as_mut(), key, number, signed, now_ms);
        let (token, spent) = match done.await {
            Ok(done) => done,
            Err(error) => {
                tx.rollback().await?;
                return Err(error);
            }
        };
        tx.commit().await?;
        for y in spent {
            self.cdk().pubsub_manager().proof_state((y, State::Spent));
        }
        Ok(token)
    }

    /// The same inside `tx`, with the proofs that are spent now.
    async fn reissue_in(
        &self,
        tx: Tx<'_>,
        key: MinerKey,
        number: u64,
        signed: Option<&Signed>,
        now_ms: u64,
    ) -> Result<(Token, Vec<PublicKey>), ClaimError> {
        let (of, name) = (index::miner_key(&key.miner), index::number_key(number));
        let row = tx.kv_read(index::TOKENS, &of, &name).await?;
        let row = row.ok_or_else(|| no(number, "the key has no token of this number"))?;
        let mut token: Token = serde_json::from_slice(&row).map_err(StoreError::from)?;
        if let Some(signed) = signed {
            record_signed(&mut *tx, &of, signed.time_ms).await?;
            token.is_signed = true;
        }
        if token.prefix == key.prefix {
            token.store(tx, &key.miner).await?;
            return Ok((token, Vec::new()));
        }
        if signed.is_none() {
            let typed = typed::read(&mut *tx, &key.miner).await?;
            may_be_unsigned(&token, typed, key.prefix, now_ms)?;
            token.unsigned_ms = now_ms;
        }
        if token.reissues >= MOST {
            return Err(no(number, "it was made again too often: redeem it"));
        }
        let proofs = self.proofs_of(&token)?;
        let active = self.active_keyset()?;
        if proofs.iter().any(|proof| proof.keyset_id != active) {
            return Err(no(number, "it is of an earlier keyset of this mint"));
        }
        let spent = token.ys.clone();
        let ecash = self
            .exchange(&mut *tx, proofs, key, &token)
            .await?
            .ok_or_else(|| no(number, USED))?;
        token.prefix = key.prefix;
        token.reissues = token.reissues.saturating_add(1);
        (token.token, token.ys) = (ecash.token, ecash.ys);
        token.store(tx, &key.miner).await?;
        Ok((token, spent))
    }

    /// The proofs in a token's text.
    fn proofs_of(&self, token: &Token) -> Result<Proofs, ClaimError> {
        let internal = |error: &dyn std::fmt::Display| {
            let number = token.number;
            ClaimError::from(StoreError::Internal(format!(
                "the stored token {number}: {error}"
            )))
        };
        let text: nuts::Token = token.token.parse().map_err(|error| internal(&error))?;
        let proofs = text.proofs(&self.cdk().keysets().keysets);
        let proofs = proofs.map_err(|error| internal(&error))?;
        let sum = proofs.total_amount().map_err(|error| internal(&error))?;
        if u64::from(sum) != token.amount.get() {
            return Err(internal(&format!("it is worth {sum}")));
        }
        Ok(proofs)
    }

    /// Spends the proofs of `token` and makes ecash of the same sum; `None` when one of them
    /// was used before.
    async fn exchange(
        &self,
        tx: Tx<'_>,
        proofs: Proofs,
        key: MinerKey,
        token: &Token,
    ) -> Result<Option<Ecash>, ClaimError> {
        let sum = Amount::from(token.amount.get());
        let operation = Operation::new(
            uuid::Uuid::now_v7(),
            OperationKind::Swap,
            sum,
            sum,
            Amount::ZERO,
            None,
            None,
        );
        let mut spent = match tx.add_proofs(proofs, None, &operation).await {
            Ok(proofs) => proofs,
            Err(StoreError::Duplicate | StoreError::AttemptUpdateSpentProof) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        tx.update_proofs_state(&mut spent, State::Spent).await?;
        let ecash = make(self, &mut *tx, key, token.amount, &operation).await?;
        tx.add_completed_operation(&operation, &HashMap::new())
            .await?;
        Ok(Some(ecash))
    }
}

const USED: &str = "it is spent, in whole or in part, or being spent";

const fn no(number: u64, why: &'static str) -> ClaimError {
    ClaimError::NoReissue { number, why }
}

/// Whether a token may be made again in the spelling `wanted` although nobody signed. Pure.
fn may_be_unsigned(
    token: &Token,
    typed: Option<KeyPrefix>,
    wanted: KeyPrefix,
    now_ms: u64,
) -> Result<(), ClaimError> {
    if token.is_signed || typed != Some(wanted) {
        return Err(no(token.number, "the key's holder has to sign for it"));
    }
    if token.unsigned_ms > 0 && now_ms.saturating_sub(token.unsigned_ms) < DAY_MS {
        return Err(no(
            token.number,
            "it was made again within the last day: the key's holder has to sign for it",
        ));
    }
    Ok(())
}
