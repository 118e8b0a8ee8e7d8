//! Packing goes on between shares, a slice at a time.

use std::time::{Duration, Instant};

use crate::store::{PackFrom, write_packing};
use crate::writer::Writer;

/// A slice takes one part in so many of the time, at most.
const PAUSE_PER_SLICE: u32 = 8;

/// What is still to be packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing {
    from: PackFrom,
    at: Instant,
}

impl Packing {
    /// From the beginning, after a while: what is packed already is passed over.
    pub(super) fn all(pause: Duration) -> Self {
        Packing {
            from: PackFrom::default(),
            at: Instant::now() + pause,
        }
    }

    /// When the next slice is due.
    pub(super) fn at(&self) -> Instant {
        self.at
    }
}

impl Writer {
    /// Whether the next slice has waited long enough.
    pub(super) fn packing_is_due(&self) -> bool {
        self.packing
            .is_some_and(|packing| packing.at <= Instant::now())
    }

    /// There are new rows to pack: it begins again, as soon as it would go on.
    pub(super) fn pack_anew(&mut self) {
        let all = Packing::all(self.pack_interval);
        let at = self.packing.map_or(all.at, |packing| packing.at);
        self.packing = Some(Packing { at, ..all });
        self.show_old_rows();
    }

    pub(super) fn show_old_rows(&self) {
        let waits = self.packing.is_some() || self.shared.state().prunes_on();
        self.metrics.old_rows_wait.set(waits.into());
    }

    /// Packs the next slice, if there is anything to pack. After a failure it begins
    /// again: what was packed stays so.
    pub(crate) fn pack(&mut self) {
        let Some(packing) = self.packing else {
            return;
        };
        let begun = Instant::now();
        let (from, room) = (packing.from, self.pack_rows);
        let written = self
            .shared
            .with_database(|database| write_packing(database, from, room));
        match written {
            Ok(next) => {
                let took = begun.elapsed();
                self.metrics.packing_seconds.observe(took.as_secs_f64());
                let pause = took.saturating_mul(PAUSE_PER_SLICE);
                let at = Instant::now() + pause.max(self.pack_interval);
                self.packing = next.map(|from| Packing { from, at });
                self.show_old_rows();
            }
            Err(error) => {
                self.packing = Some(Packing::all(self.pack_interval));
                self.packing_failed(error);
            }
        }
    }
}
