//! One consistent view of the books, as far as they are booked.

use std::cell::RefCell;
use std::collections::BTreeMap;

use accounting::settle::{
    AllocationRow, Cause, EpochAccount, FileHash, MinerAccount, OperatorEntry, Payout, PayoutKey,
    PayoutState, Posting, Totals,
};
use accounting::{EpochId, MinerId};
use redb::{ReadOnlyTable, ReadableTable, ReadableTableMetadata};

use crate::error::StoreError;
use crate::store::Snapshot;
use crate::store::books_rows::{StoredCause, read_allocations, read_miner_account, read_postings};
use crate::store::packed::{self, NO_EPOCH, Place, merged};
use crate::store::snapshot::json;
use crate::store::tables::{
    ALLOCATIONS, AUDIT, AUDIT_HASHES, EPOCH_ACCOUNTS, META, MINER_ACCOUNTS, OPERATOR,
    PACKED_ACCOUNTS, PAYOUT_NUMBERS, PAYOUTS, POSTINGS, QUOTES, QUOTES_PAID, SUSPENDED, TALLY_KEY,
    meta, read_tally_key, tally_key,
};

/// The tables of the books at one moment.
pub(crate) struct BookTables {
    meta: ReadOnlyTable<&'static str, &'static [u8]>,
    epochs: ReadOnlyTable<u64, &'static [u8]>,
    miners: ReadOnlyTable<&'static [u8; 32], &'static [u8; 24]>,
    packed: ReadOnlyTable<&'static [u8; TALLY_KEY], &'static [u8]>,
    /// The block that was looked at last: a payout asks for miner after miner.
    place: RefCell<Option<Place<MinerAccount>>>,
    payouts: ReadOnlyTable<u64, &'static [u8]>,
    numbers: ReadOnlyTable<&'static str, u64>,
    suspended: ReadOnlyTable<u64, ()>,
    allocations: ReadOnlyTable<&'static [u8; 40], &'static [u8]>,
    postings: ReadOnlyTable<u64, &'static [u8]>,
    operator: ReadOnlyTable<&'static str, &'static [u8]>,
    quotes: ReadOnlyTable<&'static [u8; 40], ()>,
    quotes_paid: ReadOnlyTable<(u64, u64), ()>,
    audit: ReadOnlyTable<u64, u64>,
    hashes: ReadOnlyTable<u64, &'static [u8; 32]>,
}

impl Snapshot {
    /// The books as of this snapshot.
    pub(crate) fn books(&self) -> Result<BookTables, StoreError> {
        let read = &self.read;
        Ok(BookTables {
            meta: read.open_table(META)?,
            epochs: read.open_table(EPOCH_ACCOUNTS)?,
            miners: read.open_table(MINER_ACCOUNTS)?,
            packed: read.open_table(PACKED_ACCOUNTS)?,
            place: RefCell::default(),
            payouts: read.open_table(PAYOUTS)?,
            numbers: read.open_table(PAYOUT_NUMBERS)?,
            suspended: read.open_table(SUSPENDED)?,
            allocations: read.open_table(ALLOCATIONS)?,
            postings: read.open_table(POSTINGS)?,
            operator: read.open_table(OPERATOR)?,
            quotes: read.open_table(QUOTES)?,
            quotes_paid: read.open_table(QUOTES_PAID)?,
            audit: read.open_table(AUDIT)?,
            hashes: read.open_table(AUDIT_HASHES)?,
        })
    }
}

impl BookTables {
    /// How many bookings were written.
    pub(crate) fn bookings(&self) -> Result<u64, StoreError> {
        let row = self.meta.get(meta::BOOKINGS)?;
        let row = row.and_then(|row| row.value().try_into().ok());
        row.map(u64::from_be_bytes)
            .ok_or(StoreError::Missing(meta::BOOKINGS))
    }

    pub(crate) fn totals(&self) -> Result<Totals, StoreError> {
        match self.meta.get(meta::TOTALS)? {
            Some(row) => json("totals", row.value()),
            None => Ok(Totals::default()),
        }
    }

    pub(crate) fn epochs(&self) -> Result<BTreeMap<EpochId, EpochAccount>, StoreError> {
        let rows = self.epochs.iter()?;
        rows.map(|row| {
            let account: EpochAccount = json("epoch accounts", row?.1.value())?;
            Ok((account.epoch, account))
        })
        .collect()
    }

    pub(crate) fn epoch(&self, id: EpochId) -> Result<Option<EpochAccount>, StoreError> {
        let row = self.epochs.get(id.get())?;
        row.map(|row| json("epoch accounts", row.value()))
            .transpose()
    }

    pub(crate) fn newest_epoch(&self) -> Result<Option<EpochAccount>, StoreError> {
        let row = self.epochs.last()?;
        row.map(|(_, row)| json("epoch accounts", row.value()))
            .transpose()
    }

    pub(crate) fn miner(&self, miner: &MinerId) -> Result<MinerAccount, StoreError> {
        let key = miner.x_only_bytes();
        if let Some(row) = self.miners.get(&key)? {
            return Ok(read_miner_account(row.value())?);
        }
        let mut held = self.place.borrow_mut();
        let place = match held.take().filter(|place| place.is_of(&key)) {
            Some(place) => place,
            None => packed::place(&self.packed, NO_EPOCH, key)?,
        };
        let account = place.rows.get(&key).copied().unwrap_or_default();
        *held = Some(place);
        Ok(account)
    }

    pub(crate) fn miners(&self) -> Result<BTreeMap<MinerId, MinerAccount>, StoreError> {
        let (first, last) = (
            tally_key(NO_EPOCH, [0; 32]),
            tally_key(NO_EPOCH, [0xff; 32]),
        );
        let rows = self.miners.iter()?.map(|row| {
            let (miner, row) = row?;
            let account = read_miner_account(row.value())?;
            Ok((tally_key(NO_EPOCH, *miner.value()), account))
        });
        merged(rows, packed::rows(&self.packed, first, last)?)
            .map(|row| {
                let (key, account) = row?;
                Ok((read_tally_key(&key)?.1, account))
            })
            .collect()
    }

    /// The number of the next new payout.
    pub(crate) fn next_payout(&self) -> Result<u64, StoreError> {
        let last = self.payouts.last()?.map(|(number, _)| number.value());
        Ok(last.unwrap_or(0).saturating_add(1))
    }

    pub(crate) fn payout_number(&self, key: &PayoutKey) -> Result<Option<u64>, StoreError> {
        let row = self.numbers.get(key.to_string().as_str())?;
        Ok(row.map(|row| row.value()))
    }

    pub(crate) fn numbered(&self, number: u64) -> Result<Payout, StoreError> {
        let row = self.payouts.get(number)?;
        let row = row.ok_or(StoreError::Missing("payout that has a number"))?;
        json("payouts", row.value())
    }

    pub(crate) fn payout(&self, key: &PayoutKey) -> Result<Option<Payout>, StoreError> {
        let number = self.payout_number(key)?;
        number.map(|number| self.numbered(number)).transpose()
    }

    /// The newest payouts that do not only gather, the newest first. Looks at no more
    /// than `scanned` rows: a stranger makes one of those that gather for a millisatoshi.
    pub(crate) fn shown(&self, newest: usize, scanned: usize) -> Result<Vec<Payout>, StoreError> {
        let mut shown = Vec::new();
        for row in self.payouts.iter()?.rev().take(scanned) {
            let payout: Payout = json("payouts", row?.1.value())?;
            if shown.len() >= newest {
                break;
            }
            if payout.state != PayoutState::Gathered {
                shown.push(payout);
            }
        }
        Ok(shown)
    }

    /// The payouts that were settled last, with their numbers, the last one first.
    pub(crate) fn settled(&self, newest: usize) -> Result<Vec<(u64, Payout)>, StoreError> {
        let rows = self.audit.iter()?.rev().take(newest);
        rows.map(|row| {
            let number = row?.1.value();
            Ok((number, self.numbered(number)?))
        })
        .collect()
    }

    /// The newest payouts with their numbers, the newest first.
    pub(crate) fn payouts(&self, newest: usize) -> Result<Vec<(u64, Payout)>, StoreError> {
        let rows = self.payouts.iter()?.rev().take(newest);
        rows.map(|row| {
            let (number, row) = row?;
            Ok((number.value(), json("payouts", row.value())?))
        })
        .collect()
    }

    /// In the order of their arrival.
    pub(crate) fn suspended(&self) -> Result<Vec<Payout>, StoreError> {
        let rows = self.suspended.iter()?;
        rows.map(|row| self.numbered(row?.0.value())).collect()
    }

    /// The allocations of a payout from a miner on, in the order of the keys, until
    /// `each` has seen enough (false).
    pub(crate) fn allocations(
        &self,
        payout: u64,
        from: Option<MinerId>,
        mut each: impl FnMut(AllocationRow) -> bool,
    ) -> Result<(), StoreError> {
        let key = |miner| tally_key(EpochId::new(payout), miner);
        let (zero, last) = (key([0; 32]), key([0xff; 32]));
        let wanted = key(from.map_or([0; 32], |miner| miner.x_only_bytes()));
        // The chunk that `from` is in begins at or before it.
        let mut before = self.allocations.range::<&[u8; 40]>(&zero..=&wanted)?;
        let start = before.next_back().transpose()?;
        let start = start.map_or(zero, |(key, _)| *key.value());
        for chunk in self.allocations.range::<&[u8; 40]>(&start..=&last)? {
            for row in read_allocations(chunk?.1.value()) {
                let row = row?;
                let early = from.is_some_and(|from| row.miner < from);
                if !early && !each(row) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The number of the next posting.
    pub(crate) fn next_posting(&self) -> Result<u64, StoreError> {
        let Some((first, chunk)) = self.postings.last()? else {
            return Ok(1);
        };
        let count = read_postings(chunk.value())
            .try_fold(0_u64, |count, row| row.map(|_| count.saturating_add(1)))?;
        Ok(first.value().saturating_add(count))
    }

    /// Postings with their numbers, after `after`, at most `limit`.
    pub(crate) fn postings(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Posting)>, StoreError> {
        let before = self.postings.range(..=after.saturating_add(1))?.next_back();
        let start = before.transpose()?.map_or(0, |(first, _)| first.value());
        let mut keys: BTreeMap<u64, PayoutKey> = BTreeMap::new();
        let mut out = Vec::new();
        for chunk in self.postings.range(start..)? {
            let (first, chunk) = chunk?;
            for (number, row) in (first.value()..).zip(read_postings(chunk.value())) {
                let row = row?;
                if number <= after {
                    continue;
                }
                if out.len() >= limit {
                    return Ok(out);
                }
                let cause = match row.cause {
                    StoredCause::Operator(id) => Cause::Operator(id),
                    StoredCause::Payout(payout) => Cause::Payout(match keys.get(&payout) {
                        Some(key) => *key,
                        None => {
                            let key = self.numbered(payout)?.payment.key();
                            keys.insert(payout, key);
                            key
                        }
                    }),
                };
                let (from, to, amount) = (row.from, row.to, row.amount);
                out.push((
                    number,
                    Posting {
                        cause,
                        from,
                        to,
                        amount,
                    },
                ));
            }
        }
        Ok(out)
    }

    pub(crate) fn operator_entry(&self, id: &str) -> Result<Option<OperatorEntry>, StoreError> {
        let row = self.operator.get(id)?;
        row.map(|row| json("operator entries", row.value()))
            .transpose()
    }

    /// In the order of their ids.
    pub(crate) fn operator_entries(&self) -> Result<Vec<OperatorEntry>, StoreError> {
        let rows = self.operator.iter()?;
        rows.map(|row| json("operator entries", row?.1.value()))
            .collect()
    }

    /// Whether a settlement ordered this quote.
    pub(crate) fn ordered(&self, miner: &MinerId, epoch: EpochId) -> Result<bool, StoreError> {
        let key = tally_key(epoch, miner.x_only_bytes());
        Ok(self.quotes.get(&key)?.is_some())
    }

    /// The miners after `after` whose quote of an epoch a settlement ordered, at most
    /// `limit`.
    pub(crate) fn ordered_in(
        &self,
        epoch: EpochId,
        after: Option<MinerId>,
        limit: usize,
    ) -> Result<Vec<MinerId>, StoreError> {
        let first = tally_key(epoch, after.map_or([0; 32], |miner| miner.x_only_bytes()));
        let last = tally_key(epoch, [0xff; 32]);
        let mut miners = Vec::new();
        for row in self.quotes.range::<&[u8; 40]>(&first..=&last)? {
            let (_, miner) = read_tally_key(row?.0.value())?;
            if Some(miner) == after {
                continue;
            }
            if miners.len() >= limit {
                break;
            }
            miners.push(miner);
        }
        Ok(miners)
    }

    /// The payouts that paid quotes of an epoch, in the order of their numbers.
    pub(crate) fn paid_quotes_of(&self, epoch: EpochId) -> Result<Vec<u64>, StoreError> {
        let rows = self
            .quotes_paid
            .range((epoch.get(), 0)..=(epoch.get(), u64::MAX))?;
        rows.map(|row| Ok(row?.0.value().1)).collect()
    }

    /// How many payouts were settled.
    pub(crate) fn audit_files(&self) -> Result<u64, StoreError> {
        Ok(self.audit.len()?)
    }

    /// The payout of an audit file.
    pub(crate) fn audited(&self, number: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.audit.get(number)?.map(|row| row.value()))
    }

    /// The hash of an audit file, if it was kept.
    pub(crate) fn audit_hash(&self, number: u64) -> Result<Option<FileHash>, StoreError> {
        let row = self.hashes.get(number)?;
        Ok(row.map(|row| FileHash::from_bytes(*row.value())))
    }
}
