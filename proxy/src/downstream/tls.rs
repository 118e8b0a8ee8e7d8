//! TLS of the miners' side: certificate files, loaded at the start and again when they
//! change, so that a renewed certificate needs no restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::TlsConfig;

/// How often the files' times are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file that cannot be read.
    #[error("cannot read {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file that is not PEM of the expected kind.
    #[error("cannot read {path}: {error}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// A certificate file without a certificate.
    #[error("no certificate in {path}")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The key is of an unknown kind or not the certificate's.
    #[error("the key {key} does not fit the certificate {certificate}: {error}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library says.
        error: rustls::Error,
    },
    /// The TLS library refuses its own defaults.
    #[error("cannot set TLS up: {0}")]
    Setup(rustls::Error),
}

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Certificate {
    config: TlsConfig,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Loads the files.
    pub(crate) fn load(config: TlsConfig) -> Result<Arc<Self>, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = RwLock::new(Arc::new(read(&config, &provider)?));
        Ok(Arc::new(Certificate {
            config,
            provider,
            current,
        }))
    }

    /// What takes TLS handshakes with it.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, CertificateError> {
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Loads the files again whenever they change. A bad pair is reported and the one
    /// in use stays: renewing tools write one file after the other.
    pub(crate) async fn keep_fresh(self: Arc<Self>, cancel: CancellationToken) {
        let mut loaded = stamps(&self.config).await;
        let mut interval = tokio::time::interval(RELOAD_INTERVAL);
        while cancel.run_until_cancelled(interval.tick()).await.is_some() {
            let found = stamps(&self.config).await;
            if found == loaded {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!("the TLS certificate was loaded again"),
                Err(error) => tracing::warn!(%error, "the TLS certificate in use is kept"),
            }
            loaded = found;
        }
    }

    fn reload(&self) -> Result<(), CertificateError> {
        let fresh = Arc::new(read(&self.config, &self.provider)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.current
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

async fn stamps(config: &TlsConfig) -> [Option<SystemTime>; 2] {
    let mut stamps = [None, None];
    for (stamp, path) in stamps.iter_mut().zip([&config.certificate, &config.key]) {
        // A file that is away for a moment has no time, which differs from the last one.
        *stamp = tokio::fs::metadata(path)
            .await
            .and_then(|meta| meta.modified())
            .ok();
    }
    stamps
}

fn read(config: &TlsConfig, provider: &CryptoProvider) -> Result<CertifiedKey, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(&bytes(&config.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CertificateError::Pem {
            path: config.certificate.clone(),
            error,
        })?;
    if chain.is_empty() {
        return Err(CertificateError::Empty {
            path: config.certificate.clone(),
        });
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes(&config.key)?).map_err(|error| {
        CertificateError::Pem {
            path: config.key.clone(),
            error,
        }
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| CertificateError::Mismatch {
        certificate: config.certificate.clone(),
        key: config.key.clone(),
        error,
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|error| CertificateError::File {
        path: path.to_owned(),
        error,
    })
}
