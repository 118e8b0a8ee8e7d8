//! An unspent token once more, locked to the other spelling of its key.
//!
//! The wallets that compare the whole key cannot open a token that is locked to the spelling
//! which they do not show. The mint made the token and has its secrets, so it spends the
//! token's proofs itself, without a witness, and makes new ones of the same sum, in one
//! transaction. Both are locked to the one secret key: who could spend the first can spend
//! the second, and nobody else can.

use std::collections::HashMap;

use accounting::{MinerId, MinerKey};
use cdk_common::database::Error as StoreError;
use cdk_common::mint::{Operation, OperationKind};
use cdk_common::nuts::{Proofs, ProofsMethods as _, State};
use cdk_common::{Amount, nuts};

use crate::claim::{ClaimError, record_signed};
use crate::handle::Mint;
use crate::index::{self, Tx};
use crate::issue::{Ecash, make};
use crate::signed::{Purpose, Signed};
use crate::token::Token;

impl Mint {
    /// The unspent token `number` of a key, locked to this spelling of it: the token itself
    /// if it is, else a new one, after which the first is spent.
    ///
    /// Without a signature for [`Purpose::Reissue`] only in the spelling that was typed
    /// last, and only for a token for which nobody signed.
    ///
    /// # Errors
    /// [`ClaimError::NoReissue`] for a token that is not there, not wholly unspent, of an
    /// earlier keyset, or that needs the signature; nothing is changed then.
    pub async fn reissue(
        &self,
        key: MinerKey,
        number: u64,
        signed: Option<&Signed>,
        now_ms: u64,
    ) -> Result<Token, ClaimError> {
        let no = |why| ClaimError::NoReissue { number, why };
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
        let active = self.active_keyset()?;
        let mut tx = self.store().begin_transaction().await?;
        let done = async {
            let old = latest(tx.as_mut(), &miner, number).await?;
            let old = old.ok_or_else(|| no("the key has no token of this number"))?;
            if let Some(signed) = signed {
                let of = index::miner_key(&miner);
                record_signed(tx.as_mut(), &of, signed.time_ms).await?;
            }
            if old.prefix == key.prefix {
                return Ok((old, Vec::new()));
            }
            if signed.is_none() {
                let typed = crate::typed::read(tx.as_mut(), &miner).await?;
                if old.is_signed || typed != key.prefix {
                    return Err(no("the key's holder has to sign for it"));
                }
            }
            let proofs = self.proofs_of(&old)?;
            if proofs.iter().any(|proof| proof.keyset_id != active) {
                return Err(no("it is of an earlier keyset of this mint"));
            }
            let ys = old.ys.clone();
            let token = self
                .exchange(tx.as_mut(), old, proofs, key, signed.is_some(), now_ms)
                .await?
                .ok_or_else(|| no("it is spent, in whole or in part, or being spent"))?;
            Ok((token, ys))
        };
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

    /// Spends `old` and makes a token of the same sum; `None` when one of its proofs was
    /// used before.
    async fn exchange(
        &self,
        tx: Tx<'_>,
        mut old: Token,
        proofs: Proofs,
        key: MinerKey,
        is_signed: bool,
        now_ms: u64,
    ) -> Result<Option<Token>, ClaimError> {
        let sum = Amount::from(old.amount.get());
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
        let Ecash { token, ys } = make(self, &mut *tx, key, old.amount, &operation).await?;
        tx.add_completed_operation(&operation, &HashMap::new())
            .await?;
        let of = index::miner_key(&key.miner);
        let numbers = tx.kv_list(index::TOKENS, &of).await?;
        let last = numbers.last().map(|last| index::key_number(last));
        let number = last.transpose()?.unwrap_or(0).saturating_add(1);
        let new = Token {
            number,
            amount: old.amount,
            issued_ms: now_ms,
            token,
            prefix: key.prefix,
            is_signed,
            reissued_as: None,
            ys,
            quotes: std::mem::take(&mut old.quotes),
        };
        old.reissued_as = Some(number);
        old.store(&mut *tx, &key.miner).await?;
        new.store(tx, &key.miner).await?;
        Ok(Some(new))
    }
}

/// The token of this number inside `tx`, or the last one that took its place.
async fn latest(tx: Tx<'_>, miner: &MinerId, number: u64) -> Result<Option<Token>, StoreError> {
    let of = index::miner_key(miner);
    let mut next = number;
    loop {
        let name = index::number_key(next);
        let Some(row) = tx.kv_read(index::TOKENS, &of, &name).await? else {
            return Ok(None);
        };
        let token: Token = serde_json::from_slice(&row)?;
        match token.reissued_as {
            // A later token has a higher number: this ends.
            Some(later) if later > next => next = later,
            _ => return Ok(Some(token)),
        }
    }
}
