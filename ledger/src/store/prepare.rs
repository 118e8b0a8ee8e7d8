//! From what an event decided to the bytes that are written for it.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::{BTreeMap, BTreeSet};

use accounting::settle::{
    Cause, Changes, Effect, EpochAccount, FileHash, PayoutKey, PayoutState, Posting, QuotePart,
    Stage,
};
use accounting::{EpochId, MinerId, OutboxKind};

use crate::error::StoreError;
use crate::store::books::{Booking, PayoutRow};
use crate::store::books_reads::BookTables;
use crate::store::books_rows::{
    CHUNK, StoredCause, StoredPosting, miner_account, outbox_kind, put_allocation, put_posting,
};
use crate::store::checkpoint::json;
use crate::store::tables::tally_key;

/// Postings are read in their order, so their chunks may be bigger: eight pages.
const POSTINGS: usize = 512;

/// Numbers that payouts have, or get by this booking.
type Numbers = BTreeMap<PayoutKey, u64>;

/// The payments that are spread over the quotes of shares: by payout and miner.
pub(crate) type QuoteParts = BTreeMap<(PayoutKey, MinerId), Vec<QuotePart>>;

impl Booking {
    /// What `changes` come to over the rows of `tables`, whose epochs are `before`;
    /// `parts` are of those payments that are spread over shares.
    pub(crate) fn of_changes(
        tables: &BookTables,
        before: &BTreeMap<EpochId, EpochAccount>,
        changes: &Changes,
        parts: &QuoteParts,
    ) -> Result<Self, StoreError> {
        let mut booking = Booking {
            number: tables.bookings()?.saturating_add(1),
            ..Booking::default()
        };
        let numbers = numbers(tables, changes)?;
        booking.put_epochs(before, changes)?;
        let miners = changes.miners.iter();
        booking.miners = miners
            .map(|(miner, account)| (miner.x_only_bytes(), miner_account(account)))
            .collect();
        booking.put_payouts(&numbers, changes)?;
        booking.put_allocations(&numbers, changes)?;
        booking.put_postings(tables, &numbers, changes)?;
        booking.put_audit(tables, &numbers, changes)?;
        if let Some(entry) = &changes.operator {
            booking.operator = Some((entry.id.clone(), json("operator entries", entry)?));
        }
        if let Some(totals) = &changes.totals {
            booking.totals = Some(json("totals", totals)?);
        }
        booking.put_orders(changes, parts)?;
        booking.put_marks(before, changes)?;
        Ok(booking)
    }

    /// The hashes of audit files that were made.
    pub(crate) fn of_hashes(
        tables: &BookTables,
        hashes: impl IntoIterator<Item = (u64, FileHash)>,
    ) -> Result<Self, StoreError> {
        let hashes = hashes.into_iter();
        Ok(Booking {
            number: tables.bookings()?.saturating_add(1),
            hashes: hashes
                .map(|(number, hash)| (number, hash.to_bytes()))
                .collect(),
            ..Booking::default()
        })
    }

    fn put_epochs(
        &mut self,
        before: &BTreeMap<EpochId, EpochAccount>,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        for (id, account) in &changes.epochs {
            self.epochs
                .push((id.get(), json("epoch accounts", account)?));
            let was_merged = before.get(id).is_some_and(is_merged);
            if is_merged(account) && !was_merged {
                self.dissolved.push(*id);
            }
        }
        Ok(())
    }

    fn put_payouts(&mut self, numbers: &Numbers, changes: &Changes) -> Result<(), StoreError> {
        for (key, payout) in &changes.payouts {
            self.payouts.push(PayoutRow {
                number: number_of(numbers, key)?,
                key: key.to_string(),
                row: json("payouts", payout)?,
                suspended: matches!(payout.state, PayoutState::Suspended(_)),
            });
        }
        Ok(())
    }

    fn put_allocations(&mut self, numbers: &Numbers, changes: &Changes) -> Result<(), StoreError> {
        for (key, rows) in &changes.allocations {
            let number = number_of(numbers, key)?;
            let mut quote_epochs = BTreeSet::new();
            for rows in rows.chunks(CHUNK) {
                let Some(first) = rows.first() else { continue };
                let mut chunk = Vec::new();
                rows.iter().for_each(|row| put_allocation(&mut chunk, row));
                let paid = rows.iter().filter(|row| !row.paid.is_zero());
                quote_epochs.extend(paid.map(|row| row.quote_epoch));
                let key = tally_key(EpochId::new(number), first.miner.x_only_bytes());
                self.allocations.push((key, chunk));
            }
            let paid = quote_epochs.into_iter().map(|epoch| (epoch.get(), number));
            self.quotes_paid.extend(paid);
        }
        Ok(())
    }

    fn put_postings(
        &mut self,
        tables: &BookTables,
        numbers: &Numbers,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let postings: Vec<&Posting> = postings(changes).collect();
        if postings.is_empty() {
            return Ok(());
        }
        let mut first = tables.next_posting()?;
        for postings in postings.chunks(POSTINGS) {
            let mut chunk = Vec::new();
            for posting in postings {
                let cause = match &posting.cause {
                    Cause::Payout(key) => StoredCause::Payout(number_of(numbers, key)?),
                    Cause::Operator(id) => StoredCause::Operator(id.clone()),
                };
                let (from, to, amount) = (posting.from, posting.to, posting.amount);
                put_posting(
                    &mut chunk,
                    &StoredPosting {
                        cause,
                        from,
                        to,
                        amount,
                    },
                );
            }
            self.postings.push((first, chunk));
            first = first.saturating_add(postings.len() as u64);
        }
        Ok(())
    }

    /// Payouts that are settled by this, in the order in which that was done: each
    /// miner's carry goes from one to the next.
    fn put_audit(
        &mut self,
        tables: &BookTables,
        numbers: &Numbers,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let mut next = tables.audit_files()?.saturating_add(1);
        let mut seen = BTreeSet::new();
        for posting in postings(changes) {
            let Cause::Payout(key) = &posting.cause else {
                continue;
            };
            if changes.allocations.contains_key(key) && seen.insert(key) {
                self.audit.push((next, number_of(numbers, key)?));
                next = next.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The outbox. A payment makes the quote that it needs, so an order to make one is
    /// left out where its payment follows.
    fn put_orders(&mut self, changes: &Changes, parts: &QuoteParts) -> Result<(), StoreError> {
        let mut effects = changes.effects.iter().peekable();
        while let Some(effect) = effects.next() {
            match *effect {
                Effect::CreateQuote { miner, epoch } => {
                    self.quotes.push(tally_key(epoch, miner.x_only_bytes()));
                    let paid = effects.peek().is_some_and(|next| {
                        matches!(next, Effect::PayQuote { miner: of, epoch: at, .. }
                            if *of == miner && *at == epoch)
                    });
                    if !paid {
                        self.order(&OutboxKind::CreateQuote {
                            miner,
                            epoch,
                            share: None,
                            typed: None,
                        })?;
                    }
                }
                Effect::PayQuote {
                    payout,
                    miner,
                    epoch,
                    sats,
                    ..
                } => {
                    let whole = [(None, sats)];
                    let parts = parts.get(&(payout, miner));
                    for &(share, sats) in parts.map_or(whole.as_slice(), Vec::as_slice) {
                        self.order(&OutboxKind::PayQuote {
                            payout,
                            miner,
                            epoch,
                            share,
                            sats,
                        })?;
                    }
                }
                Effect::Posting(_) | Effect::Alarm(_) => {}
            }
        }
        self.quotes.sort_unstable();
        Ok(())
    }

    /// The outbox, of whole epochs.
    fn put_marks(
        &mut self,
        before: &BTreeMap<EpochId, EpochAccount>,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        for (&epoch, account) in &changes.epochs {
            let before = before.get(&epoch);
            if let Stage::Merged { into, .. } = account.stage
                && before.is_none_or(|before| before.stage != account.stage)
            {
                self.order(&OutboxKind::MergeEpoch { epoch, into })?;
            }
            if account.covered && before.is_none_or(|before| !before.covered) {
                self.order(&OutboxKind::SettleEpoch { epoch })?;
            }
        }
        Ok(())
    }

    fn order(&mut self, kind: &OutboxKind) -> Result<(), StoreError> {
        self.outbox.push(outbox_kind(kind)?);
        Ok(())
    }
}

fn postings(changes: &Changes) -> impl Iterator<Item = &Posting> {
    changes.effects.iter().filter_map(|effect| match effect {
        Effect::Posting(posting) => Some(posting),
        Effect::CreateQuote { .. } | Effect::PayQuote { .. } | Effect::Alarm(_) => None,
    })
}

fn is_merged(account: &EpochAccount) -> bool {
    matches!(account.stage, Stage::Merged { .. })
}

/// New payouts get the next numbers, in the order of their keys.
fn numbers(tables: &BookTables, changes: &Changes) -> Result<Numbers, StoreError> {
    let mut next = tables.next_payout()?;
    let mut numbers = Numbers::new();
    for key in changes.payouts.keys() {
        let number = match tables.payout_number(key)? {
            Some(number) => number,
            None => {
                let number = next;
                next = next.saturating_add(1);
                number
            }
        };
        numbers.insert(*key, number);
    }
    Ok(numbers)
}

fn number_of(numbers: &Numbers, key: &PayoutKey) -> Result<u64, StoreError> {
    let number = numbers.get(key).copied();
    number.ok_or(StoreError::Missing("payout that something is booked for"))
}
