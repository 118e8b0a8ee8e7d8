//! The bytes of the journal: whatever a loss of power leaves of the last record, all before
//! it is read and nothing else is.

use proptest::prelude::*;

use super::format::{
    BLOCK, FIRST_RECORD, JournalId, Named, Record, made, mark, mark_block, put_record, read_mark,
    read_record,
};
use super::scan::{Scan, holds_records, scan};
use super::{JournalError, JournalUnfit};

const ID: JournalId = JournalId([7; 16]);
const OTHER: JournalId = JournalId([8; 16]);

/// What the disk writes whole.
const SECTOR: usize = 512;

fn named(generation: u64) -> Named {
    Named {
        id: ID,
        generation,
        blocks: 0,
    }
}

fn payload(number: u64, len: usize) -> Vec<u8> {
    let byte = u8::try_from(number % 251).expect("small");
    vec![byte.wrapping_add(1); len]
}

/// A file in memory that records are written into.
struct Written {
    bytes: Vec<u8>,
    generation: u64,
    next: u64,
    number: u64,
}

impl Written {
    fn new() -> Self {
        Written {
            bytes: made(ID, 4).1,
            generation: 1,
            next: FIRST_RECORD,
            number: 0,
        }
    }

    fn put(&mut self, block: u64, data: &[u8]) {
        let start = usize::try_from(block).expect("small") * BLOCK;
        let end = start + data.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[start..end].copy_from_slice(data);
    }

    fn record(&self, len: usize) -> Vec<u8> {
        let mut buffer = Vec::new();
        let payload = payload(self.number + 1, len);
        let record = Record {
            generation: self.generation,
            number: self.number + 1,
            payload: &payload,
        };
        assert!(put_record(&mut buffer, ID, record));
        assert_eq!(buffer.len() as u64, record.blocks() * BLOCK as u64);
        buffer
    }

    fn append(&mut self, len: usize) {
        let record = self.record(len);
        self.put(self.next, &record);
        self.next += (record.len() / BLOCK) as u64;
        self.number += 1;
    }

    /// A checkpoint; gives what the store has by it.
    fn checkpoint(&mut self) -> u64 {
        self.generation += 1;
        self.put(mark_block(self.generation), &mark(ID, self.generation));
        self.next = FIRST_RECORD;
        self.number
    }

    fn scan(&self, stored: u64) -> Result<Scan<'_>, JournalError> {
        scan(&self.bytes, &named(self.generation), stored)
    }

    #[track_caller]
    fn numbers(&self, stored: u64) -> Vec<u64> {
        let found = self.scan(stored).expect("reads");
        for record in &found.records {
            assert_eq!(record.payload, payload(record.number, record.payload.len()));
        }
        found.records.iter().map(|record| record.number).collect()
    }

    #[track_caller]
    fn unfit(&self, named: &Named) -> JournalUnfit {
        match scan(&self.bytes, named, 0) {
            Err(JournalError::Unfit(unfit)) => unfit,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_written_is_read_and_what_is_old_is_not() {
    let mut file = Written::new();
    assert!(!holds_records(&file.bytes).expect("a journal"));
    assert!(file.numbers(0).is_empty());
    for len in [1, 4072, 4073, 20_000, 0] {
        file.append(len);
    }
    assert!(holds_records(&file.bytes).expect("a journal"));
    assert_eq!(file.numbers(0), [1, 2, 3, 4, 5]);
    let stored = file.checkpoint();
    assert!(file.numbers(stored).is_empty());
    file.append(3);
    // Behind it are whole records of the generation before.
    assert_eq!(file.numbers(stored), [6]);
    let stored = file.checkpoint();
    assert!(file.numbers(stored).is_empty());
}

#[test]
fn a_damaged_record_before_others_is_an_error_in_words() {
    let mut file = Written::new();
    (0..3).for_each(|_| file.append(5_000));
    let second = (usize::try_from(FIRST_RECORD).expect("small") + 2) * BLOCK;
    for at in [second, second + 30, second + 4_500] {
        file.bytes[at] ^= 1;
        let error = file.scan(0).expect_err("damaged").to_string();
        assert!(error.contains("batch 2 is not in block 5"), "{error}");
        assert!(error.contains("batch 3 after it is in block 7"), "{error}");
        file.bytes[at] ^= 1;
    }
    // One whose number does not follow is as bad.
    assert!(matches!(file.scan(1), Err(JournalError::Damaged(_))));
    // The part that is cut off takes synced records along.
    let named = Named {
        blocks: (file.bytes.len() / BLOCK) as u64,
        ..named(1)
    };
    assert!(scan(&file.bytes, &named, 0).is_ok());
    let cut = &file.bytes[..file.bytes.len() - 1];
    assert!(matches!(
        scan(cut, &named, 0),
        Err(JournalError::Damaged(_))
    ));
}

#[test]
fn another_ledgers_journal_or_another_time_is_told() {
    let mut file = Written::new();
    file.append(10);
    let of_other = Named {
        id: OTHER,
        ..named(1)
    };
    assert_eq!(file.unfit(&of_other), JournalUnfit::OfAnother);
    // The store has had two checkpoints that the file knows nothing of, or one.
    assert_eq!(file.unfit(&named(3)), JournalUnfit::Older);
    assert_eq!(file.unfit(&named(2)), JournalUnfit::Older);
    file.checkpoint();
    // The power went between the mark and the store's commit: all is there.
    assert_eq!(
        scan(&file.bytes, &named(1), 0)
            .expect("reads")
            .records
            .len(),
        1
    );
    // A store of before the checkpoint, after which something was written.
    file.append(10);
    assert_eq!(file.unfit(&named(1)), JournalUnfit::Newer);
    file.checkpoint();
    assert_eq!(file.unfit(&named(1)), JournalUnfit::Newer);
    for bytes in [&file.bytes[..0], &file.bytes[..50], &vec![0; 5 * BLOCK][..]] {
        assert!(matches!(
            scan(bytes, &named(1), 0),
            Err(JournalError::Damaged(_))
        ));
    }
    file.bytes[16] = 9;
    assert!(matches!(
        file.scan(0),
        Err(JournalError::NewerFormat { .. })
    ));
}

/// A rotten bit anywhere is corrected by nobody and costs no answered batch in silence, but
/// for the last one, which is not told from one that was being written.
#[test]
fn a_single_bit_that_flips_loses_nothing_in_silence() {
    let mut file = Written::new();
    (0..4).for_each(|_| file.append(5_000));
    let stored = file.checkpoint();
    [10, 5_000, 10].into_iter().for_each(|len| file.append(len));
    let all = file.numbers(stored);
    assert_eq!(all, [5, 6, 7]);
    // Both marks are there, and old records behind the new ones.
    for at in 0..file.bytes.len() {
        // All bits of what blocks begin with, and some of the rest.
        let (in_block, bits) = (at % BLOCK, 0..8);
        if in_block >= 64 && in_block % 61 != 0 {
            continue;
        }
        for bit in bits {
            file.bytes[at] ^= 1 << bit;
            match file.scan(stored) {
                Ok(found) => {
                    let found: Vec<_> = found.records.iter().map(|one| one.number).collect();
                    let is_last = at / BLOCK == 6 && found == all[..2];
                    assert!(found == all || is_last, "byte {at}, bit {bit}: {found:?}");
                }
                Err(JournalError::Damaged(_) | JournalError::NewerFormat { .. }) => (),
                Err(error) => panic!("byte {at}, bit {bit}: {error}"),
            }
            file.bytes[at] ^= 1 << bit;
        }
    }
}

/// A mark that rotted hides no newer records either.
#[test]
fn newer_records_are_newer_whatever_the_marks_say() {
    let mut file = Written::new();
    file.append(10);
    file.checkpoint();
    file.checkpoint();
    file.append(10);
    // The mark of generation 3: that of 2 is in the other place.
    let at = usize::try_from(mark_block(3)).expect("small") * BLOCK;
    file.bytes[at] ^= 1;
    assert_eq!(file.unfit(&named(1)), JournalUnfit::Newer);
}

/// A booking goes to the store alone, and records of the same generation come after it.
#[test]
fn a_store_of_before_a_booking_is_older_than_the_records_after_it() {
    let mut file = Written::new();
    file.append(10);
    let stored = file.checkpoint();
    // The booking.
    file.number += 1;
    (0..2).for_each(|_| file.append(10));
    assert_eq!(file.numbers(stored + 1), [3, 4]);
    match file.scan(stored) {
        Err(JournalError::Unfit(JournalUnfit::Newer)) => (),
        other => panic!("{other:?}"),
    }
}

/// Whatever an earlier start found, a ledger that may lack bookings is told as one.
#[test]
fn the_graver_finding_goes_before_the_other() {
    for now in JournalUnfit::ALL {
        assert_eq!(JournalUnfit::graver(None, now), now);
        for earlier in JournalUnfit::ALL {
            let told = JournalUnfit::graver(Some(earlier), now);
            let lacks = earlier.is_of_ledger() || now.is_of_ledger();
            assert_eq!(told.is_of_ledger(), lacks, "{earlier:?}, {now:?}");
            let is_first = earlier.is_of_ledger() || !now.is_of_ledger();
            assert_eq!(told, if is_first { earlier } else { now });
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        let _ = scan(&bytes, &named(1), 0);
        let _ = (read_record(&bytes, ID, |_| true), read_mark(&bytes, ID));
        // Behind a header as well.
        let (_, whole) = made(ID, 1);
        let header = whole.len().min(bytes.len());
        bytes[..header].copy_from_slice(&whole[..header]);
        let _ = scan(&bytes, &named(1), 0);
    }

    /// Some generations of records, and of the last write any of its sectors, over whatever
    /// was there: zeros, or records of before.
    #[test]
    fn a_torn_record_is_dropped_and_nothing_else(
        generations in proptest::collection::vec(
            proptest::collection::vec(0..9_000_usize, 0..6), 1..4
        ),
        last in 0..20_000_usize,
        there in any::<u64>(),
    ) {
        let mut file = Written::new();
        let mut stored = 0;
        for (at, lens) in generations.iter().enumerate() {
            if at > 0 {
                stored = file.checkpoint();
            }
            lens.iter().for_each(|len| file.append(*len));
        }
        let before: Vec<u64> = (stored + 1..=file.number).collect();
        let record = file.record(last);
        let room = vec![0; record.len()];
        let end = usize::try_from(file.next).expect("small") * BLOCK + record.len();
        if file.bytes.len() < end {
            file.put(file.next, &room);
        }
        let start = usize::try_from(file.next).expect("small") * BLOCK;
        for (at, sector) in record.chunks(SECTOR).enumerate() {
            if there >> (at % 64) & 1 == 1 {
                let to = start + at * SECTOR;
                file.bytes[to..to + sector.len()].copy_from_slice(sector);
            }
        }
        let found = file.numbers(stored);
        let with_last: Vec<u64> = (stored + 1..=file.number + 1).collect();
        let is_whole = file.bytes[start..end] == record[..];
        prop_assert!(found == before || found == with_last);
        // The zeros at its end may be there by themselves.
        prop_assert!(found == with_last || !is_whole);
    }
}
