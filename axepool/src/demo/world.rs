//! What the demonstration's pool stands in: a simulated OCEAN and simulated Bitaxes,
//! on threads of their own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use ledger::MinerId;
use simnet::bitaxe::{BitaxeStats, PoolAddress, SimBitaxe, SimBitaxeOptions};
use simnet::keys::SimKey;
use simnet::pool::{SimPool, SimPoolHandle, SimPoolOptions};
use tokio::runtime::{Builder, Runtime};

use super::Options;

/// Whom the simulated OCEAN would pay: a regtest address, of BIP173's example key.
pub(super) const ADDRESS: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// What each device is steered to: often, so that 45 seconds tell something.
pub(super) const SHARES_PER_MINUTE: u32 = 600;

/// How much harder the upstream's shares are than a device's first ones: so many
/// devices of the mean hashrate would find one upstream-grade share in a tenth of a
/// second.
const UPSTREAM_FACTOR: f64 = 20.0;

/// A simulated device and whose it is.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) miner: MinerId,
    pub(super) npub: String,
    pub(super) worker: String,
    /// Hashes a second.
    pub(super) hashrate: f64,
    pub(super) bitaxe: Option<SimBitaxe>,
}

/// All that is simulated.
#[derive(Debug)]
pub(super) struct World {
    // Before the runtime: handles are dropped before what they run on.
    pub(super) devices: Vec<Device>,
    pub(super) ocean: SimPoolHandle,
    pub(super) start_difficulty: f64,
    runtime: Runtime,
}

impl World {
    /// Starts the simulated OCEAN; the devices are still off.
    pub(super) fn start(options: &Options) -> Result<World> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("simulated")
            .enable_all()
            .build();
        let runtime = runtime.context("the simulation's threads cannot be started")?;
        let mean = options.hashrate as f64 / f64::from(options.miners);
        let start_difficulty = mean * 60.0 / f64::from(SHARES_PER_MINUTE) / 4_294_967_296.0;
        let ocean = SimPoolOptions {
            difficulty: start_difficulty * UPSTREAM_FACTOR,
            job_interval: Some(Duration::from_secs(10)),
            ..SimPoolOptions::default()
        };
        let ocean = runtime
            .block_on(SimPool::start(ocean))
            .context("the simulated OCEAN did not start")?;
        let devices = (1..=options.miners)
            .map(|number| device(options, number))
            .collect::<Result<_>>()?;
        Ok(World {
            devices,
            ocean,
            start_difficulty,
            runtime,
        })
    }

    /// Points the devices at `target` and switches them on.
    pub(super) fn switch_on(mut self, target: SocketAddr, options: &Options) -> World {
        let _inside = self.runtime.enter();
        for (index, device) in self.devices.iter_mut().enumerate() {
            let username = format!("{}.{}", device.npub, device.worker);
            let pool = PoolAddress::new(target.to_string(), username);
            let mut setup = SimBitaxeOptions::new(pool, device.hashrate);
            setup.seed = options
                .seed
                .wrapping_mul(1_000_003)
                .wrapping_add(index as u64);
            setup.share_log = 0;
            device.bitaxe = Some(SimBitaxe::start(setup));
        }
        self
    }

    /// Stops the hashing and waits until every share is answered.
    pub(super) async fn drain(&self, timeout: Duration) -> Result<Vec<BitaxeStats>> {
        let devices = self
            .devices
            .iter()
            .filter_map(|device| device.bitaxe.as_ref());
        // All at once first, so that each one's wait begins now.
        devices.clone().for_each(|bitaxe| bitaxe.set_hashrate(0.0));
        let mut stats = Vec::with_capacity(self.devices.len());
        for bitaxe in devices {
            stats.push(
                bitaxe
                    .drain(timeout)
                    .await
                    .context("a device waits for answers to its shares")?,
            );
        }
        Ok(stats)
    }
}

/// Device `number` of n has `number` parts of the hashrate: each one differs.
fn device(options: &Options, number: u16) -> Result<Device> {
    let key = SimKey::derive(options.seed, u64::from(number));
    let parts = f64::from(options.miners) * (f64::from(options.miners) + 1.0) / 2.0;
    Ok(Device {
        miner: key.npub.parse().context("a simulated key is none")?,
        npub: key.npub,
        worker: format!("bitaxe-{number}"),
        hashrate: options.hashrate as f64 * f64::from(number) / parts,
        bitaxe: None,
    })
}
