//! Connecting from a chosen local address.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// Connects to `target` (`host:port`), from `local` if given, without Nagle's delay.
pub(crate) async fn connect(target: &str, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let address = resolve(target).await?;
    let stream = match local {
        None => TcpStream::connect(address).await?,
        Some(local) => {
            let socket = if local.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            socket.bind((local, 0).into())?;
            socket.connect(address).await?
        }
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The first address of `host:port`.
pub(crate) async fn resolve(target: &str) -> io::Result<SocketAddr> {
    tokio::net::lookup_host(target)
        .await?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{target} has no address")))
}
