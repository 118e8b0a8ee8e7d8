//! The rows that a booking writes. They are encoded off the writer's thread, so that the
//! writer only inserts them.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use accounting::{EpochId, OutboxId};
use redb::{Database, WriteTransaction};

use crate::error::StoreError;
use crate::store::caught;
use crate::store::checkpoint::begin;
use crate::store::tables::{
    ALLOCATIONS, AUDIT, AUDIT_HASHES, DISSOLVED, EPOCH_ACCOUNTS, JOURNAL, META, MINER_ACCOUNTS,
    OPERATOR, OUTBOX, PACKED_ACCOUNTS, PAYOUT_NUMBERS, PAYOUTS, POSTINGS, QUOTES, QUOTES_PAID,
    SUSPENDED, meta,
};

/// Rows of the books as bytes, each whole, sorted by their keys where they are many.
#[derive(Debug, Default)]
pub(crate) struct Booking {
    /// Counts the bookings of this store from 1: it fits after the one before only.
    pub(crate) number: u64,
    /// Epochs that dissolved.
    pub(crate) dissolved: Vec<EpochId>,
    pub(super) epochs: Vec<(u64, Vec<u8>)>,
    pub(super) miners: Vec<([u8; 32], [u8; 24])>,
    pub(super) payouts: Vec<PayoutRow>,
    pub(super) allocations: Vec<([u8; 40], Vec<u8>)>,
    pub(super) postings: Vec<(u64, Vec<u8>)>,
    pub(super) operator: Option<(String, Vec<u8>)>,
    pub(super) totals: Option<Vec<u8>>,
    pub(super) quotes: Vec<[u8; 40]>,
    pub(super) quotes_paid: Vec<(u64, u64)>,
    pub(super) audit: Vec<(u64, u64)>,
    pub(super) hashes: Vec<(u64, [u8; 32])>,
    /// Kinds of new outbox rows. Their numbers are the writer's to give.
    pub(super) outbox: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct PayoutRow {
    pub(super) number: u64,
    pub(super) key: String,
    pub(super) row: Vec<u8>,
    pub(super) suspended: bool,
}

impl Booking {
    /// Whether miners' accounts changed by it.
    pub(crate) fn has_accounts(&self) -> bool {
        !self.miners.is_empty()
    }

    /// How many rows of the outbox it makes.
    pub(crate) fn outbox_rows(&self) -> u64 {
        self.outbox.len() as u64
    }
}

/// Makes the tables of the books, so that no reader meets a missing one.
pub(super) fn create_books(write: &WriteTransaction) -> Result<(), StoreError> {
    write
        .open_table(META)?
        .insert(meta::BOOKINGS, 0_u64.to_be_bytes().as_slice())?;
    write.open_table(DISSOLVED)?;
    write.open_table(EPOCH_ACCOUNTS)?;
    write.open_table(MINER_ACCOUNTS)?;
    write.open_table(PACKED_ACCOUNTS)?;
    write.open_table(PAYOUTS)?;
    write.open_table(PAYOUT_NUMBERS)?;
    write.open_table(SUSPENDED)?;
    write.open_table(ALLOCATIONS)?;
    write.open_table(POSTINGS)?;
    write.open_table(OPERATOR)?;
    write.open_table(QUOTES)?;
    write.open_table(QUOTES_PAID)?;
    write.open_table(AUDIT)?;
    write.open_table(AUDIT_HASHES)?;
    Ok(())
}

/// Writes the rows, and the batch `number` that tells the journal of them, all or
/// nothing. `batch` has the one entry for it, `first` is the number of its first row in
/// the outbox. After an error it may be there all the same, as with any batch.
pub(crate) fn write_booking(
    database: &Database,
    (number, batch): (u64, &[u8]),
    first: OutboxId,
    booking: &Booking,
) -> Result<(), StoreError> {
    caught(|| {
        let write = begin(database)?;
        write.open_table(JOURNAL)?.insert(number, batch)?;
        put_meta(&write, booking)?;
        put_money(&write, booking)?;
        put_index(&write, booking)?;
        let mut table = write.open_table(OUTBOX)?;
        for (id, kind) in (first.get()..).zip(&booking.outbox) {
            table.insert(id, kind.as_slice())?;
        }
        drop(table);
        Ok(write.commit()?)
    })
}

fn put_meta(write: &WriteTransaction, booking: &Booking) -> Result<(), StoreError> {
    let mut table = write.open_table(META)?;
    table.insert(meta::BOOKINGS, booking.number.to_be_bytes().as_slice())?;
    if let Some(totals) = &booking.totals {
        table.insert(meta::TOTALS, totals.as_slice())?;
    }
    Ok(())
}

fn put_money(write: &WriteTransaction, booking: &Booking) -> Result<(), StoreError> {
    let mut table = write.open_table(EPOCH_ACCOUNTS)?;
    for (epoch, row) in &booking.epochs {
        table.insert(epoch, row.as_slice())?;
    }
    let mut table = write.open_table(MINER_ACCOUNTS)?;
    for (miner, row) in &booking.miners {
        table.insert(miner, row)?;
    }
    let mut table = write.open_table(ALLOCATIONS)?;
    for (key, chunk) in &booking.allocations {
        table.insert(key, chunk.as_slice())?;
    }
    let mut table = write.open_table(POSTINGS)?;
    for (first, chunk) in &booking.postings {
        table.insert(first, chunk.as_slice())?;
    }
    let mut table = write.open_table(OPERATOR)?;
    if let Some((id, row)) = &booking.operator {
        table.insert(id.as_str(), row.as_slice())?;
    }
    Ok(())
}

fn put_index(write: &WriteTransaction, booking: &Booking) -> Result<(), StoreError> {
    let mut rows = write.open_table(PAYOUTS)?;
    let mut numbers = write.open_table(PAYOUT_NUMBERS)?;
    let mut suspended = write.open_table(SUSPENDED)?;
    for payout in &booking.payouts {
        rows.insert(payout.number, payout.row.as_slice())?;
        numbers.insert(payout.key.as_str(), payout.number)?;
        if payout.suspended {
            suspended.insert(payout.number, ())?;
        } else {
            suspended.remove(payout.number)?;
        }
    }
    let mut table = write.open_table(QUOTES)?;
    for quote in &booking.quotes {
        table.insert(quote, ())?;
    }
    let mut table = write.open_table(QUOTES_PAID)?;
    for key in &booking.quotes_paid {
        table.insert(key, ())?;
    }
    let mut table = write.open_table(AUDIT)?;
    for (number, payout) in &booking.audit {
        table.insert(number, payout)?;
    }
    let mut table = write.open_table(AUDIT_HASHES)?;
    for (number, hash) in &booking.hashes {
        table.insert(number, hash)?;
    }
    Ok(())
}
