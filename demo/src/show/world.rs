//! What the demonstration's pool stands in: a simulated OCEAN with its chain and simulated
//! Bitaxes, on threads of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use accounting::MinerId;
use anyhow::{Context, Result};
use simnet::bitaxe::{BitaxeStats, PoolAddress, SimBitaxe, SimBitaxeOptions};
use simnet::keys::SimKey;
use simnet::ocean::{Ocean, OceanLightning, OceanOptions, Steer};
use tokio::runtime::{Builder, Runtime};

use super::{Options, setup};

/// What each device is steered to, and how much harder the upstream's shares are than a
/// device's first ones, where all mine freely: often, so that some seconds tell something.
/// With a seed both are alike, which keeps every difficulty where it is.
const QUICK: (u32, f64) = (600, 20.0);

/// The same where it goes on, and real devices may come. The chip of a Bitaxe reports
/// nothing below difficulty 256, which at 1 TH/s is 55 shares a minute at the most: steered
/// to more its difficulty would fall and fall.
const LASTING: (u32, f64) = (20, 4.0);

/// What OCEAN steers to where it goes on: a Bitaxe of half a TH/s is measured right then.
const UPSTREAM_PER_MINUTE: f64 = 30.0;

/// What a block weighs while none is asked for: with a hundred TH/s it takes a year.
const NETWORK_DIFFICULTY: f64 = 1e12;

/// Where the chain begins: on regtest a block brings 610,351 satoshis from here on, the
/// whole of which fits into one payment over the channel.
const START_HEIGHT: u32 = 1950;

/// OCEAN's window, in epochs of the pool's work: the first payout brings a quarter of a
/// block, and from the fourth on it is the whole.
const WINDOW_EPOCHS: u128 = 4;

/// How many blocks after its own OCEAN pays.
pub(super) const PAYOUT_DEPTH: u32 = 3;

/// What the smallest device mines in an epoch with a seed; device `n` mines `n` times
/// as many shares.
const SHARES_AN_EPOCH: u64 = 8;

/// Of the devices' keys where no seed is given: none that `axepool sim miners` takes by
/// itself, which may come as a guest.
const OWN_SEED: u64 = 0x6465_6d6f;

/// A simulated device and whose it is.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) miner: MinerId,
    pub(super) key: SimKey,
    pub(super) npub: String,
    pub(super) worker: String,
    /// Hashes a second.
    pub(super) hashrate: f64,
    /// Shares an epoch with a seed.
    pub(super) quota: u64,
    pub(super) bitaxe: Option<SimBitaxe>,
}

/// All that is simulated.
pub(super) struct World {
    // Before the runtime: handles are dropped before what they run on.
    pub(super) devices: std::sync::OnceLock<Vec<Device>>,
    pub(super) ocean: Ocean,
    pub(super) start_difficulty: f64,
    pub(super) min_difficulty: f64,
    pub(super) shares_per_minute: u32,
    pub(super) is_seeded: bool,
    runtime: Runtime,
}

impl World {
    /// Starts the simulated OCEAN; there are no devices yet.
    pub(super) fn start(options: &Options, dir: &Path) -> Result<World> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("simulated")
            .enable_all()
            .build();
        let runtime = runtime.context("the simulation's threads cannot be started")?;
        let mean = options.hashrate as f64 / f64::from(options.miners);
        let (shares_per_minute, upstream_factor) = pace(options);
        let start_difficulty = mean * 60.0 / f64::from(shares_per_minute) / 4_294_967_296.0;
        let is_seeded = options.seed.is_some();
        let (difficulty, min_difficulty) = if is_seeded {
            (start_difficulty, start_difficulty)
        } else {
            (start_difficulty * upstream_factor, 1e-9)
        };
        let mut ocean = OceanOptions::default();
        ocean.pool.difficulty = difficulty;
        ocean.network_difficulty = NETWORK_DIFFICULTY;
        ocean.steer = options.keep_running.then_some(Steer {
            shares_per_minute: UPSTREAM_PER_MINUTE,
        });
        ocean.start_height = START_HEIGHT;
        ocean.window = Some(WINDOW_EPOCHS * work_an_epoch(options));
        ocean.pool.job_interval = Some(Duration::from_secs(10));
        ocean.payout_depth = PAYOUT_DEPTH;
        ocean.lightning = Some(OceanLightning::new(
            dir.join("ocean"),
            setup::free_address()?,
        ));
        let ocean = runtime
            .block_on(Ocean::start(ocean))
            .context("the simulated OCEAN did not start")?;
        Ok(World {
            devices: std::sync::OnceLock::new(),
            ocean,
            start_difficulty,
            min_difficulty,
            shares_per_minute,
            is_seeded,
            runtime,
        })
    }

    /// Makes the devices, points them at `target` and switches them on.
    pub(super) fn switch_on(&self, target: SocketAddr, options: &Options) -> Result<()> {
        let _inside = self.runtime.enter();
        let mut devices = Vec::new();
        for number in 1..=options.miners {
            let mut device = device(options, number)?;
            let username = format!("{}.{}", device.npub, device.worker);
            let pool = PoolAddress::new(target.to_string(), username);
            let mut setup = SimBitaxeOptions::new(pool, device.hashrate);
            let seed = options.seed.unwrap_or(OWN_SEED);
            setup.seed = seed
                .wrapping_mul(1_000_003)
                .wrapping_add(u64::from(number) - 1);
            setup.share_log = 0;
            setup.stop_after_shares = self.is_seeded.then_some(0);
            device.bitaxe = Some(SimBitaxe::start(setup));
            devices.push(device);
        }
        self.devices
            .set(devices)
            .map_err(|_| anyhow::anyhow!("the devices are on already"))
    }

    /// The devices, once they are on.
    pub(super) fn devices(&self) -> &[Device] {
        self.devices.get().map_or(&[], Vec::as_slice)
    }

    /// With a seed: every device mines its shares of one epoch and rests.
    pub(super) async fn mine_quotas(&self, patience: Duration) -> Result<()> {
        for device in self.devices() {
            if let Some(bitaxe) = &device.bitaxe {
                bitaxe.allow_shares(device.quota);
            }
        }
        for device in self.devices() {
            if let Some(bitaxe) = &device.bitaxe {
                bitaxe.wait_until_done(patience).await?;
            }
        }
        Ok(())
    }

    /// OCEAN finds a block by one of the devices; its height.
    pub(super) async fn find_block(&self, patience: Duration) -> Result<u32> {
        let finding = self.ocean.find_block(patience);
        let found = if self.is_seeded {
            // One share more, by the same device each time: the block.
            let first = self.devices().first();
            let allowing = async {
                if let Some(bitaxe) = first.and_then(|device| device.bitaxe.as_ref()) {
                    bitaxe.allow_block();
                }
            };
            tokio::join!(finding, allowing).0
        } else {
            finding.await
        };
        Ok(found.context("no device found a block")?.height)
    }

    /// Stops the hashing and waits until every share is answered.
    pub(super) async fn drain(&self, timeout: Duration) -> Result<Vec<BitaxeStats>> {
        let devices = self.devices().iter();
        let devices = devices.filter_map(|device| device.bitaxe.as_ref());
        // All at once first, so that each one's wait begins now.
        devices.clone().for_each(|bitaxe| bitaxe.set_hashrate(0.0));
        let mut stats = Vec::with_capacity(self.devices().len());
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

    /// Ends it all.
    pub(super) fn stop(self) -> Result<()> {
        let World {
            devices,
            ocean,
            runtime,
            ..
        } = self;
        drop(devices);
        let stopped = runtime.block_on(ocean.stop());
        runtime.shutdown_background();
        stopped
    }
}

/// What devices are steered to, and how much harder the upstream's shares are.
const fn pace(options: &Options) -> (u32, f64) {
    if options.keep_running { LASTING } else { QUICK }
}

/// The work that an epoch is expected to have, in hashes.
fn work_an_epoch(options: &Options) -> u128 {
    let (hashrate, devices) = (u128::from(options.hashrate), u128::from(options.miners));
    if options.seed.is_none() {
        return (hashrate * options.length.as_millis() / 1000).max(1);
    }
    let shares = u128::from(SHARES_AN_EPOCH) * devices * (devices + 1) / 2;
    let hashes_a_share = hashrate * 60 / u128::from(pace(options).0) / devices;
    (shares * hashes_a_share).max(1)
}

/// Device `number` of n has `number` parts of the hashrate: each one differs.
fn device(options: &Options, number: u16) -> Result<Device> {
    let key = SimKey::derive(options.seed.unwrap_or(OWN_SEED), u64::from(number));
    let parts = f64::from(options.miners) * (f64::from(options.miners) + 1.0) / 2.0;
    Ok(Device {
        miner: key.npub.parse().context("a simulated key is none")?,
        npub: key.npub.clone(),
        key,
        worker: format!("bitaxe-{number}"),
        hashrate: options.hashrate as f64 * f64::from(number) / parts,
        quota: u64::from(number) * SHARES_AN_EPOCH,
        bitaxe: None,
    })
}
