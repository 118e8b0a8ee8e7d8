//! `[ledger]`: how shares go to the disk.

use std::time::Duration;

use super::reader::Section;

/// The settings of the accounting's store.
#[derive(Clone, Copy, Debug)]
pub struct LedgerConfig {
    /// How long a few shares wait for more of them, so that one write takes all.
    pub commit_window: Duration,
}

pub(super) fn read(section: &mut Section<'_>) -> LedgerConfig {
    // An owner's device waits that long for its answer, and a kill loses as much of what was
    // not answered: two seconds are the most.
    let default = Duration::from_millis(100);
    LedgerConfig {
        commit_window: section.millis("commit_window_ms", default, 20..=2_000),
    }
}
