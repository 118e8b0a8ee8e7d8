//! The recent history of each device, beyond the ledger's data: its connection and its
//! rejects. Pages and notices use it.
//!
//! Mining knows nothing of it: the sessions' counters are read every few seconds, with
//! the final counts of those that ended. It is for display; work and money are the
//! ledger's.

mod devices;
mod file;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use accounting::MinerId;
use proxy::Proxy;
use tokio_util::sync::CancellationToken;

use basics::clock;
pub use devices::{Device, Online, believed};
use devices::{Devices, Seen};

/// How often the sessions are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// After how many looks it is saved: ten minutes.
const LOOKS_PER_SAVE: u32 = 120;

/// What devices did in the last hour.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    devices: Mutex<Devices>,
}

impl History {
    /// Goes on from the file at `path`. One that cannot be read is begun anew: the last
    /// hour is not worth a stop.
    pub(super) fn open(path: PathBuf) -> Arc<Self> {
        let devices = file::read(&path, clock::now_ms()).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "the devices' last hour cannot be read: it is counted anew");
            Devices::default()
        });
        Arc::new(History {
            path,
            devices: Mutex::new(devices),
        })
    }

    /// A miner's devices that sent anything within the last hour, by name.
    pub fn devices_of(&self, miner: &MinerId) -> Vec<Device> {
        self.lock().of(miner, clock::now_ms())
    }

    /// What all of a miner's devices hash a second, as of the last look: the one number
    /// that the page, the JSON and the metric show.
    pub(crate) fn hashrate_of(&self, miner: &MinerId) -> f64 {
        Device::hashrate_of_all(&self.devices_of(miner))
    }

    /// The pool as of the last look.
    pub fn online(&self) -> Online {
        self.lock().online()
    }

    /// Looks at the sessions until `cancel`, and saves.
    pub(super) async fn run(self: Arc<Self>, proxy: Weak<Proxy>, cancel: CancellationToken) {
        let mut interval = tokio::time::interval(LOOK_INTERVAL);
        let mut looks = 0_u32;
        while cancel.run_until_cancelled(interval.tick()).await.is_some() {
            // A session that ends between the two questions is told of at the next look.
            let ask = |proxy: Arc<Proxy>| (proxy.take_ended(), proxy.status(usize::MAX));
            let Some((ended, status)) = proxy.upgrade().map(ask) else {
                break;
            };
            let ended = ended.into_iter().map(Seen::from);
            let seen = status.downstream.sessions.into_iter().map(Seen::from);
            self.lock().look(ended, seen, clock::now_ms());
            looks = looks.saturating_add(1);
            if looks.is_multiple_of(LOOKS_PER_SAVE) {
                self.save().await;
            }
        }
        self.save().await;
    }

    async fn save(self: &Arc<Self>) {
        let history = Arc::clone(self);
        let saving = tokio::task::spawn_blocking(move || {
            let bytes = file::written(&history.lock())?;
            file::replace(&history.path, &bytes)
        });
        match saving.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(path = %self.path.display(), %error, "the devices' last hour cannot be saved");
            }
            Err(error) => tracing::error!(%error, "saving the devices' last hour ended badly"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Devices> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
