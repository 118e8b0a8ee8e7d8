//! The URL of a chain source.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use basics::mask;
use bitcoin::Network;
use thiserror::Error;

use super::cookie::{Cookie, CookieError, Login};

/// A chain source. What it is follows from its URL: `http://user:password@host:port` is
/// bitcoind's RPC (nothing else has a password), and so is `http://host:port` with a cookie
/// or at bitcoind's own port on this machine. Any other `http(s)://` is an Esplora API,
/// `tcp://` and `ssl://` an Electrum server.
#[derive(Clone, PartialEq, Eq)]
pub enum ChainSource {
    /// Bitcoin Core's RPC.
    Bitcoind {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// What it wants to see before it answers.
        login: RpcLogin,
    },
    /// An Esplora API's base URL, without a slash at its end.
    Esplora(String),
    /// An Electrum server: `tcp://host:port` or `ssl://host:port`.
    Electrum(String),
}

/// How bitcoind knows that we may call it.
#[derive(Clone, PartialEq, Eq)]
pub enum RpcLogin {
    /// User and password of its `bitcoin.conf`.
    Password {
        /// `rpcuser`, or a name of `rpcauth`.
        user: String,
        /// Its password.
        password: String,
    },
    /// The file that bitcoind writes anew at each of its starts.
    Cookie(Cookie),
}

/// A text that is no chain source. The text itself is not repeated: a password may be in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainSourceError {
    /// Not one of the known beginnings.
    #[error("a chain source begins with http://, https://, tcp:// or ssl://")]
    Scheme,
    /// RPC over TLS is not spoken by bitcoind, nor by the node.
    #[error(
        "a URL with user and password is bitcoind's RPC, which is http:// (put a tunnel before it \
         if it is elsewhere); an Esplora server is named without them"
    )]
    RpcOverTls,
    /// `user:password@host:port` is not complete, or something comes after it.
    #[error(
        "bitcoind's RPC is http://user:password@host:port, with the password as it is (a last @ \
         ends it) and nothing after the port"
    )]
    Rpc,
    /// Nothing after the scheme.
    #[error("it names no host")]
    Host,
    /// An Esplora server's routes come after its URL.
    #[error("an Esplora server's URL has no ? and no #")]
    Query,
    /// An Electrum server has no port of its own, and nothing after it.
    #[error(
        "an Electrum server is ssl://host:port or tcp://host:port, with nothing after the port"
    )]
    Electrum,
    /// Two ways to log in.
    #[error("the URL has user and password, and a cookie is given too: give one of them")]
    TwoLogins,
    /// A cookie for a source that is not bitcoind.
    #[error("a cookie is bitcoind's, whose URL is http://host:port")]
    NoBitcoind,
}

impl RpcLogin {
    /// User and password as they are now.
    pub(crate) fn read(&self) -> Result<Login, CookieError> {
        match self {
            RpcLogin::Password { user, password } => Ok(Login {
                user: user.clone(),
                password: password.clone(),
            }),
            RpcLogin::Cookie(cookie) => cookie.read(),
        }
    }
}

/// The port of bitcoind's RPC.
const RPC_PORTS: [(u16, Network); 5] = [
    (8332, Network::Bitcoin),
    (18_332, Network::Testnet),
    (48_332, Network::Testnet4),
    (38_332, Network::Signet),
    (18_443, Network::Regtest),
];

impl ChainSource {
    /// The bitcoind at `url` that knows us by the cookie in `file`; without a `url` the one
    /// on this machine, at its own port for `network`.
    ///
    /// # Errors
    /// If the URL is not bitcoind's, or has a password.
    pub fn with_cookie(
        url: Option<&str>,
        file: PathBuf,
        network: Network,
    ) -> Result<ChainSource, ChainSourceError> {
        let own_port = RPC_PORTS.iter().find(|(_, of)| *of == network);
        let own_port = own_port.map_or(8332, |(port, _)| *port);
        let (host, port) = match url {
            None => ("127.0.0.1".to_owned(), own_port),
            Some(url) => {
                let (scheme, rest) = parts(url)?;
                if rest.contains('@') {
                    return Err(ChainSourceError::TwoLogins);
                }
                let is_bare = scheme == "http" && !rest.contains(['/', '?', '#']);
                if !is_bare {
                    return Err(ChainSourceError::NoBitcoind);
                }
                host_and_port(rest)?.unwrap_or((rest.to_owned(), own_port))
            }
        };
        Ok(ChainSource::Bitcoind {
            host,
            port,
            login: RpcLogin::Cookie(Cookie::at(file)),
        })
    }

    /// The same with a relative path of a cookie put under `base`.
    #[must_use]
    pub fn under(self, base: &std::path::Path) -> ChainSource {
        match self {
            ChainSource::Bitcoind {
                host,
                port,
                login: RpcLogin::Cookie(cookie),
            } => ChainSource::Bitcoind {
                host,
                port,
                login: RpcLogin::Cookie(cookie.under(base)),
            },
            other => other,
        }
    }

    /// The cookie by which bitcoind knows us, if it does by one.
    pub fn cookie(&self) -> Option<&Cookie> {
        match self {
            ChainSource::Bitcoind {
                login: RpcLogin::Cookie(cookie),
                ..
            } => Some(cookie),
            _ => None,
        }
    }

    /// User and password as they are now; empty for a source that has none.
    pub(crate) fn login(&self) -> Result<Login, CookieError> {
        match self {
            ChainSource::Bitcoind { login, .. } => login.read(),
            ChainSource::Esplora(_) | ChainSource::Electrum(_) => Ok(Login::default()),
        }
    }

    /// True when the URL has a password in it.
    pub fn has_password(&self) -> bool {
        let ChainSource::Bitcoind { login, .. } = self else {
            return false;
        };
        matches!(login, RpcLogin::Password { .. })
    }
}

/// Scheme and the rest, without a slash at the end.
fn parts(text: &str) -> Result<(&str, &str), ChainSourceError> {
    let text = text.trim().trim_end_matches('/');
    let (scheme, rest) = text.split_once("://").ok_or(ChainSourceError::Scheme)?;
    if rest.is_empty() {
        return Err(ChainSourceError::Host);
    }
    Ok((scheme, rest))
}

/// `host:port`; `None` without a port.
fn host_and_port(place: &str) -> Result<Option<(String, u16)>, ChainSourceError> {
    let after_host = place.rfind(']').map_or(0, |end| end);
    if !place[after_host..].contains(':') {
        return Ok(None);
    }
    let (host, port) = place.rsplit_once(':').ok_or(ChainSourceError::Rpc)?;
    if host.is_empty() {
        return Err(ChainSourceError::Host);
    }
    let port = port.parse().map_err(|_| ChainSourceError::Rpc)?;
    Ok(Some((host.to_owned(), port)))
}

impl FromStr for ChainSource {
    type Err = ChainSourceError;

    fn from_str(text: &str) -> Result<Self, ChainSourceError> {
        let (scheme, rest) = parts(text)?;
        // A password may have an @, a /, a ? or a #: the last @ ends it, wherever that is.
        let credentials = rest.rsplit_once('@');
        match (scheme, credentials) {
            ("http", Some((credentials, place))) => bitcoind(credentials, place),
            ("https", Some(_)) => Err(ChainSourceError::RpcOverTls),
            ("http" | "https", None) if rest.contains(['?', '#']) => Err(ChainSourceError::Query),
            ("http", None) => Ok(own_bitcoind(rest)?
                .unwrap_or_else(|| ChainSource::Esplora(format!("{scheme}://{rest}")))),
            ("https", None) => Ok(ChainSource::Esplora(format!("{scheme}://{rest}"))),
            ("tcp" | "ssl", None) => electrum(scheme, rest),
            ("tcp" | "ssl", Some(_)) => Err(ChainSourceError::RpcOverTls),
            _ => Err(ChainSourceError::Scheme),
        }
    }
}

fn electrum(scheme: &str, place: &str) -> Result<ChainSource, ChainSourceError> {
    let is_bare = !place.contains(['/', '?', '#']);
    let port = host_and_port(place).map_err(|_| ChainSourceError::Electrum)?;
    match port {
        Some(_) if is_bare => Ok(ChainSource::Electrum(format!("{scheme}://{place}"))),
        _ => Err(ChainSourceError::Electrum),
    }
}

fn bitcoind(credentials: &str, place: &str) -> Result<ChainSource, ChainSourceError> {
    let (user, password) = credentials.split_once(':').ok_or(ChainSourceError::Rpc)?;
    let (host, port) = host_and_port(place)?.ok_or(ChainSourceError::Rpc)?;
    Ok(ChainSource::Bitcoind {
        host,
        port,
        login: RpcLogin::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        },
    })
}

/// The bitcoind of this machine, if `place` is one of its own ports here: its cookie is
/// where it puts it by itself.
fn own_bitcoind(place: &str) -> Result<Option<ChainSource>, ChainSourceError> {
    if place.contains('/') {
        return Ok(None);
    }
    let Some((host, port)) = host_and_port(place)? else {
        return Ok(None);
    };
    let is_here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    let own = RPC_PORTS.iter().find(|(own, _)| *own == port);
    Ok(own.filter(|_| is_here).map(|(_, network)| {
        let login = RpcLogin::Cookie(Cookie::of_this_machine(*network));
        ChainSource::Bitcoind { host, port, login }
    }))
}

/// Without user and password: it stands in logs.
impl fmt::Display for ChainSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainSource::Bitcoind { host, port, .. } => write!(f, "bitcoind at {host}:{port}"),
            ChainSource::Esplora(url) => write!(f, "esplora at {}", mask::url(url)),
            ChainSource::Electrum(url) => write!(f, "electrum at {}", mask::url(url)),
        }
    }
}

impl fmt::Debug for ChainSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
