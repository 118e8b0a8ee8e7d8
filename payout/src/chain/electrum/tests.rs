use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bitcoin::consensus::encode::serialize_hex;
use rcgen::{CertificateParams, CertifiedKey, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::http::MAX_ANSWER_BYTES;
use super::*;

/// The server's answer to a question.
enum Reply {
    Result(Value),
    Error(Value),
    /// These bytes, as they are.
    Raw(Vec<u8>),
    Silence,
    Close,
}

type Answers = Arc<dyn Fn(&str, &Value) -> Reply + Send + Sync>;

#[derive(Clone)]
struct Server {
    answers: Answers,
    connections: Arc<AtomicUsize>,
    tls: Option<TlsAcceptor>,
}

impl Server {
    fn new(answers: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Server {
        Server {
            answers: Arc::new(answers),
            connections: Arc::default(),
            tls: None,
        }
    }

    async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                server.connections.fetch_add(1, Ordering::SeqCst);
                let server = server.clone();
                tokio::spawn(async move {
                    match server.tls.clone() {
                        None => server.talk(tcp).await,
                        Some(tls) => {
                            if let Ok(tcp) = tls.accept(tcp).await {
                                server.talk(tcp).await;
                            }
                        }
                    }
                });
            }
        });
        at
    }

    async fn talk(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
            let asked: Value = serde_json::from_str(&line).unwrap();
            line.clear();
            let method = asked["method"].as_str().unwrap();
            let reply = match method {
                "server.version" => Reply::Result(json!(["a server", "1.4"])),
                _ => (self.answers)(method, &asked["params"]),
            };
            let answer = match reply {
                Reply::Result(result) => json!({"id": asked["id"], "result": result}).to_string(),
                Reply::Error(error) => json!({"id": asked["id"], "error": error}).to_string(),
                Reply::Raw(bytes) => {
                    let _gone = stream.write_all(&bytes).await;
                    continue;
                }
                Reply::Silence => continue,
                Reply::Close => return,
            };
            let _gone = stream.write_all(format!("{answer}\n").as_bytes()).await;
            let _gone = stream.flush().await;
        }
    }
}

fn client(at: SocketAddr) -> Electrum {
    let patience = Duration::from_millis(500);
    Electrum::at(&format!("tcp://{at}"), None, patience).unwrap()
}

fn first(network: Network) -> String {
    serialize_hex(&genesis_block(network).header)
}

/// A server that has the first block alone.
fn of(network: Network) -> impl Fn(&str, &Value) -> Reply {
    move |method, params| match method {
        "blockchain.headers.subscribe" => {
            Reply::Result(json!({"height": 0, "hex": first(network)}))
        }
        "blockchain.block.header" if params == &json!([0]) => Reply::Result(json!(first(network))),
        other => Reply::Error(json!({"code": -32601, "message": format!("unknown {other}")})),
    }
}

#[tokio::test]
async fn a_server_tells_its_chain_and_newest_block_on_one_connection() {
    let server = Server::new(of(Network::Regtest));
    let client = client(server.serve().await);
    let genesis = genesis_block(Network::Regtest);
    let info = client.info().await.unwrap();
    assert_eq!(info.network, Some(Network::Regtest));
    assert_eq!((info.height, info.tip), (0, genesis.block_hash()));
    assert_eq!(info.tip_secs, Some(genesis.header.time.into()));
    assert_eq!(client.hash_at(0).await, Ok(Some(genesis.block_hash())));
    assert_eq!(client.hash_at(1).await, Ok(None));
    let tip = client.tip().await.unwrap();
    assert_eq!((tip.height, tip.median_secs), (0, None));
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let refused = client.send("00").await.unwrap_err();
    assert!(
        refused.to_string().contains("unknown blockchain"),
        "{refused}"
    );
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn fees_are_rounded_up_and_may_be_missing() {
    let server = Server::new(|_, params| match params[0].as_u64() {
        Some(1) => Reply::Result(json!(0.000_123_45)),
        Some(6) => Reply::Result(json!(1e-5)),
        Some(12) => Reply::Result(Value::Null),
        _ => Reply::Result(json!(-1)),
    });
    let client = client(server.serve().await);
    for (blocks, rate) in [(1, Some(13)), (6, Some(1)), (12, None), (144, None)] {
        assert_eq!(client.fee_rate(blocks).await, Ok(rate), "{blocks}");
    }
    assert_eq!(client.has_fees().await, Ok(false));
}

#[tokio::test]
async fn coins_in_blocks_alone_are_found() {
    let txid = "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16";
    let server = Server::new(move |method, params| {
        assert_eq!(method, "blockchain.scripthash.listunspent");
        let mut hash = sha256::Hash::hash(&[0x51]).to_byte_array();
        hash.reverse();
        let hash = hash.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(params, &json!([hash]));
        let one = |height: i64, pos: u32| json!({"tx_hash": txid, "tx_pos": pos, "height": height, "value": 5000});
        Reply::Result(json!([one(7, 0), one(0, 1), one(-1, 2)]))
    });
    let client = client(server.serve().await);
    let script = ScriptBuf::from_bytes(vec![0x51]);
    let found = client.unspent(&[script], |_| {}).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].height, found[0].output.value.to_sat()), (7, 5000));
}

/// A server does what it likes: each of them ends, in time, and in words.
#[tokio::test]
async fn a_hostile_server_is_given_up() {
    let giant = |_: &str, _: &Value| Reply::Raw(vec![b' '; MAX_ANSWER_BYTES + 10]);
    let news = |_: &str, _: &Value| {
        let line = json!({"method": "blockchain.headers.subscribe", "params": []});
        Reply::Raw(format!("{line}\n").repeat(1000).into_bytes())
    };
    let nested = |_: &str, _: &Value| Reply::Raw(format!("{}\n", "[".repeat(100_000)).into());
    let nobodys = |_: &str, _: &Value| {
        let line = json!({"id": null, "error": {"code": -32600, "message": "too long"}});
        Reply::Raw(format!("{line}\n").into_bytes())
    };
    let servers: [(Server, &str); 9] = [
        (Server::new(|_, _| Reply::Silence), "not within"),
        (Server::new(|_, _| Reply::Close), "closed the connection"),
        (Server::new(giant), "longer than"),
        (Server::new(news), "no answer to"),
        (Server::new(nested), "invalid answer"),
        (Server::new(nobodys), "too long"),
        (
            Server::new(|_, _| Reply::Raw(b"HTTP/1.1 400\n".into())),
            "invalid answer",
        ),
        (
            Server::new(|_, _| Reply::Error(json!("busy\u{1b}[2J"))),
            "busy[2J",
        ),
        (
            Server::new(|_, _| Reply::Result(json!({"height": -5}))),
            "invalid answer",
        ),
    ];
    for (server, said) in servers {
        let client = client(server.serve().await);
        let began = Instant::now();
        let error = client.newest().await.unwrap_err();
        assert!(error.to_string().contains(said), "{said}: {error}");
        assert!(began.elapsed() < Duration::from_secs(5), "{said}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_opened_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let regtest = of(Network::Regtest);
    let server = Server::new(
        move |method, params| match count.fetch_add(1, Ordering::SeqCst) {
            1 => Reply::Close,
            _ => regtest(method, params),
        },
    );
    let client = client(server.serve().await);
    client.newest().await.unwrap();
    client.newest().await.unwrap();
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_server_on_another_chain_is_named() {
    for network in [Network::Bitcoin, Network::Signet] {
        let server = Server::new(of(network));
        assert_eq!(client(server.serve().await).network().await, Ok(network));
    }
    let mut header = genesis_block(Network::Regtest).header;
    header.nonce = 7;
    let own = serialize_hex(&header);
    let server = Server::new(move |_, _| Reply::Result(json!(own)));
    let error = client(server.serve().await).network().await.unwrap_err();
    assert!(error.to_string().contains("no known chain"), "{error}");
}

fn certificate(host: &str) -> (CertifiedKey<KeyPair>, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([host.to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], secret)
        .unwrap();
    let key = CertifiedKey {
        cert,
        signing_key: key,
    };
    (key, TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn tls_is_spoken_and_a_strangers_certificate_refused() {
    let (key, acceptor) = certificate("localhost");
    let mut server = Server::new(of(Network::Regtest));
    server.tls = Some(acceptor);
    let url = format!("ssl://localhost:{}", server.serve().await.port());
    let mut roots = RootCertStore::empty();
    roots.add(key.cert.der().clone()).unwrap();
    let patience = Duration::from_secs(5);
    let tls = Some(line::connector(roots).unwrap());
    let known = Electrum::at(&url, tls, patience).unwrap();
    assert_eq!(known.network().await, Ok(Network::Regtest));
    let error = Electrum::new(&url).unwrap().network().await.unwrap_err();
    assert!(matches!(error, ChainError::Certificate(_)), "{error:?}");
    // A server without TLS at an ssl:// URL.
    let plain = Server::new(of(Network::Regtest)).serve().await;
    let url = format!("ssl://localhost:{}", plain.port());
    let error = Electrum::new(&url).unwrap().network().await.unwrap_err();
    assert!(matches!(error, ChainError::Silent(_)), "{error:?}");
}
