//! A checkpoint: the rows that changed, and what the store knows of its journal.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use redb::{Database, Durability, ReadableTable, WriteTransaction};
use serde::Serialize;

use crate::codec;
use crate::error::StoreError;
use crate::journal::Named;
use crate::state::{Checkpoint, Pruned};
use crate::store::marks::put_marks;
use crate::store::prune::prune_rows;
use crate::store::tables::{
    BLOCKS, BUCKETS, DISSOLVED, EPOCHS, JOURNAL, META, OUTBOX, QUOTED_SHARES, SESSIONS, TALLIES,
    WORKERS, bucket_key, meta, quoted_key, quoted_row, tally_key, worker_key,
};
use crate::store::{books_rows, caught};
use bitcoin::hashes::Hash;

/// What a checkpoint tells beside its rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beside {
    /// The journal's file after it; none where there is none.
    pub(crate) journal: Option<Named>,
    /// Given at a start: how often there was one.
    pub(crate) boot: Option<u32>,
}

/// Puts the rows in their tables and makes the journal's batches that are in them old, all
/// or nothing. Looks at `room` old rows at most, and tells what it forgot.
pub(crate) fn write_checkpoint(
    database: &Database,
    checkpoint: &Checkpoint,
    beside: &Beside,
    room: usize,
) -> Result<Pruned, StoreError> {
    caught(|| {
        let write = begin(database)?;
        put_meta(&write, checkpoint, beside)?;
        put_rows(&write, checkpoint)?;
        put_json_rows(&write, checkpoint)?;
        put_marks(&write, checkpoint)?;
        let pruned = match &checkpoint.prune {
            Some(prune) => prune_rows(&write, prune, room)?,
            None => Pruned::default(),
        };
        empty_journal(&write, checkpoint.batch)?;
        write.commit()?;
        Ok(pruned)
    })
}

/// One row after the other: redb's `retain` copies a path of the tree for each row that
/// goes, and keeps all the copies until it is through.
fn empty_journal(write: &WriteTransaction, last: u64) -> Result<(), StoreError> {
    let mut table = write.open_table(JOURNAL)?;
    while table
        .first()?
        .is_some_and(|(number, _)| number.value() <= last)
    {
        table.pop_first()?;
    }
    Ok(())
}

pub(super) fn begin(database: &Database) -> Result<WriteTransaction, StoreError> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    // After a kill redb would else read all of the file before anybody is served. It costs a
    // second sync and some pages, which are few: shares are in the journal.
    write.set_quick_repair(true);
    Ok(write)
}

fn put_meta(
    write: &WriteTransaction,
    checkpoint: &Checkpoint,
    beside: &Beside,
) -> Result<(), StoreError> {
    let mut table = write.open_table(META)?;
    let mut put = |name: &str, number: u64| {
        table
            .insert(name, number.to_be_bytes().as_slice())
            .map(drop)
    };
    put(meta::BATCH, checkpoint.batch)?;
    put(meta::NEXT_OUTBOX, checkpoint.next_outbox.get())?;
    put(meta::NOW_MS, checkpoint.now_ms)?;
    if let Some(open) = checkpoint.epochs.last() {
        put(meta::OPEN_EPOCH, open.id.get())?;
    }
    if let Some(boot) = beside.boot {
        put(meta::BOOT, boot.into())?;
    }
    match beside.journal {
        Some(named) => table.insert(meta::JOURNAL_FILE, named.to_row().as_slice())?,
        None => table.remove(meta::JOURNAL_FILE)?,
    };
    Ok(())
}

fn put_rows(write: &WriteTransaction, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let mut row = Vec::new();
    let mut table = write.open_table(TALLIES)?;
    for ((epoch, miner), tally) in &checkpoint.tallies {
        row.clear();
        codec::put_tally(&mut row, tally);
        table.insert(&tally_key(*epoch, miner.x_only_bytes()), row.as_slice())?;
    }
    let mut table = write.open_table(WORKERS)?;
    for (miner, worker) in &checkpoint.workers {
        row.clear();
        codec::put_worker(&mut row, worker);
        table.insert(worker_key(miner, &worker.name).as_slice(), row.as_slice())?;
    }
    let mut table = write.open_table(BUCKETS)?;
    for (key, work) in &checkpoint.buckets {
        table.insert(&bucket_key(key), work.hashes())?;
    }
    let mut table = write.open_table(SESSIONS)?;
    for (session, row) in &checkpoint.sessions {
        table.insert(session.to_u64(), (row.sequence, row.last_ms))?;
    }
    let mut table = write.open_table(QUOTED_SHARES)?;
    for (key, quoted) in &checkpoint.quoted {
        table.insert(&quoted_key(*key), &quoted_row(quoted))?;
    }
    Ok(())
}

fn put_json_rows(write: &WriteTransaction, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let mut table = write.open_table(EPOCHS)?;
    for epoch in &checkpoint.epochs {
        table.insert(epoch.id.get(), json("epochs", epoch)?.as_slice())?;
    }
    let mut table = write.open_table(OUTBOX)?;
    for (id, row) in &checkpoint.outbox {
        match row {
            Some(row) => table.insert(id.get(), books_rows::outbox_kind(&row.kind)?.as_slice())?,
            None => table.remove(id.get())?,
        };
    }
    let mut table = write.open_table(DISSOLVED)?;
    for epoch in &checkpoint.dissolved {
        table.insert(epoch.get(), ())?;
    }
    let mut table = write.open_table(BLOCKS)?;
    for block in &checkpoint.blocks {
        table.insert(
            block.hash.as_byte_array(),
            json("blocks", block)?.as_slice(),
        )?;
    }
    Ok(())
}

pub(super) fn json<T: Serialize>(table: &'static str, row: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(row).map_err(|source| StoreError::Json { table, source })
}
