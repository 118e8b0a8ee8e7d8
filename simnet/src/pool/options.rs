//! Options of a simulated pool.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bitcoin::hashes::Hash as _;
use bitcoin::{ScriptBuf, WPubkeyHash};

/// When a connection is given its first job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobAfter {
    /// Right after the reply to subscribe, as DATUM does.
    Subscribe,
    /// Right after the first successful authorize, as ckpool does.
    Authorize,
}

/// How the version bits of a submit are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionReading {
    /// BIP310: `(version & ~mask) | bits`.
    Bip310,
    /// ESP-Miner's: `version ^ bits`.
    Xor,
    /// Whichever meets the target.
    Either,
}

/// A vardiff of the pool's own. Changes come with the next job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolVardiff {
    /// What it steers to.
    pub shares_per_minute: f64,
    /// After how many accepted shares it looks again.
    pub every_shares: u32,
    /// It never goes below.
    pub min_difficulty: f64,
}

/// How a simulated pool is set up. The defaults are a small OCEAN on a free port of
/// loopback.
#[derive(Clone, Debug)]
pub struct SimPoolOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The difficulty that every connection starts with; may be far below 1.
    pub difficulty: f64,
    /// Steers each connection's difficulty, if given.
    pub vardiff: Option<PoolVardiff>,
    /// `mining.suggest_difficulty` sets the connection's difficulty. It is recorded in
    /// the books in any case.
    pub honour_suggested: bool,
    /// Bytes of extranonce1, at most 8.
    pub extranonce1_size: usize,
    /// Bytes of extranonce2, at least 2.
    pub extranonce2_size: usize,
    /// What is granted of the version mask asked for; 0 grants nothing.
    pub version_mask: u32,
    /// How version bits are read.
    pub version_reading: VersionReading,
    /// When a connection is given its first job.
    pub job_after: JobAfter,
    /// Time between jobs without clean_jobs; `None`: only on demand.
    pub job_interval: Option<Duration>,
    /// How long a job lives without clean_jobs.
    pub job_max_age: Duration,
    /// A share that meets the network's target makes a new block: the next job is clean
    /// and one higher.
    pub advance_on_block: bool,
    /// Refuse shares of a username that the connection did not authorize.
    pub check_username: bool,
    /// Close connections that have not subscribed by then (DATUM: 15 s).
    pub subscribe_timeout: Duration,
    /// The pool's tag in the coinbase's scriptSig.
    pub tag: String,
    /// Who is paid by the coinbase, in equal parts; the first takes what is left over.
    pub payouts: Vec<ScriptBuf>,
    /// How many accepted shares the books keep one by one; the totals count them all.
    pub share_log: usize,
}

impl Default for SimPoolOptions {
    fn default() -> Self {
        SimPoolOptions {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            difficulty: 0.001,
            vardiff: None,
            honour_suggested: false,
            extranonce1_size: 4,
            extranonce2_size: 8,
            version_mask: 0x1fff_e000,
            version_reading: VersionReading::Either,
            job_after: JobAfter::Subscribe,
            job_interval: Some(Duration::from_secs(30)),
            job_max_age: Duration::from_secs(150),
            advance_on_block: true,
            check_username: true,
            subscribe_timeout: Duration::from_secs(15),
            tag: "< OCEAN.XYZ >".to_owned(),
            payouts: vec![ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(
                [0x0c; 20],
            ))],
            share_log: 100_000,
        }
    }
}
