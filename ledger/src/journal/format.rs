//! The bytes of the journal's file: a block that says whose it is, two that say how far it
//! is, and then the records.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use crc::{CRC_32_ISCSI, Crc, Digest, Table};

use crate::codec::{BadRow, Fields};
use crate::journal::JournalError;

/// What the file is written in. File systems and disks write no less.
pub(crate) const BLOCK: usize = 4096;

/// Where the records begin: after the header and two marks.
pub(super) const FIRST_RECORD: u64 = 3;

/// In front of a record's payload.
pub(super) const RECORD_HEADER: usize = 4 + 4 + 8 + 8;

/// A longer record is none. A batch has at most 4,096 entries, of some hundred bytes each.
const MAX_PAYLOAD: usize = 16 << 20;

const MAGIC: [u8; 16] = *b"axepool journal\n";

/// Of the file's form. A program refuses a newer one.
const FORMAT: u32 = 1;

/// So that a mark is never taken for a record, nor a header for either.
const HEADER: u8 = b'h';
const MARK: u8 = b'm';
const RECORD: u8 = b'r';

const SUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
/// One table for all sums.
static SUMS: Crc<u32, Table<16>> = SUM;

/// Which journal it is: chosen by chance when the file is made, and in the sum of each of
/// its blocks. Nobody outside knows it, so nobody can make bytes that read as a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalId(pub(crate) [u8; 16]);

/// What the store knows of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: JournalId,
    /// Records of this generation are not in the store; all older ones are.
    pub(crate) generation: u64,
    /// The file had so many blocks, and never has less.
    pub(crate) blocks: u64,
}

impl Named {
    pub(crate) fn to_row(self) -> Vec<u8> {
        let mut row = self.id.0.to_vec();
        row.extend_from_slice(&self.generation.to_be_bytes());
        row.extend_from_slice(&self.blocks.to_be_bytes());
        row
    }

    pub(crate) fn of_row(row: &[u8]) -> Result<Named, BadRow> {
        let mut fields = Fields::of("the journal's row", row);
        let named = Named {
            id: JournalId(fields.array()?),
            generation: fields.u64()?,
            blocks: fields.u64()?,
        };
        fields.end(named)
    }
}

/// A record as it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) generation: u64,
    pub(super) number: u64,
    pub(super) payload: &'a [u8],
}

impl Record<'_> {
    /// How many blocks it takes.
    pub(super) fn blocks(&self) -> u64 {
        blocks_for(self.payload.len())
    }
}

/// How many blocks a record of such a payload takes.
pub(super) fn blocks_for(payload: usize) -> u64 {
    payload.saturating_add(RECORD_HEADER).div_ceil(BLOCK) as u64
}

/// The first bytes of a new file, at generation 1, with so many blocks for records, and what
/// the store is to know of it.
pub(crate) fn made(id: JournalId, room: u64) -> (Named, Vec<u8>) {
    let mut bytes = header(id);
    // The slot of even generations is empty.
    bytes.resize(BLOCK.saturating_mul(2), 0);
    bytes.extend(mark(id, 1));
    let blocks = usize::try_from(room.saturating_add(FIRST_RECORD)).unwrap_or(usize::MAX);
    bytes.resize(blocks.saturating_mul(BLOCK), 0);
    let named = Named {
        id,
        generation: 1,
        blocks: blocks as u64,
    };
    (named, bytes)
}

/// The block in which the mark of a generation is: not that of the one before, which is
/// right until this one is written.
pub(super) fn mark_block(generation: u64) -> u64 {
    1_u64.saturating_add(generation & 1)
}

fn header(id: JournalId) -> Vec<u8> {
    let mut block = MAGIC.to_vec();
    block.extend_from_slice(&FORMAT.to_be_bytes());
    block.extend_from_slice(&id.0);
    let sum = sum(id, HEADER, &[&block]);
    block.extend_from_slice(&sum.to_be_bytes());
    block.resize(BLOCK, 0);
    block
}

/// Whose file it is.
pub(super) fn read_header(bytes: &[u8]) -> Result<JournalId, JournalError> {
    let damaged = || JournalError::Damaged("its first block is not a journal's".to_owned());
    let mut fields = Fields::of("a journal's header", bytes);
    let magic: [u8; 16] = fields.array().map_err(|_| damaged())?;
    let format = fields.u32().map_err(|_| damaged())?;
    if magic != MAGIC {
        return Err(damaged());
    }
    if format > FORMAT {
        return Err(JournalError::NewerFormat {
            found: format,
            supported: FORMAT,
        });
    }
    let id = JournalId(fields.array().map_err(|_| damaged())?);
    let found = fields.u32().map_err(|_| damaged())?;
    if header(id).get(36..40) != Some(found.to_be_bytes().as_slice()) {
        return Err(damaged());
    }
    Ok(id)
}

/// The block that says that the file has come to a generation.
pub(super) fn mark(id: JournalId, generation: u64) -> Vec<u8> {
    let mut block = generation.to_be_bytes().to_vec();
    let sum = sum(id, MARK, &[&block]);
    block.extend_from_slice(&sum.to_be_bytes());
    block.resize(BLOCK, 0);
    block
}

/// The generation of a mark; `None` when it was not written whole.
pub(super) fn read_mark(block: &[u8], id: JournalId) -> Option<u64> {
    let mut fields = Fields::of("a mark", block);
    let (generation, found) = (fields.u64().ok()?, fields.u32().ok()?);
    (sum(id, MARK, &[&generation.to_be_bytes()]) == found).then_some(generation)
}

/// Makes `buffer` the blocks of a record.
pub(super) fn put_record(buffer: &mut Vec<u8>, id: JournalId, record: Record<'_>) -> bool {
    buffer.clear();
    let len = match u32::try_from(record.payload.len()) {
        Ok(len) if record.payload.len() <= MAX_PAYLOAD => len.to_be_bytes(),
        _ => return false,
    };
    let generation = record.generation.to_be_bytes();
    let number = record.number.to_be_bytes();
    let sum = sum(id, RECORD, &[&len, &generation, &number, record.payload]);
    buffer.extend_from_slice(&len);
    buffer.extend_from_slice(&sum.to_be_bytes());
    buffer.extend_from_slice(&generation);
    buffer.extend_from_slice(&number);
    buffer.extend_from_slice(record.payload);
    buffer.resize(buffer.len().next_multiple_of(BLOCK), 0);
    true
}

/// The length and the sum that a record begins with.
const SEAL: usize = 4 + 4;

/// Takes the seal out of the blocks of a record, and leaves zeros: without it nothing reads
/// as a record, but by chance, once in 2^32, as one of an empty batch. It is to be written to
/// the same place, after the rest.
pub(super) fn take_seal(blocks: &mut [u8]) -> [u8; SEAL] {
    match blocks.first_chunk_mut() {
        Some(seal) => std::mem::replace(seal, [0; SEAL]),
        None => [0; SEAL],
    }
}

/// The record that begins these bytes, if a whole one of the generations `wanted` does.
/// Others are not looked at, whose sum over many bytes would be work for nothing.
pub(super) fn read_record(
    bytes: &[u8],
    id: JournalId,
    wanted: impl Fn(u64) -> bool,
) -> Option<Record<'_>> {
    let mut fields = Fields::of("a record", bytes);
    let (len, found) = (fields.u32().ok()?, fields.u32().ok()?);
    let (generation, number) = (fields.u64().ok()?, fields.u64().ok()?);
    let size = usize::try_from(len).ok().filter(|len| *len <= MAX_PAYLOAD);
    if !wanted(generation) {
        return None;
    }
    let payload = fields.bytes(size?).ok()?;
    let parts = [
        &len.to_be_bytes()[..],
        &generation.to_be_bytes(),
        &number.to_be_bytes(),
        payload,
    ];
    (sum(id, RECORD, &parts) == found).then_some(Record {
        generation,
        number,
        payload,
    })
}

fn sum(id: JournalId, kind: u8, parts: &[&[u8]]) -> u32 {
    let mut digest: Digest<'_, u32, Table<16>> = SUMS.digest();
    digest.update(&id.0);
    digest.update(&[kind]);
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize()
}
