//! Stratum over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use simnet::load::{self, LoadMode, LoadOptions};
use simnet::pool::SimPoolHandle;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{Client, Verdict, handshake};
use crate::common::PoolProcess;
use crate::world::{
    LOADED, STRATUM, agrees, bitaxe, credited_to, earns, key, metric, metric_reaches, ocean, pool,
};

async fn connect(address: SocketAddr, root: &CertificateDer<'static>) -> Client {
    Client::over(tls(address, root).await)
}

/// The whole answer to a GET over TLS.
pub(crate) async fn https(
    address: SocketAddr,
    root: &CertificateDer<'static>,
    path: &str,
) -> String {
    let mut stream = tls(address, root).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    // The other side need not say that it ends.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn tls(address: SocketAddr, root: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the defaults")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("connect");
    let name = ServerName::try_from("axepool.test").expect("a name");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connecting.await.expect("TLS")
}

/// A certificate for `axepool.test` and this machine, with its key, as files.
fn certificate() -> (TempDir, CertificateDer<'static>) {
    let dir = tempfile::tempdir().expect("a directory");
    let names = ["axepool.test".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a key");
    std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).expect("written");
    let key = made.signing_key.serialize_pem();
    std::fs::write(dir.path().join("key.pem"), key).expect("written");
    (dir, made.cert.der().clone())
}

async fn tls_pool(ocean: &SimPoolHandle, stratum: &str, dir: &TempDir) -> PoolProcess {
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    pool(ocean, |setup| {
        setup.stratum = format!(
            "{stratum}tls_listen = [\"127.0.0.1:0\"]\ntls_certificate = {certificate:?}\n\
             tls_key = {key:?}\n"
        );
    })
    .await
}

#[tokio::test]
async fn devices_mine_over_tls_and_garbage_is_closed() {
    let ocean = ocean(|_| {}).await;
    let (dir, root) = certificate();
    let pool = tls_pool(&ocean, STRATUM, &dir).await;
    let (plain, tls) = (pool.stratum().await, pool.status().await.stratum_tls[0]);
    let (honest_key, tls_key) = (key(1), key(2));
    let honest = bitaxe(plain, &honest_key, |_| {});
    earns(&honest, 1).await;

    let mut client = connect(tls, &root).await;
    client
        .login(&tls_key.username("tls"))
        .await
        .expect("a session");
    let mut work = 0;
    for _ in 0..20 {
        let share = client.find();
        assert_eq!(client.submit(&share).await, Verdict::Accepted);
        work += share.work;
    }
    assert_eq!(credited_to(&pool, &tls_key).await, (20, work));
    let opened = "axepool_connections_total";
    assert_eq!(metric(&pool, opened, "tls").await, 1.0);

    // Plain Stratum at the TLS listener, and noise.
    for bytes in [handshake(&tls_key.npub).as_bytes(), &[0x16; 700]] {
        let mut stranger = Client::connect(tls).await;
        stranger.send(bytes).await;
        let told = stranger.rest().await;
        assert!(!String::from_utf8_lossy(&told).contains("mining."));
    }
    metric_reaches(&pool, "axepool_connections_closed_total", "\"tls\"", 2.0).await;
    // A bad name is met with silence here, too: TLS ends without a Stratum byte.
    let mut nobody = connect(tls, &root).await;
    nobody.send(handshake("bc1qnobody")).await;
    assert_eq!(nobody.rest().await, b"");
    let share = client.find();
    assert_eq!(client.submit(&share).await, Verdict::Accepted);
    earns(&honest, 3).await;
    agrees(&pool, &honest, &honest_key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_generator_speaks_tls() {
    let ocean = ocean(|_| {}).await;
    let (dir, _) = certificate();
    let pool = tls_pool(&ocean, LOADED, &dir).await;
    let tls = pool.status().await.stratum_tls[0].to_string();
    let load = async |authorities: &str| {
        let options = LoadOptions {
            tls: Some(dir.path().join(authorities)),
            duration: Duration::from_secs(1),
            ..LoadOptions::new(tls.clone(), LoadMode::Shares, 5)
        };
        load::run(options).await
    };
    let report = load("cert.pem").await.expect("a report");
    assert_eq!(report.connections, 5);
    assert!(report.accepted > 5, "{report}");
    assert_eq!(metric(&pool, "axepool_connections_total", "tls").await, 5.0);
    let bad = load("key.pem").await.expect_err("no certificates");
    assert!(
        bad.to_string().contains("cannot read the certificates"),
        "{bad}"
    );
}
