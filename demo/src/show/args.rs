//! The arguments of the demonstration.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Options;

/// What is shown, as it is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many simulated Bitaxes
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=200))]
    miners: u16,
    /// How many blocks OCEAN finds
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    blocks: u16,
    /// Seconds of mining for each block
    #[arg(long, value_name = "S", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Go on until Ctrl-C, so that you can look around and point a device of your own at
    /// the pool: with a block a minute at first, and one in ten minutes after a quarter of
    /// an hour
    #[arg(long)]
    keep_running: bool,
    /// Seconds between two blocks of a demonstration that goes on, instead
    #[arg(long, value_name = "S", requires = "keep_running", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    block_every: Option<u64>,
    /// The address on which the pool listens for miners and browsers: 0.0.0.0 admits other
    /// machines, such as a real Bitaxe
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Hashes per second of all devices together; this machine really computes them
    #[arg(long, value_name = "H", default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    hashrate: u64,
    /// Let each device mine a fixed number of shares for each block, so that the same seed
    /// makes the same keys and the same sats
    #[arg(long, value_name = "N", conflicts_with_all = ["seconds", "keep_running"])]
    seed: Option<u64>,
    /// Keep the pool's data in this new directory; by default they are removed at the end
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Args {
    /// What is to be shown.
    pub(crate) fn options(self) -> Options {
        Options {
            miners: self.miners,
            blocks: self.blocks,
            length: Duration::from_secs(self.seconds),
            keep_running: self.keep_running,
            block_every: self.block_every.map(Duration::from_secs),
            listen: self.listen,
            hashrate: self.hashrate,
            seed: self.seed,
            data_dir: self.data_dir,
        }
    }
}
