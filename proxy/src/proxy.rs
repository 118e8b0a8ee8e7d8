//! The proxy as a whole: started, looked at, stopped.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use ledger::{Ledger, LedgerError};
use prometheus::Registry as Prometheus;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::certificate::CertificateError;
use crate::clock::monotonic_ms;
use crate::config::{DownstreamConfig, UpstreamConfig};
use crate::downstream::{
    Admission, Certificate, DownstreamStatus, Metrics, Registry, Rules, SessionStatus, Shared,
    Storms, keep_store_gate, listen, wind_down,
};
use crate::upstream::{Upstream, UpstreamMetrics, UpstreamStatus, read_authorities};

/// How long a stop waits for the connections: the disk decides their last shares, and
/// each has a few seconds of its own. Together with [`STOP_UPSTREAM`] it leaves the
/// ledger its part of the ten seconds after which service managers kill.
const STOP_DOWNSTREAM: Duration = Duration::from_millis(4_500);

/// How long a stop waits for the upstream's last answers after that.
const STOP_UPSTREAM: Duration = Duration::from_secs(2);

/// Sockets that listen already: from a service manager, or bound early.
#[derive(Debug, Default)]
pub struct ProxyListeners {
    /// For plain Stratum.
    pub plain: Vec<StdListener>,
    /// For Stratum over TLS; [`DownstreamConfig::tls`] names the certificate.
    pub tls: Vec<StdListener>,
}

/// Why the proxy does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener's address cannot be used.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// A listening socket that was handed in cannot be used.
    #[error("cannot use a listening socket: {0}")]
    Socket(std::io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS sockets were handed in without a certificate.
    #[error("listening sockets for TLS, but no certificate")]
    NoCertificate,
    /// What was credited before cannot be read: some of it could be credited again.
    #[error("cannot read the hashes of credited shares: {0}")]
    Ledger(#[from] LedgerError),
    /// The metrics' names are taken: a proxy runs already with this registry.
    #[error("cannot register the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    /// Ends the listeners.
    accepting: CancellationToken,
    /// Ends the upstream.
    upstream: CancellationToken,
    upstream_tasks: TaskTracker,
}

/// The proxy at a glance.
#[derive(Clone, Debug)]
pub struct ProxyStatus {
    /// The pool's side.
    pub upstream: UpstreamStatus,
    /// The miners' side.
    pub downstream: DownstreamStatus,
}

impl Proxy {
    /// Listens on the config's addresses and connects to the upstream. When `cancel` is
    /// cancelled no more connections are taken; [`Self::stop`] does the rest.
    ///
    /// # Errors
    /// [`StartError`]: an address is taken, the certificate is unusable, or the metrics
    /// are registered already. An upstream that is away is none.
    pub async fn start(
        downstream: DownstreamConfig,
        upstream: UpstreamConfig,
        ledger: Ledger,
        registry: &Prometheus,
        cancel: CancellationToken,
    ) -> Result<Proxy, StartError> {
        let no_sockets = ProxyListeners::default();
        Self::start_with(no_sockets, downstream, upstream, ledger, registry, cancel).await
    }

    /// As [`Self::start`], listening also on sockets that were bound before.
    ///
    /// # Errors
    /// As [`Self::start`], and for sockets that cannot be used.
    pub async fn start_with(
        listeners: ProxyListeners,
        downstream: DownstreamConfig,
        upstream: UpstreamConfig,
        ledger: Ledger,
        registry: &Prometheus,
        cancel: CancellationToken,
    ) -> Result<Proxy, StartError> {
        // All that can fail comes first: nothing runs yet.
        if let Some(path) = &upstream.extra_ca {
            read_authorities(path)?;
        }
        let certificate = downstream.tls.clone().map(Certificate::load).transpose()?;
        let acceptor = certificate
            .as_ref()
            .map(Certificate::acceptor)
            .transpose()?;
        let plain = sockets(listeners.plain, &downstream.listen).await?;
        let tls_listen = downstream.tls.as_ref().map_or(&[][..], |tls| &tls.listen);
        let tls = sockets(listeners.tls, tls_listen).await?;
        if acceptor.is_none() && !tls.is_empty() {
            return Err(StartError::NoCertificate);
        }
        let addresses = local_addresses(&plain)?;
        let tls_addresses = local_addresses(&tls)?;
        let metrics = Arc::new(Metrics::new(registry)?);
        let upstream_metrics = Arc::new(UpstreamMetrics::new(registry)?);

        let upstream_cancel = CancellationToken::new();
        let upstream_tasks = TaskTracker::new();
        let credited = ledger.credited_lately()?;
        let shares = ledger.shares();
        let shared = Arc::new(Shared {
            rules: Rules::new(&downstream, ledger.boot()),
            proxy_protocol_from: downstream.proxy_protocol_from,
            upstream: Upstream::start(
                upstream,
                credited,
                shares.clone(),
                &upstream_metrics,
                upstream_cancel.clone(),
                &upstream_tasks,
            ),
            shares,
            health: ledger.health(),
            store: Arc::default(),
            metrics,
            registry: Registry::new(downstream.limits.max_connections),
            admission: Admission::new(&downstream.limits),
            storms: Storms::default(),
            tracker: TaskTracker::new(),
        });
        let accepting = cancel.child_token();
        accept_all(&shared, plain, None, &accepting);
        accept_all(&shared, tls, acceptor, &accepting);
        shared.tracker.spawn(keep_store_gate(
            shared.clone(),
            downstream.store_grace,
            accepting.clone(),
        ));
        if let Some(certificate) = certificate {
            shared
                .tracker
                .spawn(certificate.keep_fresh(accepting.clone()));
        }
        tracing::info!(plain = ?addresses, tls = ?tls_addresses, "the stratum listeners are open");
        let upstream = upstream_cancel;
        Ok(Proxy {
            shared,
            addresses,
            tls_addresses,
            accepting,
            upstream,
            upstream_tasks,
        })
    }

    /// The plain listeners' addresses, with the ports that they got.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// The TLS listeners' addresses, with the ports that they got.
    pub fn tls_addresses(&self) -> Vec<SocketAddr> {
        self.tls_addresses.clone()
    }

    /// The proxy now, with up to `limit` sessions.
    pub fn status(&self, limit: usize) -> ProxyStatus {
        let (sessions, workers) = self.shared.registry.sessions(limit);
        let now_ms = monotonic_ms();
        ProxyStatus {
            upstream: self.upstream_status().borrow().clone(),
            downstream: DownstreamStatus {
                connections: self.shared.registry.len(),
                workers,
                store_hung_for: self.shared.store.hung_for(),
                sessions: sessions
                    .iter()
                    .filter_map(|session| session.describe(now_ms))
                    .collect(),
            },
        }
    }

    /// The sessions that sent something and ended since the last call, with their final
    /// counts: one caller gets each of them. Bounded; the oldest are forgotten where
    /// nobody asks.
    pub fn take_ended(&self) -> Vec<SessionStatus> {
        let (ended, now_ms) = (self.shared.registry.take_ended(), monotonic_ms());
        let ended = ended.iter().filter_map(|one| one.describe(now_ms));
        ended.collect()
    }

    /// What there is to tell about the upstream, and its changes.
    pub fn upstream_status(&self) -> watch::Receiver<UpstreamStatus> {
        self.shared.upstream.status()
    }

    /// Winds down, or takes that back. While it winds down nobody is given work: who is
    /// connected leaves within seconds, in the way that makes a device's own fallback
    /// begin, and who comes is closed in the same way. Needs a runtime around it.
    pub fn wind_down(&self, winding_down: bool) {
        if self.shared.store.wind_down(winding_down) && winding_down {
            let leaving = wind_down(Arc::clone(&self.shared), self.accepting.clone());
            self.shared.tracker.spawn(leaving);
        }
    }

    /// Stops: no more connections; what waits for the disk is answered, then the
    /// connections are closed; last the upstream, when it has answered what was sent.
    /// Takes seconds at most. The ledger stays open for whoever owns it.
    pub async fn stop(self) {
        self.accepting.cancel();
        self.shared.tracker.close();
        self.shared.registry.stop_all();
        if timeout(STOP_DOWNSTREAM, self.shared.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.shared.registry.len(),
                "connections did not end in time"
            );
        }
        self.upstream.cancel();
        self.upstream_tasks.close();
        if timeout(STOP_UPSTREAM, self.upstream_tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("the upstream did not end in time");
        }
    }
}

/// Dropped without a stop it takes no more connections and leaves the upstream; its
/// tasks end with the runtime.
impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.cancel();
        self.upstream.cancel();
    }
}

async fn sockets(
    given: Vec<StdListener>,
    addresses: &[SocketAddr],
) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::with_capacity(given.len() + addresses.len());
    for socket in given {
        socket.set_nonblocking(true).map_err(StartError::Socket)?;
        listeners.push(TcpListener::from_std(socket).map_err(StartError::Socket)?);
    }
    for &address in addresses {
        let bound = TcpListener::bind(address).await;
        listeners.push(bound.map_err(|error| StartError::Listen { address, error })?);
    }
    Ok(listeners)
}

fn local_addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, StartError> {
    listeners
        .iter()
        .map(|listener| listener.local_addr().map_err(StartError::Socket))
        .collect()
}

fn accept_all(
    shared: &Arc<Shared>,
    listeners: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
    accepting: &CancellationToken,
) {
    for listener in listeners {
        shared.tracker.spawn(listen(
            listener,
            tls.clone(),
            shared.clone(),
            accepting.clone(),
        ));
    }
}
