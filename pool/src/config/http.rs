//! `[http]`: where owners and their wallets come, and under which name.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitcoin::Network;
use proxy::Certificate;
use proxy::config::{IpNetwork, TlsConfig};
use toml::Value;

use super::from_base;
use super::public_url::{self, PublicUrl};
use super::reader::Section;

/// The listener of the pages, the API and the mint.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where it listens; empty when switched off.
    pub listen: Vec<SocketAddr>,
    /// Where the tor process brings visitors of the onion service; empty: nowhere.
    pub onion_listen: Vec<SocketAddr>,
    /// The URL under which wallets reach it; it is written into every token. `None`:
    /// this machine's own, which no other one can use.
    pub public_url: Option<PublicUrl>,
    /// The certificate; with one, the listener speaks TLS alone.
    pub tls: Option<TlsConfig>,
    /// Peers whose `X-Forwarded-For` is believed at `listen`; nobody's is at
    /// `onion_listen`.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Bounds on what strangers can take.
    pub limits: HttpLimits,
}

impl HttpConfig {
    /// Why no page would be served over TLS, if so.
    pub fn certificate_trouble(&self) -> Option<String> {
        let tls = self.tls.clone()?;
        let loaded = Certificate::load(tls).and_then(|certificate| certificate.acceptor());
        loaded.err().map(|error| error.to_string())
    }

    /// The URL in force when it listens at `listen`.
    pub(crate) fn public_url_at(&self, listen: &[SocketAddr]) -> PublicUrl {
        let local = || {
            let address = listen.first().copied();
            let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
            PublicUrl::local(address, self.tls.is_some())
        };
        self.public_url.clone().unwrap_or_else(local)
    }

    /// Why the pool makes no tokens for who asks, if so: a token names the URL of its
    /// mint, and this machine's own is of no use to wallets elsewhere. On regtest all is
    /// on one machine.
    pub fn no_tokens(&self, network: Network) -> Option<&'static str> {
        const WHY: &str = "its operator has not set http.public_url, which every token names. \
                           `axepool-wallet sweep` and other wallets that look up quotes fetch your \
                           earnings without one";
        (self.public_url.is_none() && network != Network::Regtest).then_some(WHY)
    }
}

/// Bounds on what strangers can take.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Connections at once. A full listener ends one of the address that has most.
    pub max_connections: usize,
    /// Connections of one IPv4 address or IPv6 /64, and its requests under way.
    pub max_connections_per_address: usize,
    /// How long a request, its body included, may take to come, and how long a connection
    /// may wait for one.
    pub request_timeout: Duration,
    /// Requests of one address (IPv6: one /64), sustained.
    pub requests_per_minute_per_address: u32,
    /// How many of them may come at once.
    pub request_burst_per_address: u32,
}

pub(super) fn read(section: &mut Section<'_>, network: Network, base: &Path) -> HttpConfig {
    section.renamed("header_timeout_secs", "request_timeout_secs");
    HttpConfig {
        listen: section.get("listen", vec![SocketAddr::from(([0, 0, 0, 0], 8080))]),
        onion_listen: section.get("onion_listen", Vec::new()),
        public_url: public_url::read(section, network),
        tls: tls(section, base),
        trusted_proxies: section.get("trusted_proxies", Vec::new()),
        limits: HttpLimits {
            max_connections: section.number("max_connections", 1024, 1..=1_000_000),
            max_connections_per_address: section.number(
                "max_connections_per_address",
                64,
                1..=1_000_000,
            ),
            request_timeout: section.seconds(
                "request_timeout_secs",
                Duration::from_secs(20),
                1..=3600,
            ),
            requests_per_minute_per_address: section.number(
                "requests_per_minute_per_address",
                600,
                1..=1_000_000,
            ),
            request_burst_per_address: section.number(
                "request_burst_per_address",
                200,
                1..=1_000_000,
            ),
        },
    }
}

/// The two files belong together.
fn tls(section: &mut Section<'_>, base: &Path) -> Option<TlsConfig> {
    let certificate: Option<PathBuf> = section.optional("certificate");
    let key: Option<PathBuf> = section.optional("key");
    if certificate.is_some() != key.is_some() {
        let missing = if key.is_none() { "key" } else { "certificate" };
        section.problem(
            missing,
            None,
            "missing: TLS needs certificate and key",
            "give it too, or neither of the two",
        );
    }
    // Whether the files can be used is no question here: mining starts without the pages.
    Some(TlsConfig {
        listen: Vec::new(),
        certificate: from_base(base, certificate?),
        key: from_base(base, key?),
    })
}

impl Section<'_> {
    /// A file that the pool's user can read; otherwise a problem of `name`.
    pub(super) fn readable(&mut self, name: &str, base: &Path, path: PathBuf) -> PathBuf {
        let path = from_base(base, path);
        if let Err(error) = std::fs::File::open(&path) {
            self.problem(
                name,
                Some(&Value::String(path.display().to_string())),
                &format!("cannot be read: {error}"),
                "name a PEM file that the pool's user may read",
            );
        }
        path
    }
}
