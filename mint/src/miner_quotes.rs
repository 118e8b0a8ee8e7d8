//! The quotes of a key, as the store has them and as their holder may see them.

use accounting::{EpochId, MinerId, MinerKey};
use cdk_common::database::Error as StoreError;
use cdk_common::mint::MintQuote;
use cdk_common::nuts::MintQuoteCustomResponse;
use cdk_common::quote_id::QuoteId;

use crate::epochs::EpochMark;
use crate::handle::Mint;
use crate::index;
use crate::quote::{key_of, locking_key};

/// Quotes in one answer: those with something to mint first, then the newest.
const MAX_ANSWER: usize = 2000;

/// Quotes that are read from the store at once.
const PAGE: usize = 1000;

/// A quote of a key, with what the ledger told of its epoch.
#[derive(Clone, Debug)]
pub struct QuoteView {
    /// The epoch that it is for.
    pub epoch: EpochId,
    /// The end of the epoch; `None` while it is open or unpaid.
    pub mark: Option<EpochMark>,
    /// False for a quote under a name of before a restore. Its epoch is one of the books of
    /// then: another one may have the same number now.
    pub is_named_now: bool,
    /// The quote, as the mint answers it.
    pub quote: MintQuoteCustomResponse<QuoteId>,
}

impl QuoteView {
    /// Satoshis that can be minted on it now.
    pub fn mintable_sat(&self) -> u64 {
        let (paid, issued) = (
            u64::from(self.quote.amount_paid),
            u64::from(self.quote.amount_issued),
        );
        paid.saturating_sub(issued)
    }

    /// True when its epoch is over for it and it got nothing: what was earned is in
    /// carry, or counts in another epoch.
    pub fn got_nothing(&self) -> bool {
        self.mark.is_some() && u64::from(self.quote.amount_paid) == 0
    }
}

impl Mint {
    /// All quotes of a key, by epoch, with those that got nothing. Of the quotes of before a
    /// restore that have other names now, those that something can be minted on.
    pub async fn quotes(&self, miner: &MinerId) -> Result<Vec<QuoteView>, cdk::Error> {
        let stored = self.stored_quotes(miner).await?;
        stored
            .into_iter()
            .map(|(epoch, quote)| self.view(miner, epoch, quote))
            .collect()
    }

    fn view(
        &self,
        miner: &MinerId,
        epoch: EpochId,
        quote: MintQuote,
    ) -> Result<QuoteView, cdk::Error> {
        Ok(QuoteView {
            epoch,
            mark: self.epoch_mark(epoch),
            is_named_now: self.is_named_now(miner, &quote),
            quote: quote.try_into()?,
        })
    }

    /// The answer to a look-up for `keys`: each quote locked to its miner's key in the
    /// spelling that was asked for. A signature of the key holds for both, and wallets
    /// compare what they know.
    pub(crate) async fn look_up(
        &self,
        keys: &[MinerKey],
    ) -> Result<Vec<MintQuoteCustomResponse<QuoteId>>, StoreError> {
        let mut found = Vec::new();
        for key in keys {
            let quotes = self
                .quotes(&key.miner)
                .await
                .map_err(|error| StoreError::Internal(error.to_string()))?;
            let quotes = quotes.into_iter().filter(|view| !view.got_nothing());
            let pubkey = locking_key(*key);
            found.extend(quotes.map(|mut view| {
                view.quote.pubkey = Some(pubkey);
                view
            }));
        }
        found.sort_by_key(|view| {
            (
                view.mintable_sat() == 0,
                std::cmp::Reverse(view.epoch),
                view.quote.quote.clone(),
            )
        });
        found.truncate(MAX_ANSWER);
        Ok(found.into_iter().map(|view| view.quote).collect())
    }

    /// The quotes of a key, as [`Mint::quotes`] has them.
    pub(crate) async fn stored_quotes(
        &self,
        miner: &MinerId,
    ) -> Result<Vec<(EpochId, MintQuote)>, StoreError> {
        let entries = index::quotes_of(self.store(), miner).await?;
        let mut quotes = Vec::with_capacity(entries.len());
        for page in entries.chunks(PAGE) {
            let ids: Vec<QuoteId> = page.iter().map(|(_, id)| id.clone()).collect();
            let stored = self.store().get_mint_quotes_by_ids(&ids).await?;
            let epochs = page.iter().map(|(epoch, _)| *epoch);
            quotes.extend(
                epochs
                    .zip(stored)
                    .filter_map(|(epoch, quote)| Some((epoch, quote?))),
            );
        }
        if self.config().lineage.was_restored() {
            quotes.retain(|(_, quote)| {
                quote.amount_mintable().value() > 0 || self.is_named_now(miner, quote)
            });
        }
        Ok(quotes)
    }

    /// False for a quote that a restore gave another name: nobody pays it any more. What was
    /// paid to it before is still its miner's, within the bound of the restore.
    fn is_named_now(&self, miner: &MinerId, quote: &MintQuote) -> bool {
        key_of(miner, quote).is_some_and(|key| self.ids().id(&key) == quote.id)
    }
}
