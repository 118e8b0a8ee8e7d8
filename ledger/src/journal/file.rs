//! The journal's file: read once at an opening, and appended to.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::io;

use redb::StorageBackend;

use crate::journal::format::{
    BLOCK, FIRST_RECORD, JournalId, Named, Record, blocks_for, mark, mark_block, put_record,
    read_header, take_seal,
};
use crate::journal::scan::{holds_records, scan};
use crate::journal::{JournalError, JournalUnfit};

/// So many zeros are written at once where the file grows.
const ZEROS: usize = 64 * BLOCK;

/// A longer file than that was not written by a journal: it has a checkpoint past 32 MiB and
/// grows by half as much again at most, or by eight megabytes.
const MAX_BYTES: u64 = 128 << 20;

/// A journal as it was found.
#[derive(Debug)]
pub(crate) enum Read {
    /// It is the store's, with these batches that the store does not have.
    Fits(Journal, Vec<(u64, Vec<u8>)>),
    /// The store names none, and there is none, or one that never had a record.
    None,
    /// It is whole, and not the store's as the store is.
    Unfit {
        /// In what way.
        unfit: JournalUnfit,
        /// Something was written to it. One that was made and never used proves nothing.
        is_used: bool,
    },
}

/// Reads the file, if there is one, of a store that knows `named` of it and has every batch
/// up to `stored`.
///
/// # Errors
/// It is damaged, of a newer program, or does not read.
pub(crate) fn read(
    file: Option<Box<dyn StorageBackend>>,
    named: Option<Named>,
    stored: u64,
    growth: u64,
) -> Result<Read, JournalError> {
    let Some(file) = file else {
        return Ok(named.map_or(Read::None, |_| Read::Unfit {
            unfit: JournalUnfit::Missing,
            is_used: false,
        }));
    };
    let bytes = all(&*file)?;
    let Some(named) = named else {
        let is_used = holds_records(&bytes)?;
        return Ok(match is_used {
            true => Read::Unfit {
                unfit: JournalUnfit::OfAnother,
                is_used,
            },
            false => Read::None,
        });
    };
    let found = match scan(&bytes, &named, stored) {
        Err(JournalError::Unfit(unfit)) => {
            let is_used = holds_records(&bytes)?;
            return Ok(Read::Unfit { unfit, is_used });
        }
        found => found?,
    };
    let records = found.records.iter();
    let batches: Vec<_> = records
        .map(|record| (record.number, record.payload.to_vec()))
        .collect();
    // Not the length that the system shows: after a sync that failed the disk may not have
    // it. The store was told of no block that was not synced.
    let mut journal = Journal::new(file, named, growth);
    journal.next = found.next;
    journal.last = batches.last().map_or(stored, |(number, _)| *number);
    Ok(Read::Fits(journal, batches))
}

fn all(file: &dyn StorageBackend) -> Result<Vec<u8>, JournalError> {
    let len = file.len()?;
    if len > MAX_BYTES {
        return Err(JournalError::Damaged(format!("it has {len} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    file.read(0, &mut bytes)?;
    Ok(bytes)
}

/// The file that is appended to.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Box<dyn StorageBackend>,
    id: JournalId,
    generation: u64,
    /// The block of the next record.
    next: u64,
    /// The number of the last batch that is in here or in the store.
    last: u64,
    /// So many blocks are written and synced for certain. The file may be longer to see.
    synced: u64,
    /// The file grows by so many blocks, at least.
    growth: u64,
    /// A whole record may be at the block `next` that nobody was told of: its sync failed.
    is_doubtful: bool,
    buffer: Vec<u8>,
}

impl Journal {
    /// A file of which no record is read, at the beginning of the generation of `named`.
    pub(crate) fn new(file: Box<dyn StorageBackend>, named: Named, growth: u64) -> Self {
        Journal {
            file,
            id: named.id,
            generation: named.generation,
            next: FIRST_RECORD,
            last: 0,
            synced: named.blocks,
            growth: growth.max(1),
            is_doubtful: false,
            buffer: Vec::new(),
        }
    }

    /// True when the store has all that was ever in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.next == FIRST_RECORD && !self.is_doubtful
    }

    /// How many bytes the store does not have.
    pub(crate) fn bytes(&self) -> u64 {
        let blocks = self.next.saturating_sub(FIRST_RECORD);
        blocks.saturating_mul(BLOCK as u64)
    }

    /// True when nobody knows whether the last batch that was appended, and gave an error, is
    /// on disk.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// The number of the last batch that is on disk.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// What the store is to know of it as it is.
    fn named(&self) -> Named {
        Named {
            id: self.id,
            generation: self.generation,
            blocks: self.synced,
        }
    }

    /// Writes a batch and syncs it; gives how many bytes were written.
    ///
    /// After an error nothing of it counts, now or after a crash, unless
    /// [`Self::is_doubtful`]: then it may be there all the same, until [`Self::settle`]. The
    /// record's length and sum are written last and by themselves, so where a write fails,
    /// also half way, they are zeros, with which nothing reads as a record.
    pub(crate) fn append(&mut self, number: u64, payload: &[u8]) -> io::Result<u64> {
        // Nothing may come after a record that may not be there.
        if self.is_doubtful {
            return Err(io::Error::other("the last write to the journal failed"));
        }
        let blocks = blocks_for(payload.len());
        let end = self.next.saturating_add(blocks);
        self.make_room(end)?;
        let record = Record {
            generation: self.generation,
            number,
            payload,
        };
        if !put_record(&mut self.buffer, self.id, record) {
            return Err(io::Error::other("a batch is too long for the journal"));
        }
        let seal = take_seal(&mut self.buffer);
        self.file.write(offset(self.next), &self.buffer)?;
        self.is_doubtful = true;
        self.file.write(offset(self.next), &seal)?;
        self.file.sync_data()?;
        self.is_doubtful = false;
        self.next = end;
        self.last = number;
        Ok(self.buffer.len() as u64)
    }

    /// Has the file `end` blocks, written and synced: a file system without room says so
    /// here, where nothing is lost by it, and later syncs write the record alone.
    ///
    /// All of it is written again after a sync that failed: what was to be synced then is
    /// lost, though the system shows it, and the new length with it.
    fn make_room(&mut self, end: u64) -> io::Result<()> {
        let blocks = self.synced;
        if blocks >= end {
            return Ok(());
        }
        // Half as long again, so that a busy pool does not stop for it often.
        let more = self
            .growth
            .max((blocks / 2).min(self.growth.saturating_mul(8)));
        let blocks_then = end.max(blocks.saturating_add(more));
        let end = offset(blocks_then);
        let zeros = vec![0; ZEROS];
        // Never over a record that is there.
        let mut at = offset(blocks.max(self.next));
        while at < end {
            let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let part = zeros.get(..left).unwrap_or(&zeros);
            self.file.write(at, part)?;
            at = at.saturating_add(part.len() as u64);
        }
        self.file.sync_data()?;
        self.synced = blocks_then;
        Ok(())
    }

    /// Tells the file that the store will have all of it with its next commit, and what the
    /// store is to know of it then. Until [`Self::begin`] it goes on as it was.
    pub(crate) fn announce(&mut self) -> io::Result<Named> {
        match self.is_empty() {
            true => Ok(self.named()),
            false => self.announce_next(),
        }
    }

    /// The same, also where nothing is in it. At a start: what the file shows may be what
    /// the system has of it and the disk has not, since before the last kill a sync failed.
    /// In a new generation none of it counts, whatever comes to light.
    pub(crate) fn announce_next(&mut self) -> io::Result<Named> {
        let named = self.named();
        let generation = self.generation.saturating_add(1);
        let block = mark(self.id, generation);
        self.file.write(offset(mark_block(generation)), &block)?;
        self.file.sync_data()?;
        Ok(Named {
            generation,
            ..named
        })
    }

    /// The store has committed `named`, and with it every batch up to `stored`.
    pub(crate) fn begin(&mut self, named: Named, stored: u64) {
        if named.generation != self.generation {
            self.generation = named.generation;
            self.next = FIRST_RECORD;
            self.is_doubtful = false;
        }
        self.last = self.last.max(stored);
    }

    /// After an error of the store: goes on in the generation that it knows.
    pub(crate) fn follow(&mut self, named: Option<Named>, stored: u64) -> Result<(), JournalUnfit> {
        let named = named.filter(|named| named.id == self.id);
        let named = named.ok_or(JournalUnfit::OfAnother)?;
        let next = self.generation.saturating_add(1);
        if named.generation != self.generation && named.generation != next {
            return Err(JournalUnfit::Older);
        }
        self.begin(named, stored);
        Ok(())
    }

    /// After an error: goes on with `file`, the same opened anew. What may or may not have
    /// been written is made certainly not there.
    pub(crate) fn settle(
        &mut self,
        file: Option<Box<dyn StorageBackend>>,
    ) -> Result<(), JournalError> {
        let file = file.ok_or(JournalUnfit::Missing)?;
        let mut header = vec![0; BLOCK];
        file.read(0, &mut header)?;
        if read_header(&header)? != self.id {
            return Err(JournalUnfit::OfAnother.into());
        }
        self.file = file;
        // Not by reading: after a sync that failed the system's cache shows what the disk
        // does not have. A block that is written again is synced or gives an error again.
        if self.is_doubtful {
            self.file.write(offset(self.next), &[0; BLOCK])?;
            self.file.sync_data()?;
            self.is_doubtful = false;
        }
        Ok(())
    }
}

fn offset(block: u64) -> u64 {
    block.saturating_mul(BLOCK as u64)
}
