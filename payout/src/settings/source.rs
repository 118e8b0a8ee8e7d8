//! The URL of a chain source.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A chain source. What it is follows from its URL: `http://user:password@host:port` is
/// bitcoind's RPC (nothing else has a password), any other `http(s)://` an Esplora API,
/// `tcp://` and `ssl://` an Electrum server.
#[derive(Clone, PartialEq, Eq)]
pub enum ChainSource {
    /// Bitcoin Core's RPC.
    Bitcoind {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// `rpcuser`, or a name of `rpcauth`.
        user: String,
        /// Its password.
        password: String,
    },
    /// An Esplora API's base URL, without a slash at its end.
    Esplora(String),
    /// An Electrum server: `tcp://host:port` or `ssl://host:port`.
    Electrum(String),
}

/// A text that is no chain source.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainSourceError {
    /// Not one of the known beginnings.
    #[error("a chain source begins with http://, https://, tcp:// or ssl://")]
    Scheme,
    /// RPC over TLS is not spoken by bitcoind, nor by the node.
    #[error("bitcoind's RPC is http:// (put a tunnel before it if it is elsewhere)")]
    RpcOverTls,
    /// `user:password@host:port` is not complete.
    #[error("bitcoind's RPC is http://user:password@host:port")]
    Rpc,
    /// Nothing after the scheme.
    #[error("it names no host")]
    Host,
}

impl FromStr for ChainSource {
    type Err = ChainSourceError;

    fn from_str(text: &str) -> Result<Self, ChainSourceError> {
        let text = text.trim().trim_end_matches('/');
        let (scheme, rest) = text.split_once("://").ok_or(ChainSourceError::Scheme)?;
        if rest.is_empty() {
            return Err(ChainSourceError::Host);
        }
        // A password may have an @: the last one ends it.
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let credentials = rest[..authority_end].rsplit_once('@');
        match (scheme, credentials) {
            ("http", Some((credentials, place))) => bitcoind(credentials, place),
            ("https", Some(_)) => Err(ChainSourceError::RpcOverTls),
            ("http" | "https", None) => Ok(ChainSource::Esplora(text.to_owned())),
            ("tcp" | "ssl", _) => Ok(ChainSource::Electrum(text.to_owned())),
            _ => Err(ChainSourceError::Scheme),
        }
    }
}

fn bitcoind(credentials: &str, place: &str) -> Result<ChainSource, ChainSourceError> {
    let (user, password) = credentials.split_once(':').ok_or(ChainSourceError::Rpc)?;
    let (host, port) = place.rsplit_once(':').ok_or(ChainSourceError::Rpc)?;
    if host.is_empty() {
        return Err(ChainSourceError::Host);
    }
    Ok(ChainSource::Bitcoind {
        host: host.to_owned(),
        port: port.parse().map_err(|_| ChainSourceError::Rpc)?,
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

/// Without the password: it stands in logs.
impl fmt::Display for ChainSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainSource::Bitcoind { host, port, .. } => write!(f, "bitcoind at {host}:{port}"),
            ChainSource::Esplora(url) => write!(f, "esplora at {url}"),
            ChainSource::Electrum(url) => write!(f, "electrum at {url}"),
        }
    }
}

impl fmt::Debug for ChainSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
