//! The proxy's configuration. Plain values: the binary reads and checks the config file.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::Difficulty;

/// The pool's side.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// In order of preference. The next is used when the one before is unhealthy, and
    /// left again when it is healthy.
    pub urls: Vec<UpstreamUrl>,
    /// The username at the upstream: `<address>.<worker>` for OCEAN. The only one that
    /// is ever sent.
    pub username: String,
    /// The password at the upstream; pools ignore it, `x` by custom.
    pub password: String,
    /// The user agent at the upstream. Neutral: DATUM picks its coinbase's size by it.
    pub user_agent: String,
    /// The difficulty suggested to the upstream, if any.
    pub suggest_difficulty: Option<Difficulty>,
    /// Whether `client.reconnect` may name another host.
    pub allow_reconnect_elsewhere: bool,
    /// How long a job lives without clean_jobs (DATUM: 120 s and its work interval).
    pub job_max_age: Duration,
    /// Reconnect when no job has come for so long.
    pub no_job_timeout: Duration,
    /// How long a connection may take until its first job.
    pub connect_timeout: Duration,
    /// The first wait before a reconnect; doubled, with jitter, up to `backoff_max`.
    pub backoff_min: Duration,
    /// The longest wait before a reconnect.
    pub backoff_max: Duration,
    /// How often a preferred URL is tried while a later one is in use.
    pub failback_interval: Duration,
    /// How many upstream connections there may be: each has room for as many miners as
    /// its extranonce2 has prefixes.
    pub max_lanes: usize,
    /// Certificate authorities, PEM, that are trusted for `stratum+ssl` besides the
    /// system's: for a pool of one's own behind a private one. Read at the start.
    pub extra_ca: Option<PathBuf>,
    /// When an upstream that refuses shares is left.
    pub refusals: RefusalLimits,
}

/// An upstream refuses now and then; one that takes nothing any more is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalLimits {
    /// So many refused shares in a row, none taken between, end a connection.
    pub in_a_row: u32,
    /// If the first and the last of them are so far apart: a burst around a new block, or
    /// while a server restarts, is none.
    pub lasting: Duration,
}

impl RefusalLimits {
    pub(crate) fn lasting_ms(&self) -> u64 {
        u64::try_from(self.lasting.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for RefusalLimits {
    fn default() -> Self {
        RefusalLimits {
            in_a_row: 20,
            lasting: Duration::from_secs(15),
        }
    }
}

/// Where an upstream is: `stratum+tcp://host:port`, or `stratum+ssl://host:port` (also
/// `stratum+tls`) with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// A host name or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// TLS, checked against the system's certificate authorities and
    /// [`UpstreamConfig::extra_ca`].
    pub tls: bool,
}

/// A text that names no upstream.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UpstreamUrlError {
    /// A user or a password, which is not repeated here.
    #[error(
        "an upstream's URL has no user or password: give them as upstream.address, worker and \
         password"
    )]
    Credentials,
    /// Another scheme, or none.
    #[error("{0:?} does not begin with stratum+tcp:// or stratum+ssl://")]
    Scheme(String),
    /// No host, or one with characters that no host has.
    #[error("{0:?} has no valid host")]
    Host(String),
    /// No port, or one that is not from 1 to 65535.
    #[error("{0:?} has no valid port: write one after the host, as in :3334")]
    Port(String),
}

/// Reads `stratum+tcp://host:port`; an IPv6 address stands in brackets. Nothing comes
/// after the port but perhaps one slash.
impl FromStr for UpstreamUrl {
    type Err = UpstreamUrlError;

    fn from_str(text: &str) -> Result<Self, UpstreamUrlError> {
        if text.contains('@') {
            return Err(UpstreamUrlError::Credentials);
        }
        let given = || text.to_owned();
        let (scheme, rest) = text
            .trim()
            .split_once("://")
            .ok_or_else(|| UpstreamUrlError::Scheme(given()))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "stratum+tcp" => false,
            "stratum+ssl" | "stratum+tls" => true,
            _ => return Err(UpstreamUrlError::Scheme(given())),
        };
        let (host, port) = rest
            .rsplit_once(':')
            .ok_or_else(|| UpstreamUrlError::Port(given()))?;
        let port = port.strip_suffix('/').unwrap_or(port);
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|&port| port != 0 && digits);
        let port = port.ok_or_else(|| UpstreamUrlError::Port(given()))?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let valid = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        if !valid {
            return Err(UpstreamUrlError::Host(given()));
        }
        Ok(UpstreamUrl {
            host: bracketed.unwrap_or(host).to_owned(),
            port,
            tls,
        })
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls {
            "stratum+ssl"
        } else {
            "stratum+tcp"
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// The miners' side.
#[derive(Clone, Debug)]
pub struct DownstreamConfig {
    /// The plain listeners' addresses; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// TLS listeners and their certificate, if any.
    pub tls: Option<TlsConfig>,
    /// Peers that begin with a PROXY protocol header (v1 or v2), by address or
    /// network; nobody else may.
    pub proxy_protocol_from: Vec<IpNetwork>,
    /// The least difficulty that is assigned, except where the upstream's is lower.
    pub min_difficulty: Difficulty,
    /// The difficulty of a session that suggests none.
    pub start_difficulty: Difficulty,
    /// What vardiff steers to.
    pub target_shares_per_minute: f64,
    /// Bounds on what strangers can take.
    pub limits: Limits,
    /// How long miners are kept while no upstream has work.
    pub upstream_grace: Duration,
    /// How long miners are kept while the ledger cannot store their shares.
    pub store_grace: Duration,
}

/// TLS of the miners' side.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The listeners' addresses.
    pub listen: Vec<SocketAddr>,
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// An address with a prefix length, `10.0.0.0/8`; a plain address is its own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetwork {
    /// Its address.
    pub address: IpAddr,
    /// How many leading bits must agree.
    pub prefix_len: u8,
}

/// Bounds with defaults for households, Tor and carrier-grade NAT.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections in all. A full server closes sessions without an accepted share first.
    pub max_connections: usize,
    /// Connections of one IPv4 address or IPv6 /64.
    pub max_connections_per_address: usize,
    /// New connections a second of one address, sustained.
    pub new_per_second_per_address: u32,
    /// New connections of one address at once.
    pub new_burst_per_address: u32,
    /// How long a connection may take to authorize.
    pub authorize_timeout: Duration,
    /// How long replies before `mining.authorize` are held back, so that a bad username
    /// in the same breath can be met with silence.
    pub handshake_hold: Duration,
    /// Bytes in a line.
    pub max_line_bytes: usize,
    /// Messages a second of one connection, sustained; a burst of ten seconds' worth.
    pub messages_per_second: u32,
    /// A session that sends nothing for so long is closed. Long: the slowest devices find
    /// a share of the least difficulty in hours, and a peer that is gone is found by
    /// TCP's keepalive within minutes.
    pub idle_timeout: Duration,
    /// So many rejected shares in a row, none accepted between, close the session.
    pub max_rejects_in_a_row: u32,
    /// Bytes that may wait for a peer that does not read.
    pub max_unsent_bytes: usize,
    /// Shares of one session that may wait for the disk.
    pub max_pending_shares: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 10_000,
            max_connections_per_address: 256,
            new_per_second_per_address: 20,
            new_burst_per_address: 100,
            authorize_timeout: Duration::from_secs(10),
            handshake_hold: Duration::from_millis(200),
            max_line_bytes: 4096,
            messages_per_second: 50,
            idle_timeout: Duration::from_secs(7200),
            max_rejects_in_a_row: 200,
            max_unsent_bytes: 32 * 1024,
            max_pending_shares: 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, host: &str, port: u16, tls: bool) {
        let url = UpstreamUrl {
            host: host.to_owned(),
            port,
            tls,
        };
        assert_eq!(text.parse(), Ok(url.clone()));
        assert_eq!(url.to_string().parse(), Ok(url));
    }

    #[test]
    fn upstream_urls_are_read_and_written() {
        reads(
            "stratum+tcp://mine.ocean.xyz:3334",
            "mine.ocean.xyz",
            3334,
            false,
        );
        reads(" Stratum+SSL://pool:1/ ", "pool", 1, true);
        reads("stratum+tls://[::1]:65535", "::1", 65535, true);
    }

    #[track_caller]
    fn refuses(text: &str, error: fn(String) -> UpstreamUrlError) {
        assert_eq!(text.parse::<UpstreamUrl>(), Err(error(text.to_owned())));
    }

    #[test]
    fn what_names_no_upstream_is_refused() {
        use UpstreamUrlError::{Host, Port, Scheme};
        refuses("mine.ocean.xyz:3334", Scheme);
        refuses("http://pool:1", Scheme);
        refuses("stratum+tcp://pool", Port);
        refuses("stratum+tcp://pool:0", Port);
        refuses("stratum+tcp://pool:+1", Port);
        refuses("stratum+tcp://:3334", Host);
        for text in ["stratum+tcp://user:pa/ss@pool:1", "user:pa/ss@pool:1"] {
            let refused = text.parse::<UpstreamUrl>();
            assert_eq!(refused, Err(UpstreamUrlError::Credentials));
        }
        refuses("stratum+tcp://::1:3334", Host);
    }
}
