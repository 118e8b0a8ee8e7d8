//! Fixed-width binary for the rows that are many. Big endian, so that keys sort as
//! their numbers do. Reading never panics: a row that is too short is an error.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use accounting::{SessionId, ShareId, Tally, UpstreamOdds, Work, Worker, WorkerName};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

/// A row that does not read back: the disk lied, or a newer program wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be decoded: {len} bytes")]
pub struct BadRow {
    /// What it should have been.
    pub what: &'static str,
    /// How long the row is.
    pub len: usize,
}

/// Reads fields from the front of a row.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    error: BadRow,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(what: &'static str, row: &'a [u8]) -> Self {
        Fields {
            rest: row,
            error: BadRow {
                what,
                len: row.len(),
            },
        }
    }

    pub(crate) fn bad(&self) -> BadRow {
        self.error
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRow> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.error)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], BadRow> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(self.error)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, BadRow> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, BadRow> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, BadRow> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, BadRow> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, BadRow> {
        self.array().map(u128::from_be_bytes)
    }

    /// A number as [`put_number`] writes it.
    pub(crate) fn number(&mut self) -> Result<u128, BadRow> {
        let mut number = 0_u128;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.u8()?;
            let bits = u128::from(byte & 0x7f);
            let shifted = bits << shift;
            // Of the last byte two bits fit.
            if shifted >> shift != bits {
                return Err(self.error);
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.error)
    }

    /// The same, of 64 bits.
    pub(crate) fn small_number(&mut self) -> Result<u64, BadRow> {
        u64::try_from(self.number()?).map_err(|_| self.error)
    }

    pub(crate) fn work(&mut self) -> Result<Work, BadRow> {
        self.u128().map(Work::from_hashes)
    }

    pub(crate) fn share_id(&mut self) -> Result<ShareId, BadRow> {
        Ok(ShareId {
            session: SessionId::from_u64(self.u64()?),
            sequence: self.u64()?,
        })
    }

    pub(crate) fn hash(&mut self) -> Result<BlockHash, BadRow> {
        self.array().map(BlockHash::from_byte_array)
    }

    /// A name with its length in front.
    pub(crate) fn worker_name(&mut self) -> Result<WorkerName, BadRow> {
        let len = self.u8()?;
        let name = self.bytes(len.into())?;
        std::str::from_utf8(name)
            .map(WorkerName::clean)
            .map_err(|_| self.error)
    }

    /// Nothing may follow.
    pub(crate) fn end<T>(&self, value: T) -> Result<T, BadRow> {
        if self.rest.is_empty() {
            Ok(value)
        } else {
            Err(self.error)
        }
    }
}

/// Appends a number in as few bytes as it needs, seven bits in each, the lowest first.
pub(crate) fn put_number(row: &mut Vec<u8>, mut number: u128) {
    while number > 0x7f {
        row.push(0x80 | low_bits(number));
        number >>= 7;
    }
    row.push(low_bits(number));
}

fn low_bits(number: u128) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

/// Appends a share's id.
pub(crate) fn put_share_id(row: &mut Vec<u8>, share: &ShareId) {
    row.extend_from_slice(&share.session.to_u64().to_be_bytes());
    row.extend_from_slice(&share.sequence.to_be_bytes());
}

/// Appends a name with its length in front.
pub(crate) fn put_worker_name(row: &mut Vec<u8>, name: &WorkerName) {
    let name = name.as_str().as_bytes();
    // A name has at most 32 characters of at most four bytes.
    row.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    row.extend_from_slice(name);
}

pub(crate) fn put_tally(row: &mut Vec<u8>, tally: &Tally) {
    row.extend_from_slice(&tally.work.hashes().to_be_bytes());
    row.extend_from_slice(&tally.shares.to_be_bytes());
    row.extend_from_slice(tally.best.as_byte_array());
    row.extend_from_slice(&tally.upstream_expected.to_raw().to_be_bytes());
    row.extend_from_slice(&tally.upstream_found.to_be_bytes());
    row.push(u8::from(tally.quote_requested));
    row.extend_from_slice(&tally.first_ms.to_be_bytes());
    row.extend_from_slice(&tally.last_ms.to_be_bytes());
    row.extend_from_slice(&tally.upstream_accepted_work.hashes().to_be_bytes());
}

pub(crate) fn tally(row: &[u8]) -> Result<Tally, BadRow> {
    let mut fields = Fields::of("a tally", row);
    let mut tally = Tally {
        work: fields.work()?,
        shares: fields.u64()?,
        best: fields.hash()?,
        upstream_expected: UpstreamOdds::from_raw(fields.u128()?),
        upstream_found: fields.u64()?,
        quote_requested: fields.u8()? != 0,
        first_ms: fields.u64()?,
        last_ms: fields.u64()?,
        upstream_accepted_work: Work::ZERO,
    };
    // Schema 1 had rows without it.
    if !fields.is_empty() {
        tally.upstream_accepted_work = fields.work()?;
    }
    fields.end(tally)
}

/// All of a worker but its name, which is in the key.
pub(crate) fn put_worker(row: &mut Vec<u8>, worker: &Worker) {
    row.extend_from_slice(&worker.work.hashes().to_be_bytes());
    row.extend_from_slice(&worker.shares.to_be_bytes());
    row.extend_from_slice(worker.best.as_byte_array());
    row.extend_from_slice(&worker.first_ms.to_be_bytes());
    row.extend_from_slice(&worker.last_ms.to_be_bytes());
}

pub(crate) fn worker(name: WorkerName, row: &[u8]) -> Result<Worker, BadRow> {
    let mut fields = Fields::of("a worker", row);
    let worker = Worker {
        name,
        work: fields.work()?,
        shares: fields.u64()?,
        best: fields.hash()?,
        first_ms: fields.u64()?,
        last_ms: fields.u64()?,
    };
    fields.end(worker)
}

/// When a worker was last seen, from its row.
pub(crate) fn worker_last_ms(row: &[u8]) -> Option<u64> {
    row.last_chunk().copied().map(u64::from_be_bytes)
}
