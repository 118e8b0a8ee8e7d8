//! The device between its two pools: connecting, giving up, coming home.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::quota::Quota;
use super::session::{self, Ended};
use super::{BitaxeStats, Firmware, Misbehaviour, PoolAddress, PoolSide, SimBitaxeOptions, probe};
use crate::net;
use crate::watched::Watched;

/// What the device's tasks and its handle share.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) options: SimBitaxeOptions,
    pub(crate) stats: Watched<BitaxeStats>,
    pub(crate) cancel: CancellationToken,
    pub(crate) stopped: CancellationToken,
    /// The bits of an `f64`.
    hashrate: AtomicU64,
    misbehaviours: Mutex<Arc<[Misbehaviour]>>,
    quota: Mutex<Quota>,
}

impl Device {
    pub(crate) fn new(options: SimBitaxeOptions) -> Device {
        Device {
            stats: Watched::new(BitaxeStats::default()),
            cancel: CancellationToken::new(),
            stopped: CancellationToken::new(),
            hashrate: AtomicU64::new(options.hashrate.to_bits()),
            quota: Mutex::new(Quota {
                shares: options.stop_after_shares,
                blocks_only: false,
            }),
            misbehaviours: Mutex::new(options.misbehaviours.clone().into()),
            options,
        }
    }

    pub(crate) fn hashrate(&self) -> f64 {
        f64::from_bits(self.hashrate.load(Ordering::Relaxed))
    }

    pub(crate) fn set_hashrate(&self, hashrate: f64) {
        self.hashrate.store(hashrate.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn misbehaviours(&self) -> Arc<[Misbehaviour]> {
        Arc::clone(
            &self
                .misbehaviours
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(crate) fn set_misbehaviours(&self, wrongs: Vec<Misbehaviour>) {
        *self
            .misbehaviours
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = wrongs.into();
    }

    pub(crate) fn quota(&self) -> Quota {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn extend_quota(&self, more: u64, blocks_only: bool) {
        self.stats.read(|stats| {
            self.quota
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(more, stats, blocks_only);
        });
    }

    pub(crate) fn lift_quota(&self) {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = Quota {
            shares: None,
            blocks_only: false,
        };
    }

    fn pool(&self, side: PoolSide) -> &PoolAddress {
        match (side, &self.options.fallback) {
            (PoolSide::Fallback, Some(fallback)) => fallback,
            _ => &self.options.primary,
        }
    }
}

/// Runs the device until it is switched off.
pub(crate) async fn run(device: Arc<Device>) {
    let _stopped = device.stopped.clone().drop_guard();
    let mut side = PoolSide::Primary;
    let mut failures = 0;
    loop {
        if failures >= device.options.timing.max_failures {
            failures = 0;
            side = change_side(&device, side);
        }
        let ended = match connect(&device, side).await {
            Ok(Some(stream)) => {
                let (ended, authorize_answered) = mine(&device, side, stream).await;
                if authorize_answered {
                    failures = 0;
                }
                ended
            }
            Ok(None) => Ended::Stopped,
            Err(error) => {
                tracing::debug!(%error, target = device.pool(side).target, "no connection");
                Ended::Lost
            }
        };
        let timing = &device.options.timing;
        let wait = match ended {
            Ended::Stopped => return,
            Ended::GoHome => {
                failures = 0;
                side = change_side(&device, side);
                Duration::ZERO
            }
            Ended::AskedToReconnect => timing.asked_reconnect_delay,
            Ended::Lost => {
                failures += 1;
                device.stats.update(|stats| stats.failures += 1);
                timing.reconnect_delay
            }
        };
        tokio::select! {
            () = device.cancel.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The other side, if there is one.
fn change_side(device: &Device, side: PoolSide) -> PoolSide {
    if device.options.fallback.is_none() {
        return side;
    }
    let other = match side {
        PoolSide::Primary => PoolSide::Fallback,
        PoolSide::Fallback => PoolSide::Primary,
    };
    device.stats.update(|stats| {
        stats.side = other;
        stats.switches += 1;
    });
    other
}

/// `None` if the device is switched off meanwhile.
async fn connect(device: &Device, side: PoolSide) -> std::io::Result<Option<TcpStream>> {
    let connecting = net::connect(&device.pool(side).target, device.options.local_address);
    tokio::select! {
        () = device.cancel.cancelled() => Ok(None),
        connected = tokio::time::timeout(device.options.timing.connect_timeout, connecting) => {
            connected.map_err(|_| std::io::ErrorKind::TimedOut)?.map(Some)
        }
    }
}

async fn mine(device: &Arc<Device>, side: PoolSide, stream: TcpStream) -> (Ended, bool) {
    device.stats.update(|stats| {
        stats.connected = true;
        stats.connections += 1;
    });
    let home = CancellationToken::new();
    let probes = matches!(
        device.options.firmware,
        Firmware::EspMiner | Firmware::NerdQAxe
    );
    let _prober = (side == PoolSide::Fallback && probes).then(|| {
        AbortOnDropHandle::new(tokio::spawn(keep_probing(Arc::clone(device), home.clone())))
    });
    session::run(device, device.pool(side), side, stream, &home).await
}

/// Probes the primary until it is back.
async fn keep_probing(device: Arc<Device>, home: CancellationToken) {
    let options = &device.options;
    loop {
        tokio::time::sleep(options.timing.probe_interval).await;
        let is_back = probe::is_back(
            &options.primary,
            &options.user_agent,
            options.local_address,
            &options.timing,
        )
        .await;
        device.stats.update(|stats| {
            stats.probes += 1;
            stats.good_probes += u64::from(is_back);
        });
        if is_back {
            home.cancel();
            return;
        }
    }
}
