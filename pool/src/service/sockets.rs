//! Listening sockets that a service manager holds for us (systemd's socket activation,
//! sd_listen_fds(3)): while one process ends and the next one starts, who connects waits
//! in the socket's queue instead of being refused.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use thiserror::Error;

/// The variable with the sockets' names, in their order.
const NAMES: &str = "LISTEN_FDNAMES";

/// Sockets that listen already, by what is spoken on them. They are used instead of the
/// addresses that the config says.
#[derive(Debug, Default)]
pub struct Inherited {
    /// `stratum`
    pub stratum: Vec<TcpListener>,
    /// `stratum-tls`
    pub stratum_tls: Vec<TcpListener>,
    /// `http`
    pub http: Vec<TcpListener>,
    /// `metrics`
    pub metrics: Vec<TcpListener>,
}

/// Why a socket that was handed in is not used.
#[derive(Debug, Error)]
pub enum InheritedError {
    /// Nobody said what it is for.
    #[error(
        "{sockets} listening sockets were handed in, and LISTEN_FDNAMES names {names} of them: \
         give each socket unit a FileDescriptorName"
    )]
    Unnamed {
        /// How many there are.
        sockets: usize,
        /// How many have a name.
        names: usize,
    },
    /// It is for nothing that we have.
    #[error(
        "a listening socket is named {0:?}: FileDescriptorName is one of stratum, stratum-tls, \
         http and metrics"
    )]
    UnknownName(String),
    /// It is no listening TCP socket.
    #[error("the listening socket named {name:?} cannot be used: {error}")]
    Unusable {
        /// Its name.
        name: String,
        /// What the system says.
        error: io::Error,
    },
}

impl Inherited {
    /// Takes what was handed to this process. The second call finds nothing.
    ///
    /// # Errors
    /// [`InheritedError`]: a socket that nobody would serve keeps those who connect to it
    /// waiting for ever.
    pub fn take() -> Result<Inherited, InheritedError> {
        // Read first: taking the sockets removes the variables.
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let count = sockets.len();
        let names: Vec<&str> = names.split(':').filter(|name| !name.is_empty()).collect();
        if names.len() != count && count > 0 {
            return Err(InheritedError::Unnamed {
                sockets: count,
                names: names.len(),
            });
        }
        let mut inherited = Inherited::default();
        for (index, name) in names.into_iter().take(count).enumerate() {
            let place = inherited.place(name)?;
            let unusable = |error| InheritedError::Unusable {
                name: name.to_owned(),
                error,
            };
            let Some(socket) = sockets.take_tcp_listener(index).map_err(unusable)? else {
                continue;
            };
            socket.set_nonblocking(true).map_err(unusable)?;
            place.push(socket);
        }
        Ok(inherited)
    }

    fn place(&mut self, name: &str) -> Result<&mut Vec<TcpListener>, InheritedError> {
        match name {
            "stratum" => Ok(&mut self.stratum),
            "stratum-tls" => Ok(&mut self.stratum_tls),
            "http" => Ok(&mut self.http),
            "metrics" => Ok(&mut self.metrics),
            other => Err(InheritedError::UnknownName(other.to_owned())),
        }
    }
}

/// The given sockets, else new ones at `addresses`.
///
/// # Errors
/// Names the address that cannot be had, as `key`'s.
pub async fn listeners(
    given: Vec<TcpListener>,
    addresses: &[std::net::SocketAddr],
    key: &str,
) -> anyhow::Result<Vec<tokio::net::TcpListener>> {
    use anyhow::Context as _;

    if !given.is_empty() {
        let given = given.into_iter().map(tokio::net::TcpListener::from_std);
        return given
            .collect::<Result<_, _>>()
            .with_context(|| format!("a listening socket in the place of {key}"));
    }
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = tokio::net::TcpListener::bind(address).await;
        listeners.push(listener.with_context(|| format!("{key} {address} cannot be bound"))?);
    }
    Ok(listeners)
}
