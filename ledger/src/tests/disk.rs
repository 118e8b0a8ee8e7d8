//! A disk in memory that can lose power, break, and be full.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redb::{Database, DatabaseError, StorageBackend};

use crate::store::{Opener, SyncedLength};
use crate::{OpenError, StoreError};

/// What a file system gives room by.
const BLOCK: u64 = 4096;

/// When calls that change the disk fail. Counted from when the fault is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The call of this number fails and all after it, until power comes back.
    DeadFrom(u64),
    /// From the call of this number on so many fail.
    Broken {
        from: u64,
        count: u64,
    },
    /// Writing fails, syncing does not.
    Full,
    /// Writing fails where nothing was written before: a file system without room.
    NoRoom,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug)]
struct State {
    /// What survives for certain.
    synced: Vec<u8>,
    /// What a reader sees.
    seen: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
    fault: Fault,
    calls: u64,
    /// What was ever written to: a file is not given room before.
    blocks: BTreeSet<u64>,
    /// Counts the losses of power: whoever opened before is dead.
    life: u64,
    open: bool,
}

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(super) fn new() -> Self {
        Disk(Arc::new(Mutex::new(State {
            synced: Vec::new(),
            seen: Vec::new(),
            unsynced: Vec::new(),
            blocks: BTreeSet::new(),
            fault: Fault::None,
            calls: 0,
            life: 0,
            open: false,
        })))
    }

    /// A disk with a file on it.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let disk = Disk::new();
        {
            let mut state = disk.state();
            state.synced.clone_from(&bytes);
            state.seen = bytes;
        }
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = fault;
        state.calls = 0;
    }

    /// How many calls changed the disk since the fault was set.
    pub(super) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Power goes and comes: of what was not synced, `seed` says what is there, each
    /// write for itself, and one of them perhaps half.
    pub(super) fn lose_power(&self, seed: u64) {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut state = self.state();
        let state = &mut *state;
        let mut bytes = std::mem::take(&mut state.synced);
        for change in state.unsynced.drain(..) {
            match change {
                Change::Write(offset, mut data) => {
                    if chance.random_bool(0.1) {
                        data.truncate(chance.random_range(0..=data.len()));
                    }
                    if chance.random_bool(0.5) {
                        put(&mut bytes, offset, &data);
                    }
                }
                // A length is the file system's own affair: in order, lost or not.
                Change::Length(len) if chance.random_bool(0.8) => set_len(&mut bytes, len),
                Change::Length(_) => (),
            }
        }
        // A longer file than the last synced length is what some losses leave.
        state.seen.clone_from(&bytes);
        state.synced = bytes;
        state.life += 1;
        state.open = false;
        state.fault = Fault::None;
        state.calls = 0;
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
            Fault::Full if writes => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(state),
        }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.alive()?;
        let start = usize::try_from(offset).expect("small");
        let bytes = state.seen.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.change(true)?;
        set_len(&mut state.seen, len);
        state.unsynced.push(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.change(false)?;
        let state = &mut *state;
        for change in state.unsynced.drain(..) {
            match change {
                Change::Write(offset, data) => put(&mut state.synced, offset, &data),
                Change::Length(len) => set_len(&mut state.synced, len),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.change(true)?;
        let mut blocks = offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK);
        if state.fault == Fault::NoRoom && !blocks.all(|block| state.blocks.contains(&block)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state
            .blocks
            .extend(offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK));
        put(&mut state.seen, offset, data);
        state.unsynced.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.alive()?.open = false;
        Ok(())
    }
}

impl Opener for Disk {
    fn open(&self, create: bool) -> Result<Database, OpenError> {
        let locked = std::path::PathBuf::from("disk");
        let life = {
            let mut state = self.state();
            if std::mem::replace(&mut state.open, true) {
                return Err(OpenError::LockedByAnother(locked));
            }
            assert!(
                create || !state.synced.is_empty(),
                "nothing was ever made here"
            );
            state.life
        };
        let backend = Backend {
            disk: self.clone(),
            life,
        };
        let opened = Database::builder()
            .set_cache_size(1 << 20)
            .create_with_backend(SyncedLength(backend))
            .map_err(|error: DatabaseError| OpenError::Store(StoreError::from(error)));
        if opened.is_err() {
            self.state().open = false;
        }
        opened
    }
}
