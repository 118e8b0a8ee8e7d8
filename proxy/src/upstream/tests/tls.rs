//! `stratum+ssl`, over real sockets.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::harness::{Harness, config};
use super::pool::{Pool, soon};
use crate::config::UpstreamConfig;
use crate::testing::certificates::Authority;

/// A pool with a certificate for `host`, and a proxy that looks for it at `localhost`.
struct World {
    pool: Pool,
    tls: TlsAcceptor,
    directory: TempDir,
}

impl World {
    async fn new(authority: &Authority, host: &str) -> (World, UpstreamConfig) {
        let issued = authority.issue(host);
        let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let mut pool = Pool::new().await;
        pool.url.host = "localhost".to_owned();
        pool.url.tls = true;
        let world = World {
            pool,
            tls: TlsAcceptor::from(Arc::new(server)),
            directory: tempfile::tempdir().unwrap(),
        };
        let config = config(&[&world.pool]);
        (world, config)
    }

    fn trust(&self, config: &mut UpstreamConfig, text: &str) {
        let path = self.directory.path().join("ca.pem");
        std::fs::write(&path, text).unwrap();
        config.extra_ca = Some(path);
    }
}

/// What the operator is told, as soon as that is.
async fn told(harness: &Harness) -> String {
    let mut status = harness.upstream.status();
    let told = soon(
        "an error",
        status.wait_for(|status| status.last_error.is_some()),
    );
    told.await.unwrap().last_error.clone().unwrap()
}

#[tokio::test]
async fn a_pool_behind_a_private_authority_is_mined_at() {
    let authority = Authority::new("private");
    let (world, mut config) = World::new(&authority, "localhost").await;
    // One file may hold several.
    let both = format!("{}{}", Authority::new("other").pem(), authority.pem());
    world.trust(&mut config, &both);
    let harness = Harness::start(config);
    let mut peer = world.pool.accept_tls(&world.tls).await.unwrap();
    peer.handshake("aabb", 8).await;
    peer.notify("first", true).await;
    let lease = harness.lease().await;
    assert_eq!(lease.view().borrow().extranonce1[..], [0xaa, 0xbb]);
    peer.notify("second", false).await;
    let mut views = lease.view();
    soon("a job", views.wait_for(|view| view.jobs.len() == 2))
        .await
        .unwrap();
    harness.stop().await;
}

/// What the operator is told when the pool's certificate is not good enough.
async fn refused(host: &str, authority: &Authority, trusted: &Authority, words: &[&str]) {
    let (world, mut config) = World::new(authority, host).await;
    world.trust(&mut config, &trusted.pem());
    let harness = Harness::start(config);
    assert!(world.pool.accept_tls(&world.tls).await.is_err());
    let error = told(&harness).await;
    for word in words.iter().chain(&["no TLS with localhost"]) {
        assert!(error.contains(word), "{error}");
    }
    assert!(harness.upstream.lease().is_err());
    assert!(harness.metric("disconnects_total", "tls") >= 1.0);
    harness.stop().await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new("private");
    let words = ["pool.example", "[upstream] urls"];
    refused("pool.example", &authority, &authority, &words).await;
}

#[tokio::test]
async fn an_unknown_authority_is_refused_under_a_known_name_too() {
    let known = Authority::new("private");
    for name in ["another", "private"] {
        let unknown = Authority::new(name);
        refused("localhost", &unknown, &known, &["[upstream] ca_file"]).await;
    }
}

#[tokio::test]
async fn a_plain_port_is_said_to_be_one() {
    let (world, mut config) = World::new(&Authority::new("private"), "localhost").await;
    world.trust(&mut config, &Authority::new("private").pem());
    let harness = Harness::start(config);
    let mut peer = world.pool.accept().await;
    peer.send("{\"id\":null,\"method\":\"mining.notify\",\"params\":[]}")
        .await;
    assert!(told(&harness).await.contains("stratum+tcp://"));
    harness.stop().await;
}

#[track_caller]
fn no_authority(text: &str, words: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, text).unwrap();
    let error = crate::upstream::read_authorities(&path)
        .unwrap_err()
        .to_string();
    assert!(error.contains(words) && error.contains("ca.pem"), "{error}");
}

#[test]
fn a_file_without_an_authority_is_named() {
    no_authority("", "no certificate in");
    no_authority(
        &Authority::new("a").issue("localhost").key,
        "no certificate in",
    );
    no_authority(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "invalid certificate",
    );
    let missing = crate::upstream::read_authorities("/nowhere/ca.pem".as_ref());
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("cannot read /nowhere/ca.pem")
    );
}
