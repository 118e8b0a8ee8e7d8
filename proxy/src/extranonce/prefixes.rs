//! The prefixes of one lane, shared, with a guard for each that is out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Extranonce, MAX_EXTRANONCE_BYTES, PrefixError, PrefixPool, Split};

/// What a prefix of more than three bytes begins with.
static ZEROS: [u8; MAX_EXTRANONCE_BYTES] = [0; MAX_EXTRANONCE_BYTES];

/// The shared [`PrefixPool`] of one generation of a lane.
#[derive(Clone, Debug)]
pub struct Prefixes {
    split: Split,
    pool: Arc<Mutex<PrefixPool>>,
}

impl Prefixes {
    /// All prefixes for the extranonce2 that the upstream grants.
    pub fn new(extranonce2_size: usize) -> Result<Self, PrefixError> {
        let pool = PrefixPool::new(extranonce2_size)?;
        Ok(Prefixes {
            split: pool.split(),
            pool: Arc::new(Mutex::new(pool)),
        })
    }

    /// How the extranonce2 is divided.
    pub fn split(&self) -> Split {
        self.split
    }

    /// Takes a prefix. It is given back when the guard is dropped.
    pub fn take(&self) -> Result<PrefixGuard, PrefixError> {
        let number = self.lock().take()?;
        let [_, bytes @ ..] = number.to_be_bytes();
        let skipped = bytes.len().saturating_sub(self.split.prefix_size);
        let zeros = self.split.prefix_size.saturating_sub(bytes.len());
        let zeros = ZEROS.get(..zeros).unwrap_or_default();
        let number_bytes = bytes.get(skipped..).unwrap_or_default();
        let bytes = Extranonce::concat(zeros, number_bytes).unwrap_or_default();
        Ok(PrefixGuard {
            prefixes: self.clone(),
            number,
            bytes,
            unused: false,
        })
    }

    /// As [`PrefixPool::jobs`]: call it whenever the list of living jobs changes, and
    /// before a new job is shown to anyone, or a prefix used on it could go out again
    /// while it lives.
    pub fn jobs(&self, newest: u64, oldest_living: Option<u64>) {
        self.lock().jobs(newest, oldest_living);
    }

    /// How many could be taken now.
    pub fn available(&self) -> usize {
        self.lock().available()
    }

    fn lock(&self) -> MutexGuard<'_, PrefixPool> {
        // The pool is whole after every operation.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One prefix, this holder's alone until it is dropped.
#[derive(Debug)]
pub struct PrefixGuard {
    prefixes: Prefixes,
    number: u32,
    bytes: Extranonce,
    unused: bool,
}

impl PrefixGuard {
    /// The prefix.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_bytes()
    }

    /// No hash was credited with it: given back, it need not rest.
    pub fn unused(&mut self) {
        self.unused = true;
    }
}

impl Drop for PrefixGuard {
    fn drop(&mut self) {
        let mut pool = self.prefixes.lock();
        match self.unused {
            true => pool.release_unused(self.number),
            false => pool.release(self.number),
        }
    }
}
