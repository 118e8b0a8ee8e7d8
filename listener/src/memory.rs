//! Memory for bodies that are on their way: bytes are counted as they come, not as they
//! are announced, so that holding much takes sending much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::household::Household;

/// All bodies together.
const MOST: usize = 64 << 20;

/// Those of one household: four of the longest.
const MOST_PER_HOUSEHOLD: usize = 4 << 20;

/// What bodies have of the memory; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyMemory(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    by_household: HashMap<Household, usize>,
    all: usize,
}

impl BodyMemory {
    /// Nothing yet, for a body of `household`.
    pub(super) fn of(&self, household: Household) -> BodyBytes {
        BodyBytes {
            memory: self.clone(),
            household,
            bytes: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body has; dropping it gives it back.
#[derive(Debug)]
pub(super) struct BodyBytes {
    memory: BodyMemory,
    household: Household,
    bytes: usize,
}

impl BodyBytes {
    /// `more` bytes more; false when there is no memory for them.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let mut held = self.memory.lock();
        let all = held.all.saturating_add(more);
        let own = held.by_household.get(&self.household).copied();
        let own = own.unwrap_or(0).saturating_add(more);
        if all > MOST || own > MOST_PER_HOUSEHOLD {
            return false;
        }
        held.all = all;
        if own > 0 {
            held.by_household.insert(self.household, own);
        }
        self.bytes = self.bytes.saturating_add(more);
        true
    }
}

impl Drop for BodyBytes {
    fn drop(&mut self) {
        let mut held = self.memory.lock();
        held.all = held.all.saturating_sub(self.bytes);
        if let Some(own) = held.by_household.get_mut(&self.household) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                held.by_household.remove(&self.household);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_and_all_have_so_much_and_give_it_back() {
        let memory = BodyMemory::default();
        let home = |last: u8| Household::of(std::net::IpAddr::from([192, 0, 2, last]));
        let mut one = memory.of(home(1));
        assert!(one.grow(MOST_PER_HOUSEHOLD));
        assert!(!one.grow(1));
        assert!(!memory.of(home(1)).grow(1), "another body of the same");
        let households = u8::try_from(MOST / MOST_PER_HOUSEHOLD).expect("few");
        let mut others: Vec<_> = (2..=households).map(|last| memory.of(home(last))).collect();
        assert!(others.iter_mut().all(|body| body.grow(MOST_PER_HOUSEHOLD)));
        assert!(!memory.of(home(200)).grow(1), "all of it is taken");
        drop(one);
        assert!(memory.of(home(200)).grow(1));
        drop(others);
        let held = memory.lock();
        assert!(held.by_household.is_empty() && held.all == 0);
    }
}
