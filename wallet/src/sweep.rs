//! The sweep: everything that the pool holds for a key, brought into the wallet.

use std::collections::{BTreeMap, BTreeSet};

use cdk::amount::SplitTarget;
use cdk_common::nuts::{CurrencyUnit, MintInfo, PaymentMethod, ProofsMethods};
use cdk_common::wallet::MintQuote;

use crate::error::WalletError;
use crate::key::OwnerKey;
use crate::pool::{METHOD, PoolQuote};
use crate::purse::{Patience, Purse};
use crate::swept::{Left, Progress, Swept};
use crate::text::plain;

/// Quotes in one request at most, whatever a mint advertises: what it has to answer for
/// them stays small, and so does what is lost when a request fails.
const MAX_BATCH: usize = 100;

/// Outputs in one request at most. Mints bound them (500 is what ours takes) and do not
/// say so beforehand.
const MAX_OUTPUTS: u32 = 400;

/// What one sweep is about.
struct Run<'a> {
    purse: &'a Purse,
    key: &'a OwnerKey,
    swept: Swept,
    /// Quotes that could not be minted in this run.
    failed: BTreeMap<String, Left>,
    /// With other wallets that are at work on the same.
    patience: Patience,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl Purse {
    /// Brings everything that the pool holds for `key` into the wallet: tokens locked to
    /// it, then quotes, in batches (NUT-29) where the mint has them. What one thing
    /// fails for does not keep the others.
    ///
    /// # Errors
    /// [`WalletError`]: when the mint cannot be asked, or the store fails. Cut off at
    /// any point, the next run ends what was begun.
    pub async fn sweep(
        &self,
        key: &OwnerKey,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Swept, WalletError> {
        let before_sat = self.balance_sat().await?;
        let info = self.info().await?;
        let ready = self.ready().await?;
        if ready.recovered != crate::Recovered::default() {
            progress(Progress::Recovered(ready.recovered));
        }
        if let Some(restored) = ready.restored {
            progress(Progress::Restored(restored));
        }
        let mut run = Run {
            purse: self,
            key,
            swept: Swept::default(),
            failed: BTreeMap::new(),
            patience: Patience::default(),
            progress,
        };
        run.tokens().await?;
        run.quotes(&info).await?;
        let Run {
            mut swept, failed, ..
        } = run;
        swept.left.extend(failed.into_values());
        swept.balance_sat = self.balance_sat().await?;
        swept.received_sat = swept.balance_sat.saturating_sub(before_sat);
        Ok(swept)
    }
}

impl Run<'_> {
    async fn tokens(&mut self) -> Result<(), WalletError> {
        let listed = self.purse.pool.tokens(self.key).await?;
        let open: Vec<String> = listed
            .into_iter()
            .filter(|listed| listed.state != "spent")
            .filter_map(|listed| listed.token)
            .collect();
        for (index, token) in open.iter().enumerate() {
            match self.purse.receive_from_pool(token, self.key).await {
                Ok(0) => {}
                Ok(sat) => {
                    self.swept.tokens += 1;
                    self.swept.tokens_sat = self.swept.tokens_sat.saturating_add(sat);
                }
                Err(error) if error.passes() && !error.keeps_one_token() => return Err(error),
                Err(error @ WalletError::Store(_)) => return Err(error),
                Err(error) => self.swept.left.push(Left {
                    what: "token".to_owned(),
                    sat: None,
                    why: error.to_string(),
                }),
            }
            (self.progress)(Progress::Tokens {
                done: index + 1,
                of: open.len(),
            });
        }
        Ok(())
    }

    /// Asks for the key's quotes and mints them, until there are no more: one answer
    /// holds so many.
    async fn quotes(&mut self, info: &MintInfo) -> Result<(), WalletError> {
        let mint_key = info.pubkey.ok_or_else(|| WalletError::NoPool {
            mint: self.purse.mint.to_string(),
            why: "it names no public key in /v1/info, which a look-up needs".to_owned(),
        })?;
        let batch = batch_size(info);
        loop {
            let found = self.purse.pool.look_up(&mint_key, &[self.key]).await?;
            let mintable = self.note(found);
            if mintable.is_empty() {
                return Ok(());
            }
            let of = self.swept.quotes + mintable.len();
            // The first is done first: a stack, from the last to the first.
            let mut waiting = chunks(mintable, batch);
            waiting.reverse();
            while let Some(chunk) = waiting.pop() {
                self.mint(chunk, &mut waiting).await?;
                (self.progress)(Progress::Quotes {
                    done: self.swept.quotes,
                    of,
                    sat: self.swept.quotes_sat,
                });
            }
        }
    }

    /// Counts what the look-up told, and picks what can be minted and did not fail yet.
    fn note(&mut self, found: Vec<PoolQuote>) -> Vec<PoolQuote> {
        let mut seen = BTreeSet::new();
        let x_only = self.key.x_only();
        let mut mine: Vec<PoolQuote> = found
            .into_iter()
            .filter(|quote| {
                quote
                    .unit
                    .as_ref()
                    .is_none_or(|unit| *unit == CurrencyUnit::Sat)
            })
            .filter(|quote| {
                quote
                    .pubkey
                    .is_none_or(|key| key.x_only_public_key() == x_only)
            })
            .filter(|quote| seen.insert(quote.quote.clone()))
            .collect();
        self.swept.known_quotes = mine.len();
        self.swept.unpaid_quotes = mine
            .iter()
            .filter(|quote| quote.amount_paid.to_u64() == 0)
            .count();
        mine.retain(|quote| mintable_sat(quote) > 0);
        // What somebody else took in the meantime is nothing left undone.
        self.failed
            .retain(|id, _| mine.iter().any(|quote| quote.quote == *id));
        mine.retain(|quote| !self.failed.contains_key(&quote.quote));
        mine
    }

    /// Mints one chunk. One that is too large goes back in halves; one that the mint
    /// refuses goes back quote by quote, so that a bad one keeps only itself.
    async fn mint(
        &mut self,
        chunk: Vec<PoolQuote>,
        waiting: &mut Vec<Vec<PoolQuote>>,
    ) -> Result<(), WalletError> {
        let mut ready = Vec::with_capacity(chunk.len());
        for quote in chunk {
            if self.write_down(&quote).await? {
                ready.push(quote);
            }
        }
        let ids: Vec<&str> = ready.iter().map(|quote| quote.quote.as_str()).collect();
        // As few proofs as can be: whole powers of two.
        let split = SplitTarget::Values(Vec::new());
        let wallet = &self.purse.wallet;
        let minted = match ids.as_slice() {
            [] => return Ok(()),
            [id] => wallet.mint(id, split, None).await,
            ids => wallet.batch_mint(ids, split, None, None).await,
        };
        match minted {
            Ok(proofs) => {
                let sat = proofs.total_amount().map_err(|error| self.amount(&error))?;
                self.swept.quotes += ready.len();
                self.swept.quotes_sat = self.swept.quotes_sat.saturating_add(sat.to_u64());
                self.forget(&ids).await
            }
            Err(error) if too_large(&error) && ready.len() > 1 => {
                let half = ready.split_off(ready.len() / 2);
                waiting.extend([half, ready]);
                Ok(())
            }
            Err(error) if error.is_definitive_failure() && ready.len() > 1 => {
                waiting.extend(ready.into_iter().rev().map(|quote| vec![quote]));
                Ok(())
            }
            // The quotes are looked up again: another wallet may have had them.
            Err(error) if self.purse.may_ask_again(&error, &mut self.patience).await? => {
                waiting.clear();
                Ok(())
            }
            Err(error) => {
                let definitive = error.is_definitive_failure();
                let error = WalletError::of(&self.purse.mint, error);
                let at_work = matches!(error, WalletError::AtWork { .. });
                if !at_work && (!definitive || ready.len() > 1) {
                    return Err(error);
                }
                for quote in ready {
                    self.leave(&quote, error.to_string());
                }
                Ok(())
            }
        }
    }

    /// Writes a quote into the wallet's store with the key that opens it, so that an
    /// interrupted request can be asked again by any later command. False when an
    /// earlier request for it is still open.
    async fn write_down(&mut self, found: &PoolQuote) -> Result<bool, WalletError> {
        let store = &self.purse.wallet.localstore;
        let failed = |error| self.purse.store_error(error);
        let known = store.get_mint_quote(&found.quote).await.map_err(failed)?;
        let mut quote = known.unwrap_or_else(|| {
            MintQuote::new(
                found.quote.clone(),
                self.purse.mint.clone(),
                PaymentMethod::from(METHOD),
                found.amount,
                CurrencyUnit::Sat,
                found.request.clone(),
                found.expiry.unwrap_or(0),
                None,
            )
        });
        if quote.used_by_operation.is_some() {
            self.leave(
                found,
                "an earlier request for it has no answer yet".to_owned(),
            );
            return Ok(false);
        }
        quote.secret_key = Some(self.key.secret().clone());
        quote.amount_paid = found.amount_paid;
        quote.amount_issued = found.amount_issued;
        quote.updated_at = found.updated_at;
        quote.update_state_from_amounts();
        store.add_mint_quote(quote).await.map_err(failed)?;
        Ok(true)
    }

    /// What is minted needs no place in the store, nor does the key with it. If more is
    /// paid to it, the look-up tells.
    async fn forget(&self, ids: &[&str]) -> Result<(), WalletError> {
        for id in ids {
            let removed = self.purse.wallet.localstore.remove_mint_quote(id).await;
            removed.map_err(|error| self.purse.store_error(error))?;
        }
        Ok(())
    }

    fn leave(&mut self, quote: &PoolQuote, why: String) {
        let left = Left {
            what: plain(&quote.quote),
            sat: Some(mintable_sat(quote)),
            why,
        };
        self.failed.insert(quote.quote.clone(), left);
    }

    fn amount(&self, error: &dyn std::fmt::Display) -> WalletError {
        WalletError::Refused {
            mint: self.purse.mint.to_string(),
            why: plain(&error.to_string()),
        }
    }
}

fn mintable_sat(quote: &PoolQuote) -> u64 {
    let (paid, issued) = (quote.amount_paid.to_u64(), quote.amount_issued.to_u64());
    paid.saturating_sub(issued)
}

fn too_large(error: &cdk::Error) -> bool {
    use cdk::Error as E;
    matches!(
        error,
        E::BatchSizeExceeded { .. } | E::MaxOutputsExceeded { .. } | E::HttpError(Some(413), _)
    )
}

/// Quotes that this mint takes in one request; 1 where it knows no batches.
fn batch_size(info: &MintInfo) -> usize {
    let settings = &info.nuts.nut29;
    let ours = settings
        .methods
        .as_ref()
        .is_none_or(|methods| methods.iter().any(|method| method == METHOD));
    if settings.is_empty() || !ours {
        return 1;
    }
    let advertised = settings
        .max_batch_size
        .map_or(MAX_BATCH, |most| usize::try_from(most).unwrap_or(MAX_BATCH));
    advertised.clamp(1, MAX_BATCH)
}

/// Cuts `quotes` into requests of at most `batch` quotes and [`MAX_OUTPUTS`] outputs.
fn chunks(quotes: Vec<PoolQuote>, batch: usize) -> Vec<Vec<PoolQuote>> {
    let mut chunks: Vec<Vec<PoolQuote>> = Vec::new();
    let mut outputs = 0;
    for quote in quotes {
        let more = mintable_sat(&quote).count_ones();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < batch && outputs + more <= MAX_OUTPUTS => {
                outputs += more;
                chunk.push(quote);
            }
            _ => {
                outputs = more;
                chunks.push(vec![quote]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use cdk_common::nut29;

    use super::*;

    fn quote(id: usize, paid: u64) -> PoolQuote {
        serde_json::from_value(serde_json::json!({
            "quote": id.to_string(), "request": "", "method": METHOD, "amount": null,
            "amount_paid": paid, "amount_issued": 0, "unit": "sat", "expiry": null,
        }))
        .unwrap()
    }

    #[track_caller]
    fn batch(settings: nut29::Settings, expected: usize) {
        let mut info = MintInfo::default();
        info.nuts.nut29 = settings;
        assert_eq!(batch_size(&info), expected, "{:?}", info.nuts.nut29);
    }

    #[test]
    fn batches_are_as_large_as_the_mint_says_and_no_larger_than_ours() {
        let methods = |name: &str| Some(vec![name.to_owned()]);
        batch(nut29::Settings::default(), 1);
        batch(nut29::Settings::new(None, methods(METHOD)), MAX_BATCH);
        batch(nut29::Settings::new(Some(7), methods(METHOD)), 7);
        batch(nut29::Settings::new(Some(7), None), 7);
        batch(nut29::Settings::new(Some(u64::MAX), None), MAX_BATCH);
        batch(nut29::Settings::new(Some(0), methods(METHOD)), 1);
        batch(nut29::Settings::new(Some(7), methods("bolt11")), 1);
    }

    #[test]
    fn chunks_keep_order_and_both_bounds() {
        let sizes = |paid: &[u64], batch| {
            let quotes = paid.iter().enumerate().map(|(id, paid)| quote(id, *paid));
            let cut = chunks(quotes.collect(), batch);
            let ids: Vec<String> = cut
                .iter()
                .flatten()
                .map(|quote| quote.quote.clone())
                .collect();
            let expected: Vec<String> = (0..paid.len()).map(|id| id.to_string()).collect();
            assert_eq!(ids, expected);
            cut.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[], 3), Vec::<usize>::new());
        assert_eq!(sizes(&[1; 7], 3), [3, 3, 1]);
        assert_eq!(sizes(&[1; 2], 1), [1, 1]);
        // 63 outputs each: six fit into 400.
        assert_eq!(sizes(&[u64::MAX >> 1; 8], 100), [6, 2]);
    }
}
