//! A disk in memory with a store and its journal, that can lose power, break, and be full.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redb::{Database, DatabaseError, StorageBackend};
use std::path::PathBuf;

use crate::store::{Opener, SyncedLength};
use crate::{OpenError, StoreError};

/// What a file system gives room by, and writes in what order it likes.
const BLOCK: u64 = 4096;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Its two files.
const STORE: usize = 0;
const JOURNAL: usize = 1;

/// When calls that change the disk fail. Counted from when the fault is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The call of this number fails and all after it, until power comes back.
    DeadFrom(u64),
    /// From the call of this number on so many fail. A write takes a part then.
    Broken {
        from: u64,
        count: u64,
    },
    /// Writing fails, syncing does not.
    Full,
    /// Changes of the store fail, those of the journal do not.
    NoStore,
    /// The journal's sync of this number, counted from 0, fails, and what was to be synced is
    /// never written: what a system does with pages that the disk did not take. Readers see
    /// it all the same, and its length.
    ForgetsJournal(u64),
    /// Syncs of the journal fail, and what they were to write may be written at any time.
    NoJournalSync,
    /// Writing fails where nothing was written before: a file system without room. It takes
    /// what comes before that.
    NoRoom,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug, Default)]
struct OneFile {
    /// A journal may not be there.
    is_there: bool,
    /// What survives for certain.
    synced: Vec<u8>,
    /// What a reader sees.
    seen: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
    /// What was ever written to: a file is not given room before.
    blocks: BTreeSet<u64>,
}

impl OneFile {
    fn of(bytes: Vec<u8>) -> Self {
        OneFile {
            is_there: true,
            blocks: (0..bytes.len() as u64 / BLOCK).collect(),
            seen: bytes.clone(),
            synced: bytes,
            ..OneFile::default()
        }
    }
}

impl OneFile {
    /// How much of a write goes where something was written before.
    fn room(&self, offset: u64, len: usize) -> usize {
        let end = offset + len as u64;
        let mut blocks = offset / BLOCK..end.div_ceil(BLOCK);
        let first_new = blocks.find(|block| !self.blocks.contains(block));
        let end = first_new.map_or(end, |block| offset.max(block * BLOCK));
        usize::try_from(end - offset).expect("small")
    }

    fn take(&mut self, offset: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let end = (offset + data.len() as u64).div_ceil(BLOCK);
        self.blocks.extend(offset / BLOCK..end);
        put(&mut self.seen, offset, data);
        self.unsynced.push(Change::Write(offset, data.to_vec()));
    }
}

#[derive(Debug)]
struct State {
    files: [OneFile; 2],
    fault: Fault,
    calls: u64,
    /// So many bytes were written, and so many syncs were made, since the fault was set.
    bytes: u64,
    syncs: u64,
    /// Counts the losses of power: whoever opened before is dead.
    life: u64,
    open: bool,
    /// How many journals were set aside.
    aside: u32,
}

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(super) fn new() -> Self {
        Disk(Arc::new(Mutex::new(State {
            files: Default::default(),
            fault: Fault::None,
            calls: 0,
            bytes: 0,
            syncs: 0,
            life: 0,
            open: false,
            aside: 0,
        })))
    }

    /// A disk with a store on it, and a journal if there is one.
    pub(super) fn of(store: Vec<u8>, journal: Option<Vec<u8>>) -> Self {
        let disk = Disk::new();
        let journal = journal.map(OneFile::of).unwrap_or_default();
        disk.state().files = [OneFile::of(store), journal];
        disk
    }

    /// The bytes of the store, and of the journal.
    pub(super) fn files(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let state = self.state();
        let [store, journal] = &state.files;
        let journal_bytes = journal.is_there.then(|| journal.seen.clone());
        (store.seen.clone(), journal_bytes)
    }

    /// How many journals were set aside.
    pub(super) fn aside(&self) -> u32 {
        self.state().aside
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = fault;
        state.calls = 0;
        state.bytes = 0;
        state.syncs = 0;
    }

    /// How many bytes were written since the fault was set.
    pub(super) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// How often the disk was synced since the fault was set.
    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// How many calls changed the disk since the fault was set.
    pub(super) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The process is killed and the system stays: what was written is there to see, and what
    /// of it is on disk is as open as before.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.open = false;
        state.fault = Fault::None;
        state.calls = 0;
    }

    /// Power goes and comes: of what was not synced, `seed` says what is there, in what
    /// pieces and each for itself, and one of them perhaps half.
    pub(super) fn lose_power(&self, seed: u64) {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut state = self.state();
        let state = &mut *state;
        for file in &mut state.files {
            let mut bytes = std::mem::take(&mut file.synced);
            for change in file.unsynced.drain(..) {
                lose(&mut bytes, change, &mut chance);
            }
            // A longer file than the last synced length is what some losses leave.
            file.seen.clone_from(&bytes);
            file.synced = bytes;
        }
        state.life += 1;
        state.open = false;
        state.fault = Fault::None;
        state.calls = 0;
    }
}

/// What a loss of power leaves of a change.
fn lose(bytes: &mut Vec<u8>, change: Change, chance: &mut StdRng) {
    let (offset, mut data) = match change {
        Change::Write(offset, data) => (offset, data),
        // A length is the file system's own affair: in order, lost or not.
        Change::Length(len) => {
            if chance.random_bool(0.8) {
                set_len(bytes, len);
            }
            return;
        }
    };
    if chance.random_bool(0.1) {
        data.truncate(chance.random_range(0..=data.len()));
    }
    // The whole, its blocks or its sectors, each there or not: a system writes them in the
    // order that it likes.
    let whole = data.len().max(1);
    let piece = [whole, 4096, SECTOR][chance.random_range(0..3)];
    let mut at = offset;
    while !data.is_empty() {
        // Pieces end where blocks do.
        let first = piece - usize::try_from(at).expect("small") % piece.min(4096);
        let first = if piece == whole { whole } else { first };
        let rest = data.split_off(first.min(data.len()));
        if chance.random_bool(0.5) {
            put(bytes, at, &data);
        }
        at += data.len() as u64;
        data = rest;
    }
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let start = usize::try_from(offset).expect("small");
    let end = start + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

fn set_len(bytes: &mut Vec<u8>, len: u64) {
    bytes.resize(usize::try_from(len).expect("small"), 0);
}

/// One opening of the disk.
#[derive(Debug)]
struct Backend {
    disk: Disk,
    file: usize,
    life: u64,
}

impl Backend {
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        let alive = state.life == self.life;
        if alive {
            Ok(state)
        } else {
            Err(io::Error::other("no power"))
        }
    }

    fn change(&self, writes: bool) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.alive()?;
        state.calls += 1;
        let (calls, broken) = (state.calls, || Err(io::Error::other("the disk is broken")));
        match state.fault {
            Fault::DeadFrom(from) if calls >= from => broken(),
            Fault::Broken { from, count } if (from..from + count).contains(&calls) => broken(),
            Fault::NoStore if self.file == STORE => broken(),
            Fault::Full if writes => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(state),
        }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.files[self.file].seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.alive()?;
        let start = usize::try_from(offset).expect("small");
        let bytes = state.files[self.file].seen.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.change(true)?;
        let file = &mut state.files[self.file];
        set_len(&mut file.seen, len);
        file.unsynced.push(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.change(false)?;
        if state.fault == Fault::NoJournalSync && self.file == JOURNAL {
            return Err(io::Error::other("the disk is broken"));
        }
        if let (Fault::ForgetsJournal(left), JOURNAL) = (state.fault, self.file) {
            let Some(left) = left.checked_sub(1) else {
                state.fault = Fault::None;
                state.files[JOURNAL].unsynced.clear();
                return Err(io::Error::other("the disk is broken"));
            };
            state.fault = Fault::ForgetsJournal(left);
        }
        state.syncs += 1;
        let OneFile {
            synced, unsynced, ..
        } = &mut state.files[self.file];
        for change in unsynced.drain(..) {
            match change {
                Change::Write(offset, data) => put(synced, offset, &data),
                Change::Length(len) => set_len(synced, len),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let changed = self.change(true).map(drop);
        let mut state = self.alive()?;
        let state = &mut *state;
        let file = &mut state.files[self.file];
        let (taken, result) = match (changed, state.fault) {
            (Err(error), Fault::Broken { .. }) => (part(data.len(), state.calls), Err(error)),
            (Err(error), _) => (0, Err(error)),
            (Ok(()), Fault::NoRoom) => match file.room(offset, data.len()) {
                room if room < data.len() => (room, Err(io::ErrorKind::StorageFull.into())),
                room => (room, Ok(())),
            },
            (Ok(()), _) => (data.len(), Ok(())),
        };
        file.take(offset, &data[..taken]);
        state.bytes += taken as u64;
        result
    }

    fn close(&self) -> io::Result<()> {
        self.alive()?.open = false;
        Ok(())
    }
}

/// How much of a write is taken that fails at this call.
fn part(len: usize, call: u64) -> usize {
    let parts = [0, len / 2, len.min(8), len.saturating_sub(1)];
    parts[usize::try_from(call % 4).expect("small")]
}

impl Disk {
    fn backend(&self, file: usize) -> Backend {
        Backend {
            disk: self.clone(),
            file,
            life: self.state().life,
        }
    }
}

impl Opener for Disk {
    fn open(&self, create: bool) -> Result<Database, OpenError> {
        let locked = PathBuf::from("disk");
        {
            let mut state = self.state();
            if std::mem::replace(&mut state.open, true) {
                return Err(OpenError::LockedByAnother(locked));
            }
            assert!(
                create || !state.files[STORE].synced.is_empty(),
                "nothing was ever made here"
            );
        }
        let opened = Database::builder()
            .set_cache_size(1 << 20)
            .create_with_backend(SyncedLength(self.backend(STORE)))
            .map_err(|error: DatabaseError| OpenError::Store(StoreError::from(error)));
        if opened.is_err() {
            self.state().open = false;
        }
        opened
    }

    fn open_journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let is_there = self.state().files[JOURNAL].is_there;
        Ok(is_there.then(|| Box::new(self.backend(JOURNAL)) as _))
    }

    fn make_journal(&self, bytes: &[u8]) -> io::Result<Box<dyn StorageBackend>> {
        let backend = self.backend(JOURNAL);
        backend.change(true)?.files[JOURNAL] = OneFile::of(bytes.to_vec());
        Ok(Box::new(backend))
    }

    fn set_journal_aside(&self) -> io::Result<()> {
        let backend = self.backend(JOURNAL);
        let mut state = backend.change(true)?;
        state.files[JOURNAL] = OneFile::default();
        state.aside += 1;
        Ok(())
    }

    fn journal_path(&self) -> PathBuf {
        PathBuf::from("disk.journal")
    }
}
