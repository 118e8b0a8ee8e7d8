//! Token claims: a claim issues all that a key can mint as one token that only the key can
//! spend.
//!
//! The mint makes secrets and signatures itself and locks them to the miner's key
//! (NUT-11), so the token can be handed to whoever asks for it. It is stored in the
//! transaction that marks the quotes as issued: after a crash there are both or
//! neither.

use ::signed::{SignedError, check_order};
use accounting::{KeyPrefix, MinerId, MinerKey, Sat};
use cdk_common::database::Error as StoreError;
use cdk_common::quote_id::QuoteId;
use thiserror::Error;

use crate::handle::Mint;
use crate::index;
use crate::issue::{Taken, issue, plan};
use crate::signed::{Purpose, Signed};
use crate::token::{Token, TokenState};

/// An unsigned claim gets the unspent token again for this long, milliseconds.
const TOKEN_DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Quotes that one token may be issued on; those of later epochs wait for the next.
const MAX_QUOTES: usize = 1000;

/// A claim that meets another one for the same key starts over at most this often.
const MAX_ROUNDS: usize = 4;

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A new token.
    New {
        /// The token.
        token: Token,
        /// The sats that could be claimed and are not in the token.
        waiting: Sat,
    },
    /// The one from before, still unspent.
    Earlier {
        /// The token.
        token: Token,
        /// The sats that could be claimed and are not in the token.
        waiting: Sat,
    },
    /// There is nothing to claim.
    Nothing,
}

/// The reasons for which a claim fails.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// The key's holder wants no tokens.
    #[error("the key {miner} is sweep-only: its holder asked for no tokens")]
    SweepOnly {
        /// The key.
        miner: MinerId,
    },
    /// A signed request that is not taken.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The mint's URL is none that a token could name.
    #[error("this pool makes no tokens: {why}")]
    NoTokens {
        /// The reason, and the way that is left to the owner.
        why: String,
    },
    /// A token that cannot be made again in the other spelling of its key.
    #[error("the token {number} cannot be made again: {why}")]
    NoReissue {
        /// The token's number.
        number: u64,
        /// The reason.
        why: &'static str,
    },
    /// Others claim for the same key all the time.
    #[error("concurrent claims for the key {miner}: try again")]
    Busy {
        /// The key.
        miner: MinerId,
    },
    /// The mint failed; nothing was issued.
    #[error(transparent)]
    Mint(#[from] cdk::Error),
}

impl From<StoreError> for ClaimError {
    fn from(error: StoreError) -> Self {
        ClaimError::Mint(error.into())
    }
}

/// The quotes that can be minted for a key.
struct Mintable {
    quotes: Vec<QuoteId>,
    total: Sat,
}

impl Mint {
    /// A token for what the key can mint, locked to the spelling that is asked for, or to
    /// the one that was typed last ([`Mint::typed`]). Without a signature the unspent token of
    /// less than a day ago is given again and new money waits; a request signed for
    /// [`Purpose::Claim`] gets a new one at once.
    ///
    /// An unspent token in the other spelling, for which nobody signed, is made again in
    /// the one that was typed last: a stranger may have claimed it.
    pub async fn claim(
        &self,
        miner: &MinerId,
        asked: Option<KeyPrefix>,
        signed: Option<&Signed>,
        now_ms: u64,
    ) -> Result<Claim, ClaimError> {
        if let Some(why) = &self.config().no_tokens {
            return Err(ClaimError::NoTokens { why: why.clone() });
        }
        if let Some(signed) = signed {
            signed.check(Purpose::Claim, self.key(), miner, now_ms)?;
        }
        for _ in 0..MAX_ROUNDS {
            if let Some(claim) = self.claim_round(miner, asked, signed, now_ms).await? {
                return Ok(claim);
            }
        }
        Err(ClaimError::Busy { miner: *miner })
    }

    /// One try; `None` when another claim for the key came in between.
    async fn claim_round(
        &self,
        miner: &MinerId,
        asked: Option<KeyPrefix>,
        signed: Option<&Signed>,
        now_ms: u64,
    ) -> Result<Option<Claim>, ClaimError> {
        if self.sweep_only(miner).await? {
            return Err(ClaimError::SweepOnly { miner: *miner });
        }
        let typed = self.typed(miner).await?;
        let key = MinerKey {
            prefix: asked.unwrap_or(typed.prefix),
            ..typed
        };
        let numbers = self.token_numbers(miner).await?;
        let unspent = self.newest_unspent(miner, &numbers, now_ms).await?;
        let mintable = self.mintable(miner).await?;
        if signed.is_none()
            && let Some((token, fresh)) = unspent
            && (fresh || mintable.total.is_zero())
        {
            return self
                .earlier(key, typed, token, mintable.total, now_ms)
                .await;
        }
        if signed.is_none() && mintable.total.is_zero() {
            return Ok(Some(Claim::Nothing));
        }
        self.issue_token(key, signed, &numbers, &mintable, now_ms)
            .await
    }

    /// The unspent token of before; `None` when it was spent meanwhile.
    async fn earlier(
        &self,
        key: MinerKey,
        typed: MinerKey,
        token: Token,
        waiting: Sat,
        now_ms: u64,
    ) -> Result<Option<Claim>, ClaimError> {
        let is_others = token.prefix != key.prefix && key == typed && !token.is_signed;
        if !is_others {
            return Ok(Some(Claim::Earlier { token, waiting }));
        }
        match self.reissue(key, token.number, None, now_ms).await {
            Ok(token) => Ok(Some(Claim::New { token, waiting })),
            // The token that there is opens for whoever has a wallet for it.
            Err(error) => {
                tracing::info!(miner = %key.miner, number = token.number, %error, "a token keeps its spelling");
                let again = self.token(&key.miner, token.number).await?;
                let is_there = matches!(again, Some((_, TokenState::Unspent)));
                Ok(is_there.then_some(Claim::Earlier { token, waiting }))
            }
        }
    }

    async fn issue_token(
        &self,
        key: MinerKey,
        signed: Option<&Signed>,
        numbers: &[u64],
        mintable: &Mintable,
        now_ms: u64,
    ) -> Result<Option<Claim>, ClaimError> {
        let of = index::miner_key(&key.miner);
        let mut tx = self.store().begin_transaction().await?;
        // What was looked at before may have changed since: here nothing changes any
        // more.
        let numbers_now = tx.kv_list(index::TOKENS, &of).await?;
        if tx
            .kv_read(index::AXEPOOL, index::SWEEP_ONLY, &of)
            .await?
            .is_some()
            || numbers_now.len() != numbers.len()
        {
            tx.rollback().await?;
            return Ok(None);
        }
        if let Some(signed) = signed {
            record_signed(tx.as_mut(), &of, signed.time_ms).await?;
        }
        let quotes = match mintable.quotes.as_slice() {
            [] => Vec::new(),
            ids => tx.get_mint_quotes_by_ids(ids).await?,
        };
        let mut quotes: Vec<_> = quotes.into_iter().flatten().collect();
        let taken: Taken = plan(quotes.iter().map(|quote| quote.amount_mintable().value()));
        if taken.total.is_zero() {
            tx.commit().await?;
            return Ok(Some(Claim::Nothing));
        }
        let number = numbers.last().copied().unwrap_or(0).saturating_add(1);
        let mut token = issue(self, tx.as_mut(), key, &mut quotes, &taken, number, now_ms).await?;
        token.is_signed = signed.is_some();
        token.store(tx.as_mut(), &key.miner).await?;
        tx.commit().await?;

        let listeners = self.cdk().pubsub_manager();
        for quote in &quotes {
            listeners.mint_quote_issue(quote, quote.amount_issued());
        }
        self.metrics().tokens.inc();
        self.metrics().token_sat.inc_by(token.amount.get());
        let waiting = mintable
            .total
            .checked_sub(token.amount)
            .unwrap_or(Sat::ZERO);
        Ok(Some(Claim::New { token, waiting }))
    }

    /// The newest unspent token, and whether it is of less than a day ago.
    async fn newest_unspent(
        &self,
        miner: &MinerId,
        numbers: &[u64],
        now_ms: u64,
    ) -> Result<Option<(Token, bool)>, StoreError> {
        // A key with many unspent tokens claims with signatures; the newest say enough.
        for &number in numbers.iter().rev().take(16) {
            if let Some((token, TokenState::Unspent)) = self.token(miner, number).await? {
                let fresh = now_ms.saturating_sub(token.issued_ms) < TOKEN_DAY_MS;
                return Ok(Some((token, fresh)));
            }
        }
        Ok(None)
    }

    /// The quotes of a key that something can be minted on, the oldest epochs first,
    /// at most [`MAX_QUOTES`], and the sum of all.
    async fn mintable(&self, miner: &MinerId) -> Result<Mintable, StoreError> {
        let mut mintable = Mintable {
            quotes: Vec::new(),
            total: Sat::ZERO,
        };
        for (_, quote) in self.stored_quotes(miner).await? {
            let sat = quote.amount_mintable().value();
            if sat > 0 {
                mintable.total = mintable
                    .total
                    .checked_add(Sat::new(sat))
                    .ok_or(StoreError::AmountOverflow)?;
                if mintable.quotes.len() < MAX_QUOTES {
                    mintable.quotes.push(quote.id);
                }
            }
        }
        Ok(mintable)
    }

    /// True when the key's holder asked for no tokens.
    pub async fn sweep_only(&self, miner: &MinerId) -> Result<bool, StoreError> {
        let key = index::miner_key(miner);
        Ok(self
            .store()
            .kv_read(index::AXEPOOL, index::SWEEP_ONLY, &key)
            .await?
            .is_some())
    }

    /// Makes a key sweep-only, or takes that back, as its holder signed
    /// ([`Purpose::SweepOnly`], [`Purpose::AllowTokens`]).
    pub async fn set_sweep_only(
        &self,
        miner: &MinerId,
        sweep_only: bool,
        signed: &Signed,
        now_ms: u64,
    ) -> Result<(), ClaimError> {
        let purpose = if sweep_only {
            Purpose::SweepOnly
        } else {
            Purpose::AllowTokens
        };
        signed.check(purpose, self.key(), miner, now_ms)?;
        let key = index::miner_key(miner);
        let mut tx = self.store().begin_transaction().await?;
        record_signed(tx.as_mut(), &key, signed.time_ms).await?;
        if sweep_only {
            let since = now_ms.to_string();
            tx.kv_write(index::AXEPOOL, index::SWEEP_ONLY, &key, since.as_bytes())
                .await?;
        } else {
            tx.kv_remove(index::AXEPOOL, index::SWEEP_ONLY, &key)
                .await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Takes a signed request, once.
pub(crate) async fn record_signed(
    tx: index::Tx<'_>,
    key: &str,
    time_ms: u64,
) -> Result<(), ClaimError> {
    let last = tx.kv_read(index::AXEPOOL, index::SIGNED, key).await?;
    let last = last.as_deref().map(read_time).transpose()?;
    check_order(time_ms, last)?;
    let time = time_ms.to_string();
    Ok(tx
        .kv_write(index::AXEPOOL, index::SIGNED, key, time.as_bytes())
        .await?)
}

fn read_time(bytes: &[u8]) -> Result<u64, StoreError> {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            StoreError::Internal("the time of the last signed request is no number".into())
        })
}
