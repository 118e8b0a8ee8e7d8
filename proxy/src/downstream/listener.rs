//! Taking connections: the accept loop, the limits at the door, and what comes before
//! the first line (PROXY protocol, TLS).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::accept::{AcceptTrouble, Remedy};
use super::address::{Masked, contains};
use super::admission::Admitted;
use super::close::CloseReason;
use super::conn::Conn;
use super::proxy_header;
use super::registry::Entered;
use super::shared::Shared;
use crate::clock::Now;

/// How long a PROXY protocol header or a TLS handshake may take.
const PREAMBLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A peer that vanished is noticed after about two minutes, even where it owes us
/// nothing that would time out.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// Takes connections until `stopping`.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    stopping: CancellationToken,
) {
    let mut trouble = AcceptTrouble::default();
    while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                trouble.over();
                greet(stream, peer.ip(), tls.as_ref(), &shared);
            }
            Err(error) => {
                shared.metrics.accept_errors.inc();
                let Remedy::MakeRoom { wait, is_first } = trouble.failed(&error) else {
                    continue;
                };
                // Out of descriptors, mostly. Those who never worked make room.
                let evicted = shared.registry.evict_one();
                if is_first {
                    tracing::warn!(%error, evicted, "cannot accept connections");
                }
                stopping.run_until_cancelled(tokio::time::sleep(wait)).await;
            }
        }
    }
}

fn greet(stream: TcpStream, peer: IpAddr, tls: Option<&TlsAcceptor>, shared: &Arc<Shared>) {
    // An option that cannot be set costs a little speed or memory, not the connection.
    let socket = SockRef::from(&stream);
    if let Err(error) = socket
        .set_tcp_nodelay(true)
        .and(socket.set_tcp_keepalive(&KEEPALIVE))
    {
        tracing::debug!(%error, "socket options");
    }
    let behind_balancer = shared
        .proxy_protocol_from
        .iter()
        .any(|network| contains(network, peer));
    let tls = tls.cloned();
    if behind_balancer {
        let Some(entered) = enter(shared, tls.is_some(), peer) else {
            return;
        };
        shared
            .tracker
            .spawn(after_header(stream, peer, tls, entered, shared.clone()));
        return;
    }
    let Some(admitted) = admit(shared, peer) else {
        return;
    };
    let Some(entered) = enter(shared, tls.is_some(), peer) else {
        return;
    };
    serve(stream, tls, entered, admitted, shared);
}

fn admit(shared: &Shared, peer: IpAddr) -> Option<Admitted> {
    let admitted = shared.admission.admit(peer, Now::read().ms());
    admitted
        .map_err(|refused| {
            shared.metrics.refused(refused);
            tracing::debug!(peer = %Masked(peer), reason = refused.label(), "connection refused");
        })
        .ok()
}

fn enter(shared: &Shared, tls: bool, peer: IpAddr) -> Option<Entered> {
    let entered = shared.registry.enter(tls, Now::read().unix_ms);
    if entered.is_none() {
        shared.metrics.refused_as_full();
        tracing::debug!(peer = %Masked(peer), reason = "full", "connection refused");
    }
    entered
}

/// Behind a load balancer: the header first, then the limits of the real peer.
async fn after_header(
    mut stream: TcpStream,
    balancer: IpAddr,
    tls: Option<TlsAcceptor>,
    entered: Entered,
    shared: Arc<Shared>,
) {
    let peer = match timeout(PREAMBLE_TIMEOUT, proxy_header::read(&mut stream)).await {
        Ok(Ok(source)) => source.unwrap_or(balancer),
        Ok(Err(error)) => {
            tracing::debug!(peer = %Masked(balancer), %error, "connection closed");
            return shared.metrics.closed(CloseReason::ProxyHeader);
        }
        Err(_) => return shared.metrics.closed(CloseReason::ProxyHeader),
    };
    if let Some(admitted) = admit(&shared, peer) {
        serve(stream, tls, entered, admitted, &shared);
    }
}

/// Each kind has its own task: one with TLS in it is larger.
fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    entered: Entered,
    admitted: Admitted,
    shared: &Arc<Shared>,
) {
    let shared = shared.clone();
    let tracker = shared.tracker.clone();
    match tls {
        None => {
            shared.metrics.opened_plain.inc();
            tracker.spawn(Conn::new(stream, entered, admitted, shared).run())
        }
        Some(acceptor) => {
            shared.metrics.opened_tls.inc();
            tracker.spawn(serve_tls(stream, acceptor, entered, admitted, shared))
        }
    };
}

async fn serve_tls(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    entered: Entered,
    admitted: Admitted,
    shared: Arc<Shared>,
) {
    let connection = entered.connection().clone();
    let asked = std::future::poll_fn(|cx| connection.poll_asked(cx));
    let stream = tokio::select! {
        reason = asked => return shared.metrics.closed(reason),
        done = timeout(PREAMBLE_TIMEOUT, acceptor.accept(stream)) => match done {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake");
                return shared.metrics.closed(CloseReason::Tls);
            }
            Err(_) => return shared.metrics.closed(CloseReason::Tls),
        },
    };
    Conn::new(stream, entered, admitted, shared).run().await;
}
