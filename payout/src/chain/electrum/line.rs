//! A connection to an Electrum server: JSON-RPC, one message a line, with an end to
//! everything that the server sends.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::http::{ChainError, MAX_ANSWER_BYTES, shown};

/// The protocol that is spoken.
const PROTOCOL: &str = "1.4";

/// So many lines that are no answer, such as news of blocks, are read over before one is.
const MAX_OTHER_LINES: usize = 64;

/// Where a server is.
pub(super) struct Place {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
}

impl Place {
    /// Of `tcp://host:port` or `ssl://host:port`.
    pub(super) fn new(url: &str, tls: Option<TlsConnector>) -> Result<Self, ChainError> {
        let malformed =
            || ChainError::Silent("its URL is not ssl://host:port or tcp://host:port".to_owned());
        let (_, place) = url.split_once("://").ok_or_else(malformed)?;
        let (host, port) = place.rsplit_once(':').ok_or_else(malformed)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Place {
            host: host.to_owned(),
            port: port.parse().map_err(|_| malformed())?,
            tls,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The authorities that the lightning node accepts, too.
pub(super) fn public_authorities() -> Result<TlsConnector, ChainError> {
    connector(RootCertStore::from_iter(
        webpki_roots::TLS_SERVER_ROOTS.iter().cloned(),
    ))
}

pub(super) fn connector(roots: RootCertStore) -> Result<TlsConnector, ChainError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ChainError::Silent(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// An open connection.
pub(super) struct Line {
    stream: BufReader<Box<dyn Stream>>,
    last_id: u64,
    /// The last answer came whole.
    is_usable: bool,
}

/// A line of the server.
#[derive(Deserialize)]
struct Message {
    /// None in a notification.
    id: Option<u64>,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Value,
}

impl Line {
    pub(super) async fn open(place: &Place) -> Result<Line, ChainError> {
        let tcp = TcpStream::connect((place.host.as_str(), place.port)).await;
        let tcp = tcp.map_err(|error| silent(&error))?;
        let stream: Box<dyn Stream> = match &place.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(place.host.clone())
                    .map_err(|_| ChainError::Silent("its host is no name".to_owned()))?;
                let stream = tls.connect(name, tcp).await;
                Box::new(stream.map_err(|error| untrusted(&error))?)
            }
        };
        let mut line = Line {
            stream: BufReader::new(stream),
            last_id: 0,
            is_usable: false,
        };
        let us = concat!("axepool/", env!("CARGO_PKG_VERSION"));
        line.ask("server.version", &json!([us, PROTOCOL])).await?;
        Ok(line)
    }

    /// The connection, if the next question may be asked on it.
    pub(super) fn if_usable(self) -> Option<Line> {
        self.is_usable.then_some(self)
    }

    pub(super) async fn ask(&mut self, method: &str, params: &Value) -> Result<Value, ChainError> {
        self.is_usable = false;
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        let mut question =
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        question.push('\n');
        let sent = self.stream.write_all(question.as_bytes()).await;
        sent.map_err(|error| silent(&error))?;
        let flushed = self.stream.flush().await;
        flushed.map_err(|error| silent(&error))?;
        for _ in 0..MAX_OTHER_LINES {
            let line = self.read().await?;
            let message: Message = serde_json::from_slice(&line).map_err(ChainError::nonsense)?;
            // Without an id it is news, or what became of a question that could not be read.
            let is_ours = message.id == Some(id);
            if !is_ours && (message.id.is_some() || message.error.is_null()) {
                continue;
            }
            self.is_usable = true;
            if message.error.is_null() {
                return Ok(message.result);
            }
            return Err(refusal(&message.error));
        }
        let why = format!("no answer to {method} in {MAX_OTHER_LINES} lines");
        Err(ChainError::Nonsense(why))
    }

    async fn read(&mut self) -> Result<Vec<u8>, ChainError> {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_ANSWER_BYTES).unwrap_or(u64::MAX);
        let mut limited = (&mut self.stream).take(limit);
        let read = limited.read_until(b'\n', &mut line).await;
        read.map_err(|error| silent(&error))?;
        match line.last() {
            Some(b'\n') => Ok(line),
            _ if line.len() >= MAX_ANSWER_BYTES => Err(ChainError::TooLong(MAX_ANSWER_BYTES)),
            _ => Err(ChainError::Silent("it closed the connection".to_owned())),
        }
    }
}

/// Some servers send an object, some a text.
fn refusal(error: &Value) -> ChainError {
    let message = error["message"].as_str().or(error.as_str());
    let message = message.map_or_else(|| error.to_string(), str::to_owned);
    ChainError::Rpc {
        code: error["code"].as_i64().unwrap_or(0),
        message: shown(&message),
    }
}

fn silent(error: &io::Error) -> ChainError {
    ChainError::Silent(shown(&error.to_string()))
}

/// Of a handshake that failed: a certificate that is not accepted, or no TLS at all.
fn untrusted(error: &io::Error) -> ChainError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) => {
            ChainError::Certificate(shown(&error.to_string()))
        }
        _ => silent(error),
    }
}
