//! Every quote ever ordered from the mint, with the sum paid to it. The mint repairs its
//! store with this list.

use std::collections::{BTreeMap, BTreeSet};

use accounting::settle::{EpochAccount, PayoutKey, QuotePart, spread_over_quotes_floor};
use accounting::{
    EpochId, EpochTerms, MinerId, OrderedQuote, QuotedShare, Sat, ShareId, Tally, Work,
};

use crate::error::LedgerError;
use crate::reader::Reader;
use crate::store::BookTables;

/// What payouts paid a miner of an epoch, in the order of their arrival.
type Paid = Vec<(PayoutKey, Sat)>;

impl Reader {
    /// Every quote that was ever ordered, with its payments: by epoch and key, of a
    /// miner the shares' in the order of the ledger and then the epoch's. Those after
    /// `after`, at most `limit`.
    pub fn ordered_quotes(
        &self,
        after: Option<(EpochId, MinerId, Option<ShareId>)>,
        limit: usize,
    ) -> Result<Vec<OrderedQuote>, LedgerError> {
        let books = self.books()?;
        let open = self.open_epoch().id;
        let mut page = Vec::new();
        let (mut epoch, mut seen) = match after {
            Some((epoch, miner, None)) => (epoch, Some(miner)),
            Some((epoch, miner, Some(share))) => {
                let quotes = self.ordered_of(&books, epoch, BTreeSet::from([miner]))?;
                let at = quotes.iter().position(|quote| quote.share == Some(share));
                page.extend(
                    quotes
                        .into_iter()
                        .skip(at.map_or(0, |at| at.saturating_add(1))),
                );
                (epoch, Some(miner))
            }
            None => (EpochId::FIRST, None),
        };
        while epoch <= open && page.len() < limit {
            let room = limit.saturating_sub(page.len());
            let miners = self.miners_with_quotes(&books, epoch, seen, room)?;
            match miners.last() {
                Some(last) => seen = Some(*last),
                None => (epoch, seen) = (epoch.next(), None),
            }
            page.extend(self.ordered_of(&books, epoch, miners)?);
        }
        page.truncate(limit);
        Ok(page)
    }

    /// The shares of a miner that have quotes of their own, in the order of the ledger.
    pub fn quoted_shares(
        &self,
        epoch: EpochId,
        miner: MinerId,
    ) -> Result<Vec<QuotedShare>, LedgerError> {
        let (ours, snapshot) = self.view(|state| state.quoted(epoch, miner))?;
        let mut shares = snapshot.quoted(epoch, miner)?;
        shares.extend(ours);
        Ok(shares.into_values().collect())
    }

    /// How a miner's sats of a payout are spread over their quotes of a closed epoch.
    /// Its shares and tallies are final, and it takes in no other epoch once it is paid:
    /// the answer is the same whenever it is asked.
    pub(crate) fn quote_parts(
        &self,
        account: &EpochAccount,
        miner: MinerId,
        sats: Sat,
    ) -> Result<Vec<QuotePart>, LedgerError> {
        let shares = self.quoted_shares(account.epoch, miner)?;
        let mut work = Work::ZERO;
        for epoch in account.absorbed.iter().chain([&account.epoch]) {
            let tally = self.tally(*epoch, &miner)?;
            work = work.saturating_add(tally.map_or(Work::ZERO, |tally| tally.work));
        }
        Ok(spread_over_quotes_floor(sats, work, &shares))
    }

    /// The miners after `after` who have, or may have, quotes of an epoch; at most
    /// `limit`.
    fn miners_with_quotes(
        &self,
        books: &BookTables,
        epoch: EpochId,
        after: Option<MinerId>,
        limit: usize,
    ) -> Result<BTreeSet<MinerId>, LedgerError> {
        let of_shares = self.share_quoted(epoch)?.is_some();
        let wanted = |tally: &Tally| of_shares || tally.quote_requested;
        let mut miners = self.miners_by_tally(epoch, after, limit, wanted)?;
        miners.extend(books.ordered_in(epoch, after, limit)?);
        Ok(miners.into_iter().take(limit).collect())
    }

    /// The terms of an epoch whose shares have quotes of their own.
    fn share_quoted(&self, epoch: EpochId) -> Result<Option<EpochTerms>, LedgerError> {
        let terms = self.epoch(epoch)?.map(|epoch| epoch.terms);
        Ok(terms.filter(|terms| terms.quotes_share(0)))
    }

    /// The quotes of some miners, who follow each other among those that have any.
    fn ordered_of(
        &self,
        books: &BookTables,
        epoch: EpochId,
        miners: BTreeSet<MinerId>,
    ) -> Result<Vec<OrderedQuote>, LedgerError> {
        let (Some(&first), Some(&last)) = (miners.first(), miners.last()) else {
            return Ok(Vec::new());
        };
        let mut paid = paid(books, epoch, (first, last))?;
        let account = match self.share_quoted(epoch)? {
            // The newest may not be in the books yet.
            Some(terms) => Some(
                books
                    .epoch(epoch)?
                    .unwrap_or_else(|| EpochAccount::opened(epoch, terms)),
            ),
            None => None,
        };
        let mut page = Vec::new();
        for miner in miners {
            let paid = paid.remove(&miner).unwrap_or_default();
            match &account {
                Some(account) => page.extend(self.ordered_by_share(account, miner, paid)?),
                None => page.push(OrderedQuote {
                    epoch,
                    miner,
                    share: None,
                    payments: paid,
                }),
            }
        }
        Ok(page)
    }

    fn ordered_by_share(
        &self,
        account: &EpochAccount,
        miner: MinerId,
        paid: Paid,
    ) -> Result<Vec<OrderedQuote>, LedgerError> {
        let mut payments: BTreeMap<Option<ShareId>, Paid> = BTreeMap::new();
        for (payout, sats) in paid {
            for (share, part) in self.quote_parts(account, miner, sats)? {
                payments.entry(share).or_default().push((payout, part));
            }
        }
        let epoch = account.epoch;
        let tally = self.tally(epoch, &miner)?;
        let ordered = tally.is_some_and(|tally| tally.quote_requested);
        let of_epoch = (ordered || payments.contains_key(&None)).then_some(None);
        let shares = self.quoted_shares(epoch, miner)?.into_iter();
        let shares = shares.map(|quoted| Some(quoted.share)).chain(of_epoch);
        let quote = |share| OrderedQuote {
            epoch,
            miner,
            share,
            payments: payments.remove(&share).unwrap_or_default(),
        };
        Ok(shares.map(quote).collect())
    }
}

/// What payouts paid the miners between two, these included, for an epoch.
fn paid(
    books: &BookTables,
    epoch: EpochId,
    (first, last): (MinerId, MinerId),
) -> Result<BTreeMap<MinerId, Paid>, LedgerError> {
    let mut paid: BTreeMap<MinerId, Paid> = BTreeMap::new();
    for number in books.paid_quotes_of(epoch)? {
        let key = books.numbered(number)?.payment.key();
        books.allocations(number, Some(first), |row| {
            if row.quote_epoch == epoch && !row.paid.is_zero() && row.miner <= last {
                paid.entry(row.miner).or_default().push((key, row.paid));
            }
            row.miner < last
        })?;
    }
    Ok(paid)
}
