//! Which prefixes are free: a plain value without a lock.

use std::collections::VecDeque;

use super::{PrefixError, Split};

/// The prefixes of one extranonce1.
///
/// A prefix given back rests until the last job that was known then is gone: until then
/// its next holder would do the same work again and be refused as a duplicate. What has
/// rested longest is given out first.
#[derive(Clone, Debug)]
pub struct PrefixPool {
    split: Split,
    /// The lowest one never given out.
    next: u32,
    free: VecDeque<u32>,
    /// Given back, with the newest job of that time; in the order of these.
    resting: VecDeque<(u32, u64)>,
    newest_job: u64,
    /// One past the newest while none lives.
    oldest_living: u64,
}

impl PrefixPool {
    /// All prefixes for the extranonce2 that the upstream grants.
    pub fn new(extranonce2_size: usize) -> Result<Self, PrefixError> {
        Ok(PrefixPool {
            split: Split::of(extranonce2_size)?,
            next: 0,
            free: VecDeque::new(),
            resting: VecDeque::new(),
            newest_job: 0,
            oldest_living: 1,
        })
    }

    /// How the extranonce2 is divided.
    pub fn split(&self) -> Split {
        self.split
    }

    /// Takes a prefix, as a number below [`Split::capacity`].
    pub fn take(&mut self) -> Result<u32, PrefixError> {
        if let Some(prefix) = self.free.pop_front() {
            return Ok(prefix);
        }
        let capacity = self.split.capacity();
        if self.next >= capacity {
            return Err(PrefixError::Exhausted { capacity });
        }
        let prefix = self.next;
        self.next = self.next.saturating_add(1);
        Ok(prefix)
    }

    /// Gives back what [`Self::take`] gave.
    pub fn release(&mut self, prefix: u32) {
        self.resting.push_back((prefix, self.newest_job));
        self.wake();
    }

    /// Gives back what [`Self::take`] gave and no hash was credited with: there is no work
    /// that its next holder could do again, so it is free at once.
    pub fn release_unused(&mut self, prefix: u32) {
        self.free.push_back(prefix);
    }

    /// Tells which jobs there are: the sequence of the newest one ever made, and that
    /// of the oldest living one (`None` when none lives). Neither may go back; one that
    /// does is ignored.
    pub fn jobs(&mut self, newest: u64, oldest_living: Option<u64>) {
        self.newest_job = self.newest_job.max(newest);
        let oldest = oldest_living.unwrap_or_else(|| self.newest_job.saturating_add(1));
        self.oldest_living = self.oldest_living.max(oldest);
        self.wake();
    }

    /// Frees what was used on jobs that are gone.
    fn wake(&mut self) {
        while let Some(&(prefix, used_on)) = self.resting.front() {
            if used_on >= self.oldest_living {
                break;
            }
            self.resting.pop_front();
            self.free.push_back(prefix);
        }
    }

    /// How many could be taken now.
    pub fn available(&self) -> usize {
        let fresh = self.split.capacity().saturating_sub(self.next);
        self.free
            .len()
            .saturating_add(usize::try_from(fresh).unwrap_or(usize::MAX))
    }
}
