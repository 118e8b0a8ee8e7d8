//! TLS of the miners' side: certificate files, loaded at the start and again when they
//! change, so that a renewed certificate needs no restart.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::certificate::{CertificateError, read_chain, read_file};
use crate::config::TlsConfig;

/// How often the files' times are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// The certificate in use.
#[derive(Debug)]
pub struct Certificate {
    config: TlsConfig,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Loads the files.
    pub fn load(config: TlsConfig) -> Result<Arc<Self>, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = RwLock::new(Arc::new(read(&config, &provider)?));
        Ok(Arc::new(Certificate {
            config,
            provider,
            current,
        }))
    }

    /// What takes TLS handshakes with it.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, CertificateError> {
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Loads the files again whenever they change. A bad pair is reported and the one
    /// in use stays: renewing tools write one file after the other.
    pub async fn keep_fresh(self: Arc<Self>, cancel: CancellationToken) {
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
    let chain = read_chain(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read_file(&config.key)?).map_err(|error| {
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::TempDir;

    use super::*;
    use crate::testing::certificates::{Authority, Issued};

    /// Writes a file whose time is `secs` after 1970, so that no two writes have the same.
    fn write(directory: &TempDir, name: &str, text: &str, secs: u64) {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    fn loaded(directory: &TempDir, issued: &Issued) -> Arc<Certificate> {
        write(directory, "cert.pem", &issued.certificate, 1);
        write(directory, "key.pem", &issued.key, 1);
        let config = TlsConfig {
            listen: vec![],
            certificate: directory.path().join("cert.pem"),
            key: directory.path().join("key.pem"),
        };
        Certificate::load(config).unwrap()
    }

    /// What a handshake would be given.
    fn in_use(certificate: &Certificate) -> Vec<u8> {
        certificate.current.read().unwrap().cert[0].to_vec()
    }

    /// Time is tokio's own here: it goes on when there is nothing else to do.
    #[tokio::test(start_paused = true)]
    async fn a_renewed_certificate_is_served_once_both_files_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("test");
        let (old, new) = (authority.issue("localhost"), authority.issue("localhost"));
        let certificate = loaded(&directory, &old);
        let before = in_use(&certificate);
        let cancel = CancellationToken::new();
        let task = tokio::spawn(certificate.clone().keep_fresh(cancel.clone()));
        tokio::time::sleep(RELOAD_INTERVAL / 2).await;

        // A renewing tool writes one file after the other.
        write(&directory, "cert.pem", &new.certificate, 2);
        tokio::time::sleep(RELOAD_INTERVAL * 2).await;
        assert_eq!(in_use(&certificate), before, "the key is not its own");
        write(&directory, "key.pem", &new.key, 2);
        tokio::time::sleep(RELOAD_INTERVAL * 2).await;
        let renewed = in_use(&certificate);
        assert_ne!(renewed, before);

        write(&directory, "cert.pem", "rubbish", 3);
        tokio::time::sleep(RELOAD_INTERVAL * 2).await;
        std::fs::remove_file(directory.path().join("key.pem")).unwrap();
        tokio::time::sleep(RELOAD_INTERVAL * 2).await;
        assert_eq!(in_use(&certificate), renewed, "the one in use is kept");
        cancel.cancel();
        task.await.unwrap();
    }

    #[track_caller]
    fn refused(certificate: &str, key: &str, words: &str) {
        let directory = tempfile::tempdir().unwrap();
        write(&directory, "cert.pem", certificate, 1);
        write(&directory, "key.pem", key, 1);
        let config = TlsConfig {
            listen: vec![],
            certificate: directory.path().join("cert.pem"),
            key: directory.path().join("key.pem"),
        };
        let error = Certificate::load(config).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn what_is_no_pair_is_refused_with_the_file_named() {
        let authority = Authority::new("test");
        let (one, other) = (authority.issue("localhost"), authority.issue("localhost"));
        refused("", &one.key, "no certificate in");
        refused(&one.certificate, "", "key.pem");
        refused(&one.certificate, &other.key, "does not fit");
        refused(&one.certificate, &one.certificate, "key.pem");
    }
}
