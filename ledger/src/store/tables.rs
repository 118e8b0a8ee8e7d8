//! The tables. Rows that are few are JSON, rows that are many are fixed-width binary.

use accounting::{EpochId, MinerId, QuotedShare, WorkerName};
use redb::TableDefinition;

use crate::codec::{BadRow, Fields};
use crate::error::StoreError;
use crate::state::BucketKey;
use crate::store::copy::EachTable;

/// The shape of all that follows. A program meets an older one with a migration, and
/// refuses a newer one.
///
/// 2 has the books: schema 1 was never released, so its stores get the empty tables and
/// the epochs that they have are fed to the books at the start.
///
/// 3 has the shares with quotes of their own, 4 the packed rows.
///
/// 5 may have a lineage, without which quotes that were paid would be made again.
///
/// 6 has payments that gather, settlements by rules of their own and what an older
/// program would take for an offer of nobody's. Its rows of before are read as they are.
///
/// 7 has the hashes credited lately.
///
/// 8 has orders with the prefix that a key was typed with. Its rows of before are read as
/// they are.
///
/// 9 has its journal in a file beside the store, see [`crate::journal`]: an older program
/// would not know of the shares in it.
pub(super) const SCHEMA: u64 = 9;

/// Single values by name, see [`meta`].
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Batches since the checkpoint that came with rows of the books: number -> entries, one
/// after the other. All others are in the file of the journal; those of schema 8 and before
/// are in here.
pub(super) const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
/// Epoch number -> [`accounting::Epoch`], JSON.
pub(super) const EPOCHS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("epochs");
/// Epoch and miner -> [`accounting::Tally`].
pub(super) const TALLIES: TableDefinition<'_, &[u8; TALLY_KEY], &[u8]> =
    TableDefinition::new("tallies");
/// Epoch and the first miner of a block -> tallies of a closed epoch, see `packed`.
pub(super) const PACKED_TALLIES: TableDefinition<'_, &[u8; TALLY_KEY], &[u8]> =
    TableDefinition::new("packed tallies");
/// Miner and worker's name -> [`accounting::Worker`].
pub(super) const WORKERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("workers");
/// Resolution, slot and miner (zeros: the pool) -> work.
pub(super) const BUCKETS: TableDefinition<'_, &[u8; BUCKET_KEY], u128> =
    TableDefinition::new("buckets");
/// Session -> highest sequence applied, time of its last share.
pub(super) const SESSIONS: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("sessions");
/// Outbox number -> [`accounting::OutboxKind`], see `rows_of_books`.
pub(super) const OUTBOX: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("outbox");
/// Block hash -> [`accounting::BlockFound`], JSON.
pub(super) const BLOCKS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("blocks");

/// Epoch, miner and place in the epoch -> [`accounting::QuotedShare`].
pub(super) const QUOTED_SHARES: TableDefinition<'_, &[u8; QUOTED_KEY], &[u8; QUOTED_ROW]> =
    TableDefinition::new("shares with quotes");

/// The last batch of a checkpoint -> the hashes credited since the one before, see
/// `marks`.
pub(super) const MARKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("credited hashes");

/// Epochs that dissolved, so that their blocks may close another one.
pub(super) const DISSOLVED: TableDefinition<'_, u64, ()> = TableDefinition::new("dissolved");

/// Epoch number -> [`accounting::settle::EpochAccount`], JSON.
pub(super) const EPOCH_ACCOUNTS: TableDefinition<'_, u64, &[u8]> =
    TableDefinition::new("epoch accounts");
/// Miner -> [`accounting::settle::MinerAccount`].
pub(super) const MINER_ACCOUNTS: TableDefinition<'_, &[u8; 32], &[u8; 24]> =
    TableDefinition::new("miner accounts");
/// No epoch (zero) and the first miner of a block -> accounts that were never paid a
/// satoshi, see `packed`.
pub(super) const PACKED_ACCOUNTS: TableDefinition<'_, &[u8; TALLY_KEY], &[u8]> =
    TableDefinition::new("packed accounts");
/// Payout number, in the order of arrival from 1 -> [`accounting::settle::Payout`], JSON.
pub(super) const PAYOUTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("payouts");
/// A payout's key as text -> its number.
pub(super) const PAYOUT_NUMBERS: TableDefinition<'_, &str, u64> =
    TableDefinition::new("payout numbers");
/// Numbers of the payouts that are nobody's yet.
pub(super) const SUSPENDED: TableDefinition<'_, u64, ()> = TableDefinition::new("suspended");
/// Payout number and the first miner of a chunk -> allocations, by miner.
pub(super) const ALLOCATIONS: TableDefinition<'_, &[u8; TALLY_KEY], &[u8]> =
    TableDefinition::new("allocations");
/// Number of the first posting of a chunk, from 1 -> postings.
pub(super) const POSTINGS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("postings");
/// An operator's entry's id -> [`accounting::settle::OperatorEntry`], JSON.
pub(super) const OPERATOR: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("operator entries");
/// Epoch and miner of the quotes that a settlement ordered; the tallies know the others.
pub(super) const QUOTES: TableDefinition<'_, &[u8; TALLY_KEY], ()> = TableDefinition::new("quotes");
/// Epoch, and the payout that paid quotes of it.
pub(super) const QUOTES_PAID: TableDefinition<'_, (u64, u64), ()> =
    TableDefinition::new("payouts by epoch of quotes");
/// Number of an audit file, in the order of settlement from 1 -> payout number.
pub(super) const AUDIT: TableDefinition<'_, u64, u64> = TableDefinition::new("audit files");
/// Number of an audit file -> SHA256 of its bytes, once it was made.
pub(super) const AUDIT_HASHES: TableDefinition<'_, u64, &[u8; 32]> =
    TableDefinition::new("audit hashes");

/// Does the same with every table there is.
pub(super) fn each_table(visitor: &mut impl EachTable) -> Result<(), StoreError> {
    visitor.table(META)?;
    visitor.table(JOURNAL)?;
    visitor.table(EPOCHS)?;
    visitor.table(TALLIES)?;
    visitor.table(PACKED_TALLIES)?;
    visitor.table(WORKERS)?;
    visitor.table(BUCKETS)?;
    visitor.table(SESSIONS)?;
    visitor.table(OUTBOX)?;
    visitor.table(BLOCKS)?;
    visitor.table(QUOTED_SHARES)?;
    visitor.table(MARKS)?;
    visitor.table(DISSOLVED)?;
    visitor.table(EPOCH_ACCOUNTS)?;
    visitor.table(MINER_ACCOUNTS)?;
    visitor.table(PACKED_ACCOUNTS)?;
    visitor.table(PAYOUTS)?;
    visitor.table(PAYOUT_NUMBERS)?;
    visitor.table(SUSPENDED)?;
    visitor.table(ALLOCATIONS)?;
    visitor.table(POSTINGS)?;
    visitor.table(OPERATOR)?;
    visitor.table(QUOTES)?;
    visitor.table(QUOTES_PAID)?;
    visitor.table(AUDIT)?;
    visitor.table(AUDIT_HASHES)
}

/// The names in [`META`]; numbers are 8 bytes, big endian.
pub(super) mod meta {
    pub(in crate::store) const SCHEMA: &str = "schema";
    pub(in crate::store) const INCARNATION: &str = "incarnation";
    /// [`accounting::Lineage`], JSON; none while the store was never restored.
    pub(in crate::store) const LINEAGE: &str = "lineage";
    /// What somebody beside the ledger keeps in it, see [`crate::AsLeft`].
    pub(in crate::store) const NOTE: &str = "note";
    pub(in crate::store) const BOOT: &str = "boot";
    pub(in crate::store) const BATCH: &str = "batch";
    pub(in crate::store) const NEXT_OUTBOX: &str = "next outbox";
    pub(in crate::store) const NOW_MS: &str = "time of the last share";
    pub(in crate::store) const OPEN_EPOCH: &str = "open epoch";
    /// How many bookings were written.
    pub(in crate::store) const BOOKINGS: &str = "bookings";
    /// [`crate::journal::Named`]: the file beside the store; none where there is none yet.
    pub(in crate::store) const JOURNAL_FILE: &str = "journal file";
    /// A [`crate::JournalUnfit`] that was found and not yet told to who examines the ledger.
    pub(in crate::store) const JOURNAL_UNFIT: &str = "journal unfit";
    /// [`accounting::settle::Totals`], JSON.
    pub(in crate::store) const TOTALS: &str = "totals";
}

pub(super) const TALLY_KEY: usize = 8 + 32;
const BUCKET_KEY: usize = 1 + 8 + 32;
const QUOTED_KEY: usize = TALLY_KEY + 4;
const QUOTED_ROW: usize = 8 + 8 + 16;

pub(super) fn tally_key(epoch: EpochId, miner: [u8; 32]) -> [u8; TALLY_KEY] {
    let mut key = [0; TALLY_KEY];
    key[..8].copy_from_slice(&epoch.get().to_be_bytes());
    key[8..].copy_from_slice(&miner);
    key
}

pub(super) fn read_tally_key(key: &[u8; TALLY_KEY]) -> Result<(EpochId, MinerId), BadRow> {
    let mut fields = Fields::of("a tally's key", key);
    let epoch = EpochId::new(fields.u64()?);
    Ok((epoch, MinerId::from_stored(fields.array()?)))
}

pub(super) fn worker_key(miner: &MinerId, name: &WorkerName) -> Vec<u8> {
    [&miner.x_only_bytes(), name.as_str().as_bytes()].concat()
}

pub(super) fn read_worker_key(key: &[u8]) -> Result<(MinerId, WorkerName), BadRow> {
    let mut fields = Fields::of("a worker's key", key);
    let miner = MinerId::from_stored(fields.array()?);
    let name = key
        .get(32..)
        .and_then(|name| std::str::from_utf8(name).ok());
    Ok((miner, WorkerName::clean(name.ok_or(fields.bad())?)))
}

/// No miner's key is zero: that x coordinate is on no point.
pub(super) fn bucket_key(key: &BucketKey) -> [u8; BUCKET_KEY] {
    let mut bytes = [0; BUCKET_KEY];
    bytes[0] = key.resolution as u8;
    bytes[1..9].copy_from_slice(&key.slot.to_be_bytes());
    bytes[9..].copy_from_slice(&key.who.map_or([0; 32], |miner| miner.x_only_bytes()));
    bytes
}

/// The slot and the miner of a bucket's key; `None` for the pool.
pub(super) fn read_bucket_key(key: &[u8; BUCKET_KEY]) -> Result<(u64, Option<MinerId>), BadRow> {
    let mut fields = Fields::of("a bucket's key", key);
    fields.u8()?;
    let slot = fields.u64()?;
    let who: [u8; 32] = fields.array()?;
    Ok((slot, (who != [0; 32]).then(|| MinerId::from_stored(who))))
}

pub(super) fn quoted_key((epoch, miner, place): (EpochId, MinerId, u32)) -> [u8; QUOTED_KEY] {
    let mut key = [0; QUOTED_KEY];
    key[..TALLY_KEY].copy_from_slice(&tally_key(epoch, miner.x_only_bytes()));
    key[TALLY_KEY..].copy_from_slice(&place.to_be_bytes());
    key
}

/// The place in a quoted share's key.
pub(super) fn quoted_place(key: &[u8; QUOTED_KEY]) -> Result<u32, BadRow> {
    let mut fields = Fields::of("a quoted share's key", key);
    fields.bytes(TALLY_KEY)?;
    fields.u32()
}

pub(super) fn quoted_row(quoted: &QuotedShare) -> [u8; QUOTED_ROW] {
    let mut row = [0; QUOTED_ROW];
    row[..8].copy_from_slice(&quoted.share.session.to_u64().to_be_bytes());
    row[8..16].copy_from_slice(&quoted.share.sequence.to_be_bytes());
    row[16..].copy_from_slice(&quoted.work.hashes().to_be_bytes());
    row
}

pub(super) fn read_quoted(row: &[u8; QUOTED_ROW]) -> Result<QuotedShare, BadRow> {
    let mut fields = Fields::of("a quoted share", row);
    Ok(QuotedShare {
        share: fields.share_id()?,
        work: fields.work()?,
    })
}
