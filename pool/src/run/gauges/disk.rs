//! Free disk space, and the sizes of the stores.

use std::fs;
use std::path::PathBuf;

use prometheus::{IntGauge, IntGaugeVec, Registry};

use super::{clip, family, gauge};
use crate::data_dir;

/// The disk under the data directory.
#[derive(Debug)]
pub(super) struct Disk {
    data_dir: PathBuf,
    free: IntGauge,
    size: IntGauge,
    stores: IntGaugeVec,
}

impl Disk {
    pub(super) fn register(
        data_dir: PathBuf,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Disk {
            data_dir,
            free: gauge(
                registry,
                "axepool_data_dir_free_bytes",
                "Free bytes of the data directory's file system",
            )?,
            size: gauge(
                registry,
                "axepool_data_dir_size_bytes",
                "The size of the data directory's file system",
            )?,
            stores: family(
                registry,
                "axepool_store_bytes",
                "The size of a store's files",
                &["store"],
            )?,
        })
    }

    /// The free bytes; `None` where they are not known.
    pub(super) fn look(&self) -> Option<u64> {
        let free_bytes = match rustix::fs::statvfs(&self.data_dir) {
            Ok(about) => {
                let bytes = |blocks: u64| blocks.saturating_mul(about.f_frsize);
                self.free.set(clip(bytes(about.f_bavail)));
                self.size.set(clip(bytes(about.f_blocks)));
                Some(bytes(about.f_bavail))
            }
            Err(error) => {
                tracing::warn!(%error, "the room on the disk is not known");
                None
            }
        };
        let mint = data_dir::mint(&self.data_dir);
        let ledger = data_dir::ledger(&self.data_dir);
        // A store that is not there takes nothing.
        let length = |file: PathBuf| fs::metadata(file).map_or(0, |about| about.len());
        let stores = [
            (
                "ledger",
                length(ledger::journal_path(&ledger)).saturating_add(length(ledger)),
            ),
            (
                "mint",
                length(mint.join("mint.sqlite"))
                    .saturating_add(length(mint.join("mint.sqlite-wal"))),
            ),
        ];
        for (store, bytes) in stores {
            self.stores.with_label_values(&[store]).set(clip(bytes));
        }
        free_bytes
    }
}
