//! Options of a simulated device.

use std::net::IpAddr;
use std::time::Duration;

use super::Misbehaviour;

/// Whose habits it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// Every Bitaxe: configure, subscribe, authorize in one breath.
    EspMiner,
    /// NerdQAxe+: subscribe, configure, authorize in one breath.
    NerdQAxe,
    /// No configure, waits for each reply, the first line must answer subscribe, five
    /// params, nonce without leading zeros, lines of at most 4096 bytes.
    NerdMiner,
    /// cpuminer: no configure, waits for each reply, five params.
    Minerd,
}

impl Firmware {
    /// True if it sends its handshake without waiting for replies.
    pub(crate) fn is_pipelined(self) -> bool {
        matches!(self, Firmware::EspMiner | Firmware::NerdQAxe)
    }

    /// True if it can roll the version.
    pub(crate) fn rolls_version(self) -> bool {
        self.is_pipelined()
    }
}

/// What is typed into the device's form for one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolAddress {
    /// `host:port`.
    pub target: String,
    /// The stratum username.
    pub username: String,
    /// The password; `x` by custom.
    pub password: String,
}

impl PoolAddress {
    /// With the customary password.
    pub fn new(target: impl Into<String>, username: impl Into<String>) -> PoolAddress {
        PoolAddress {
            target: target.into(),
            username: username.into(),
            password: "x".to_owned(),
        }
    }
}

/// The firmware's times. The defaults are ESP-Miner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// The wait after a connection failed or was lost.
    pub reconnect_delay: Duration,
    /// The wait after `client.reconnect`.
    pub asked_reconnect_delay: Duration,
    /// So many failed connections in a row change the pool.
    pub max_failures: u32,
    /// How often the primary is probed from the fallback.
    pub probe_interval: Duration,
    /// How long the one read of a probe waits.
    pub probe_read_timeout: Duration,
    /// What ESP-Miner v2.15 does twice after it is given an extranonce1: the first half
    /// second, so that a share found there is submitted twice. None by default: most tests
    /// count shares.
    pub doubled: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            connect_timeout: Duration::from_secs(5),
            reconnect_delay: Duration::from_secs(5),
            asked_reconnect_delay: Duration::from_secs(1),
            max_failures: 3,
            probe_interval: Duration::from_secs(60),
            probe_read_timeout: Duration::from_secs(5),
            doubled: Duration::ZERO,
        }
    }
}

impl Timing {
    /// For tests: the same habits, a hundred times faster.
    pub fn fast() -> Timing {
        Timing {
            connect_timeout: Duration::from_secs(2),
            reconnect_delay: Duration::from_millis(50),
            asked_reconnect_delay: Duration::from_millis(10),
            max_failures: 3,
            probe_interval: Duration::from_millis(300),
            probe_read_timeout: Duration::from_secs(2),
            doubled: Duration::ZERO,
        }
    }
}

/// How a simulated device is set up.
#[derive(Clone, Debug)]
pub struct SimBitaxeOptions {
    /// The primary pool.
    pub primary: PoolAddress,
    /// The fallback pool, if one is set.
    pub fallback: Option<PoolAddress>,
    /// Whose habits it has.
    pub firmware: Firmware,
    /// The user agent at subscribe.
    pub user_agent: String,
    /// Hashes a second; 0 looks at jobs without working on them.
    pub hashrate: f64,
    /// What it suggests after authorize, if anything. ESP-Miner suggests 1000.
    pub suggest_difficulty: Option<f64>,
    /// It asks for `mining.set_extranonce`.
    pub extranonce_subscribe: bool,
    /// The address it connects from.
    pub local_address: Option<IpAddr>,
    /// Where its nonces begin follows from it; the same seed does the same work.
    pub seed: u64,
    /// Its firmware's times.
    pub timing: Timing,
    /// It rests after so many accepted shares until it is told to go on
    /// ([`SimBitaxe::allow_shares`](super::SimBitaxe::allow_shares)); `None`: never.
    pub stop_after_shares: Option<u64>,
    /// What it does wrong.
    pub misbehaviours: Vec<Misbehaviour>,
    /// How many accepted shares the stats keep one by one; the totals count them all.
    pub share_log: usize,
}

/// As many pools are in the list of ESP-Miner v2.15, of which one is the primary and
/// another may be the fallback.
pub const MAX_POOLS: usize = 8;

impl SimBitaxeOptions {
    /// A Bitaxe with a list of pools, as v2.15 has it. `None` where the list is too long, or
    /// a number is not of the list.
    pub fn of_list(
        pools: &[PoolAddress],
        primary: usize,
        fallback: Option<usize>,
        hashrate: f64,
    ) -> Option<SimBitaxeOptions> {
        if pools.len() > MAX_POOLS {
            return None;
        }
        let mut options = SimBitaxeOptions::new(pools.get(primary)?.clone(), hashrate);
        if let Some(fallback) = fallback {
            options.fallback = Some(pools.get(fallback)?.clone());
        }
        Some(options)
    }

    /// A Bitaxe that does nothing wrong.
    pub fn new(primary: PoolAddress, hashrate: f64) -> SimBitaxeOptions {
        SimBitaxeOptions {
            primary,
            fallback: None,
            firmware: Firmware::EspMiner,
            user_agent: "bitaxe/BM1370/v2.15.0".to_owned(),
            hashrate,
            suggest_difficulty: None,
            extranonce_subscribe: false,
            local_address: None,
            seed: 0,
            timing: Timing::default(),
            stop_after_shares: None,
            misbehaviours: Vec::new(),
            share_log: 100_000,
        }
    }
}
