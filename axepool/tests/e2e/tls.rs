//! Stratum over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{Client, Verdict, handshake};
use crate::common::PoolProcess;
use crate::world::{
    STRATUM, agrees, bitaxe, credited_to, earns, key, metric, metric_reaches, ocean, pool,
};

async fn connect(address: SocketAddr, root: &CertificateDer<'static>) -> Client {
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
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .expect("TLS");
    Client::over(stream)
}

#[tokio::test]
async fn devices_mine_over_tls_and_garbage_is_closed() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = rcgen::generate_simple_self_signed(["axepool.test".to_owned()]).expect("a key");
    let files = [dir.path().join("cert.pem"), dir.path().join("key.pem")];
    std::fs::write(&files[0], made.cert.pem()).expect("written");
    std::fs::write(&files[1], made.signing_key.serialize_pem()).expect("written");
    let ocean = ocean(|_| {}).await;
    let pool: PoolProcess = pool(&ocean, |setup| {
        setup.stratum = format!(
            "{STRATUM}tls_listen = [\"127.0.0.1:0\"]\ntls_certificate = {:?}\ntls_key = {:?}\n",
            files[0], files[1]
        );
    })
    .await;
    let (plain, tls) = (pool.stratum().await, pool.status().await.stratum_tls[0]);
    let (honest_key, tls_key) = (key(1), key(2));
    let honest = bitaxe(plain, &honest_key, |_| {});
    earns(&honest, 1).await;

    let root = made.cert.der().clone();
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
