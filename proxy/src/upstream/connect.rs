//! A socket to the pool, with or without TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use crate::certificate::{CertificateError, read_chain};
use crate::config::UpstreamUrl;

/// What dies silently between us and a pool (routers that forget, sleeping modems) is
/// found out in about a minute and a half, long before the pool's next block.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_RETRIES: u32 = 3;

/// How long one address of a host may take: broken IPv6 must not use up the time that
/// the whole attempt has.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// A byte stream, whatever is below it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections. The certificate authorities, the system's and the config's, are
/// read when the first TLS connection is made.
pub(super) struct Dialer {
    extra_ca: Option<PathBuf>,
    tls: OnceCell<TlsConnector>,
}

impl Dialer {
    /// One that trusts the authorities in the PEM file `extra_ca`, too.
    pub(super) fn new(extra_ca: Option<PathBuf>) -> Self {
        Dialer {
            extra_ca,
            tls: OnceCell::new(),
        }
    }

    /// Connects. There is no timeout here: the caller's covers the way to the first job.
    pub(super) async fn dial(&self, url: &UpstreamUrl) -> Result<Box<dyn Stream>, Failure> {
        let tcp = connect(url).await.map_err(Failure::Connect)?;
        tune(&tcp).map_err(Failure::Connect)?;
        if !url.tls {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(url.host.clone())
            .map_err(|_| Failure::ServerName(url.host.clone()))?;
        let connector = self.connector().await?;
        let stream = connector
            .connect(name, tcp)
            .await
            .map_err(|error| Failure::Tls {
                host: url.host.clone(),
                error,
            })?;
        Ok(Box::new(stream))
    }

    async fn connector(&self) -> Result<&TlsConnector, Failure> {
        let make = || async {
            let extra_ca = self.extra_ca.clone();
            let roots = tokio::task::spawn_blocking(move || authorities(extra_ca.as_deref())).await;
            connector(roots.map_err(|_| Failure::NoAuthorities)??)
        };
        self.tls.get_or_try_init(make).await
    }
}

/// Tries the host's addresses in their order.
async fn connect(url: &UpstreamUrl) -> io::Result<TcpStream> {
    let mut error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in tokio::net::lookup_host((url.host.as_str(), url.port)).await? {
        match tokio::time::timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(refused)) => error = refused,
            Err(late) => error = late.into(),
        }
    }
    Err(error)
}

fn tune(tcp: &TcpStream) -> io::Result<()> {
    // A share is one small write that must not wait for the next.
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_TIME)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

/// All that are trusted. Blocks: the system's are files.
fn authorities(extra_ca: Option<&Path>) -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "cannot read some of the system's certificate authorities");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "read the system's certificate authorities");
    if let Some(path) = extra_ca {
        roots.extend(read_authorities(path)?.roots);
    }
    Ok(roots)
}

/// The authorities in a PEM file, each of which must be usable.
pub(crate) fn read_authorities(path: &Path) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(path)? {
        roots
            .add(certificate)
            .map_err(|error| CertificateError::Authority {
                path: path.to_owned(),
                error,
            })?;
    }
    Ok(roots)
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, Failure> {
    if roots.is_empty() {
        return Err(Failure::NoAuthorities);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
