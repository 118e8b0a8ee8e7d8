//! The miners' side on real sockets, against a scripted pool and a real ledger.

mod device;
mod door;
mod hung;
mod pool;
mod serving;

use std::net::SocketAddr;
use std::time::Duration;

use accounting::{EpochTerms, QuotePer, Split, Work};
use ledger::{Ledger, LedgerOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::config::{
    DownstreamConfig, Limits, RefusalLimits, TlsConfig, UpstreamConfig, UpstreamUrl,
};
use crate::testing::certificates::Authority;
use crate::testing::metrics::{metric, metric_becomes};
use crate::{Difficulty, Proxy, ProxyListeners};

use device::{Device, soon};
use pool::Pool;

/// The generator point: a key as good as any.
const MINER: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/// So low that every hash is a share, for us and for the pool.
const EVERY_HASH: f64 = 1e-10;

fn authorize(id: u32, username: &str) -> String {
    format!(r#"{{"id":{id},"method":"mining.authorize","params":["{username}","x"]}}"#)
}

fn submit(id: u32, job: &str, extranonce2: &str, nonce: u32) -> String {
    format!(
        r#"{{"id":{id},"method":"mining.submit","params":["{MINER}","{job}","{extranonce2}","66000000","{nonce:08x}","00002000"]}}"#
    ) + "\n"
}

fn config() -> DownstreamConfig {
    let floor = Difficulty::new(EVERY_HASH).unwrap();
    DownstreamConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        tls: None,
        proxy_protocol_from: vec![],
        min_difficulty: floor,
        start_difficulty: floor,
        target_shares_per_minute: 8.0,
        limits: Limits::default(),
        upstream_grace: Duration::from_millis(300),
        store_grace: Duration::from_secs(300),
    }
}

fn upstream(pool: &Pool) -> UpstreamConfig {
    UpstreamConfig {
        urls: vec![UpstreamUrl {
            host: "127.0.0.1".to_owned(),
            port: pool.address.port(),
            tls: false,
        }],
        username: "bc1qpool.axepool".to_owned(),
        password: "x".to_owned(),
        user_agent: "axepool".to_owned(),
        suggest_difficulty: None,
        allow_reconnect_elsewhere: false,
        job_max_age: Duration::from_secs(150),
        no_job_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
        backoff_min: Duration::from_millis(5),
        backoff_max: Duration::from_millis(50),
        failback_interval: Duration::from_secs(60),
        max_lanes: 1,
        extra_ca: None,
        refusals: RefusalLimits::default(),
    }
}

/// A proxy with its pool and its ledger.
struct House {
    pool: Pool,
    proxy: Proxy,
    ledger: Ledger,
    registry: prometheus::Registry,
    _directory: TempDir,
}

impl House {
    async fn start(config: DownstreamConfig) -> House {
        House::start_with(config, EVERY_HASH, ProxyListeners::default()).await
    }

    async fn start_with(
        config: DownstreamConfig,
        difficulty: f64,
        listeners: ProxyListeners,
    ) -> House {
        House::start_on(config, difficulty, listeners, |_| ()).await
    }

    /// With a ledger that is run otherwise.
    async fn start_on(
        config: DownstreamConfig,
        difficulty: f64,
        listeners: ProxyListeners,
        change: impl FnOnce(&mut LedgerOptions),
    ) -> House {
        let pool = Pool::start(difficulty).await;
        let directory = tempfile::tempdir().unwrap();
        let registry = prometheus::Registry::new();
        let terms = EpochTerms {
            fee_bps: 0,
            split: Split::Epoch,
            quote_per: QuotePer::Epoch,
            quote_min_work: Work::ZERO,
            max_share_quotes: 0,
        };
        let mut options = LedgerOptions::new(directory.path().join("ledger.redb"), terms, 0);
        change(&mut options);
        let ledger = Ledger::open(options, &registry).unwrap();
        let cancel = CancellationToken::new();
        let proxy = Proxy::start_with(
            listeners,
            config,
            upstream(&pool),
            ledger.clone(),
            &registry,
            cancel,
        )
        .await
        .unwrap();
        let house = House {
            pool,
            proxy,
            ledger,
            registry,
            _directory: directory,
        };
        let mut status = house.proxy.upstream_status();
        soon(status.wait_for(|status| status.up)).await.unwrap();
        house
    }

    fn address(&self) -> SocketAddr {
        self.proxy.addresses()[0]
    }

    async fn device(&self) -> Device<tokio::net::TcpStream> {
        Device::connect(self.address()).await
    }

    fn metric(&self, name: &str, label: &str) -> f64 {
        metric(&self.registry, name, label)
    }

    async fn metric_becomes(&self, name: &str, label: &str, value: f64) {
        metric_becomes(&self.registry, name, label, value).await;
    }

    async fn stop(self) {
        soon(self.proxy.stop()).await;
        soon(self.ledger.close()).await;
    }
}

/// The files of a certificate for `localhost`, and who issued it.
fn tls_files(directory: &TempDir) -> (TlsConfig, Authority) {
    let authority = Authority::new("test");
    let issued = authority.issue("localhost");
    let (certificate, key) = (
        directory.path().join("cert.pem"),
        directory.path().join("key.pem"),
    );
    std::fs::write(&certificate, issued.certificate).unwrap();
    std::fs::write(&key, issued.key).unwrap();
    let config = TlsConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        certificate,
        key,
    };
    (config, authority)
}
