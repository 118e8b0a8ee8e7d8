//! What load, and on whom.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// What the miners do once they are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadMode {
    /// Each keeps one valid share in flight.
    Shares,
    /// They hold their connections, and that is all.
    Idle,
    /// They wait for jobs: the time from the first to the last who is told of each.
    Notify,
}

/// How a key is written as a username.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyForm {
    /// NIP-19, 63 characters.
    Npub,
    /// Compressed, 66 hex digits.
    Hex,
}

/// What load, and on whom. Plain values: a command line is the binary's.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The server, `host:port`. Loopback, unless [`LoadOptions::allow_remote`].
    pub target: String,
    /// With TLS, trusting the certificates of this PEM file alone.
    pub tls: Option<PathBuf>,
    /// Allows a target that is not this machine: only for servers of one's own.
    pub allow_remote: bool,
    /// What the miners do.
    pub mode: LoadMode,
    /// How many miners.
    pub connections: usize,
    /// How long is measured, from when all miners are there.
    pub duration: Duration,
    /// Stops as soon as so many shares have been accepted.
    pub max_shares: Option<u64>,
    /// How long the miners may take to connect and to get their first job.
    pub ramp_timeout: Duration,
    /// How many may be connecting at once.
    pub connecting_at_once: usize,
    /// Miners that share a local address, 127.0.0.1 and up: servers limit the
    /// connections of one address. Only for a loopback target of IPv4.
    pub connections_per_address: usize,
    /// The miners' keys follow from it, each its own.
    pub seed: u64,
    /// How the keys are written.
    pub key_form: KeyForm,
    /// What the miners suggest as their difficulty, if anything.
    pub suggest_difficulty: Option<f64>,
    /// Gives up if a share takes more expected hashes: then the hashing would be
    /// measured, not the server.
    pub max_work_per_share: u64,
    /// The server's process, if it is on this machine, to see what it uses.
    pub pid: Option<u32>,
}

impl LoadOptions {
    /// With defaults for the rest: ten seconds, a hundred miners on an address.
    pub fn new(target: impl Into<String>, mode: LoadMode, connections: usize) -> LoadOptions {
        LoadOptions {
            target: target.into(),
            tls: None,
            allow_remote: false,
            mode,
            connections,
            duration: Duration::from_secs(10),
            max_shares: None,
            ramp_timeout: Duration::from_secs(60),
            connecting_at_once: 64,
            connections_per_address: 100,
            seed: 1,
            key_form: KeyForm::Npub,
            suggest_difficulty: None,
            max_work_per_share: 1_000_000,
            pid: None,
        }
    }

    /// The address that miner number `index` connects from.
    pub(crate) fn local_address(&self, index: usize, target: IpAddr) -> Option<IpAddr> {
        if !target.is_loopback() || target.is_ipv6() {
            return None;
        }
        // All of 127.0.0.0/8 is this machine; past its end it begins anew.
        let which = index / self.connections_per_address.max(1) % 0x00ff_fff0;
        let offset = u32::try_from(which).expect("below 2^24");
        let first = u32::from(Ipv4Addr::LOCALHOST);
        Some(Ipv4Addr::from(first + offset).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn miners_spread_over_addresses() {
        #[track_caller]
        fn case(index: usize, target: &str, expected: Option<&str>) {
            let options = LoadOptions::new("", LoadMode::Idle, 1);
            let address = options.local_address(index, target.parse().unwrap());
            assert_eq!(address, expected.map(|text| text.parse().unwrap()));
        }
        case(0, "127.0.0.1", Some("127.0.0.1"));
        case(99, "127.0.0.1", Some("127.0.0.1"));
        case(100, "127.0.0.1", Some("127.0.0.2"));
        case(30_000, "127.0.0.1", Some("127.0.1.45"));
        case(100, "::1", None);
        case(100, "10.1.2.3", None);
    }
}
