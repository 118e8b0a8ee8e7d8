//! The room that is left on the data directory's disk, in words, before a share fails.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use basics::humane;

/// Below this a person should make room; the alert on the metric has the same bound.
const LOW_BYTES: u64 = 2_000_000_000;

/// The free bytes, as they were seen last.
#[derive(Debug)]
pub(super) struct Room(AtomicU64);

impl Default for Room {
    /// Enough, until somebody has looked.
    fn default() -> Self {
        Room(AtomicU64::new(u64::MAX))
    }
}

impl Room {
    /// So many bytes are free now.
    pub(super) fn is(&self, free_bytes: u64) {
        self.0.store(free_bytes, Ordering::Relaxed);
    }

    /// That the disk under `data_dir` is nearly full.
    pub(super) fn trouble(&self, data_dir: &Path) -> Option<String> {
        let free = self.0.load(Ordering::Relaxed);
        (free < LOW_BYTES).then(|| {
            format!(
                "THE DISK IS NEARLY FULL: {} MB are left for {}, and with a full disk no share is \
                 stored. Delete what is not the pool's",
                humane::count(free / 1_000_000),
                data_dir.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_told_of() {
        let (room, dir) = (Room::default(), Path::new("/data"));
        assert_eq!(room.trouble(dir), None);
        room.is(LOW_BYTES);
        assert_eq!(room.trouble(dir), None);
        room.is(LOW_BYTES - 1);
        let told = room.trouble(dir).expect("told");
        assert!(told.contains("1,999 MB are left for /data"), "{told}");
    }
}
