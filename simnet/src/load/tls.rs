//! TLS to the server, checked against the certificates of one file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::LoadError;

/// How the miners do it.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// For the server at `target`, which shows a certificate of an authority in the PEM
    /// file `authorities`.
    pub(crate) fn new(target: &str, authorities: &Path) -> Result<Tls, LoadError> {
        let config = config(authorities).map_err(|source| LoadError::Certificates {
            path: authorities.to_owned(),
            source,
        })?;
        let name = server_name(target).ok_or_else(|| LoadError::ServerName(target.to_owned()))?;
        Ok(Tls {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    /// The handshake.
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn config(authorities: &Path) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authorities).map_err(io::Error::other)? {
        let certificate = certificate.map_err(io::Error::other)?;
        roots.add(certificate).map_err(io::Error::other)?;
    }
    if roots.is_empty() {
        return Err(io::Error::other("no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Each miner is a device of its own: none has the ticket of another.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The host of `host:port`.
fn server_name(target: &str) -> Option<ServerName<'static>> {
    let (host, _) = target.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(target: &str, name: Option<&str>) {
        let read = server_name(target).map(|name| name.to_str().into_owned());
        assert_eq!(read.as_deref(), name);
    }

    #[test]
    fn names_are_hosts_of_targets() {
        case("localhost:3333", Some("localhost"));
        case("127.0.0.1:1", Some("127.0.0.1"));
        case("[::1]:1", Some("::1"));
        case("localhost", None);
        case(":1", None);
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let error = Tls::new("localhost:1", Path::new("/dev/null")).unwrap_err();
        assert!(matches!(error, LoadError::Certificates { .. }), "{error}");
    }
}
