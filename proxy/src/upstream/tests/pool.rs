//! A pool that does what a test tells it, on a real socket.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::config::UpstreamUrl;
use crate::upstream::connect::Stream;

/// Nothing in these tests takes longer, unless it never comes.
pub(super) const SOON: Duration = Duration::from_secs(20);

pub(super) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(SOON, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: did not happen in {SOON:?}"),
    }
}

pub(super) struct Pool {
    listener: TcpListener,
    pub(super) url: UpstreamUrl,
}

impl Pool {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        Pool {
            listener,
            url: UpstreamUrl {
                host: "127.0.0.1".to_owned(),
                port,
                tls: false,
            },
        }
    }

    /// The next connection, whose handshake has not been answered.
    pub(super) async fn accept(&self) -> Peer {
        Peer::new(Box::new(self.accept_tcp().await))
    }

    async fn accept_tcp(&self) -> TcpStream {
        let (stream, _) = soon("a connection", self.listener.accept())
            .await
            .expect("accepts");
        stream
    }

    /// The next connection, over TLS; what went wrong with the handshake otherwise.
    pub(super) async fn accept_tls(&self, tls: &TlsAcceptor) -> std::io::Result<Peer> {
        let stream = self.accept_tcp().await;
        let stream = soon("a handshake", tls.accept(stream)).await?;
        Ok(Peer::new(Box::new(stream)))
    }

    /// The next connection, with a first job.
    pub(super) async fn working(&self, extranonce1: &str, extranonce2_size: usize) -> Peer {
        let mut peer = self.accept().await;
        peer.handshake(extranonce1, extranonce2_size).await;
        peer.notify("first", true).await;
        peer
    }
}

pub(super) struct Peer {
    reader: BufReader<ReadHalf<Box<dyn Stream>>>,
    writer: WriteHalf<Box<dyn Stream>>,
    /// Read while something else was looked for.
    unread: VecDeque<Value>,
}

impl Peer {
    fn new(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Peer {
            reader: BufReader::new(reader),
            writer,
            unread: VecDeque::new(),
        }
    }

    pub(super) async fn send(&mut self, text: &str) {
        let text = format!("{text}\n");
        self.writer
            .write_all(text.as_bytes())
            .await
            .expect("connected");
        self.writer.flush().await.expect("connected");
    }

    pub(super) async fn call(&mut self, method: &str, params: Value) {
        self.send(&json!({"id": null, "method": method, "params": params}).to_string())
            .await;
    }

    pub(super) async fn reply(&mut self, request: &Value, result: Value) {
        self.send(&json!({"id": request["id"], "result": result, "error": null}).to_string())
            .await;
    }

    pub(super) async fn refuse(&mut self, request: &Value, code: u64, text: &str) {
        let error = json!([code, text, null]);
        self.send(&json!({"id": request["id"], "result": null, "error": error}).to_string())
            .await;
    }

    /// The next request of this method; others before it are kept for later.
    pub(super) async fn expect(&mut self, method: &str) -> Value {
        if let Some(at) = self.unread.iter().position(|line| line["method"] == method) {
            return self.unread.remove(at).expect("just found");
        }
        loop {
            let line = self
                .line()
                .await
                .unwrap_or_else(|| panic!("closed while waiting for {method}"));
            if line["method"] == method {
                return line;
            }
            self.unread.push_back(line);
        }
    }

    /// The next request, whatever it is; `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<Value> {
        match self.unread.pop_front() {
            Some(line) => Some(line),
            None => self.line().await,
        }
    }

    async fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = soon("a line", self.reader.read_line(&mut line)).await;
        match read {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("we write JSON")),
        }
    }

    /// Reads until the other side has closed.
    pub(super) async fn closed(&mut self) {
        while self.line().await.is_some() {}
    }

    pub(super) async fn handshake(&mut self, extranonce1: &str, extranonce2_size: usize) {
        let configure = self.expect("mining.configure").await;
        self.reply(
            &configure,
            json!({"version-rolling": true, "version-rolling.mask": "1fffe000"}),
        )
        .await;
        let subscribe = self.expect("mining.subscribe").await;
        self.reply(
            &subscribe,
            json!([[["mining.notify", "s"]], extranonce1, extranonce2_size]),
        )
        .await;
        let authorize = self.expect("mining.authorize").await;
        self.reply(&authorize, json!(true)).await;
        // As most pools do; it must make no difference.
        let subscribe = self.expect("mining.extranonce.subscribe").await;
        self.refuse(&subscribe, 20, "unknown method").await;
        self.call("mining.set_difficulty", json!([64])).await;
    }

    pub(super) async fn notify(&mut self, id: &str, clean: bool) {
        self.call("mining.notify", job(id, clean)).await;
    }
}

pub(super) fn job(id: &str, clean: bool) -> Value {
    json!([
        id,
        "00".repeat(32),
        "0102",
        "0304",
        ["05".repeat(32)],
        "20000000",
        "1d00ffff",
        "66000000",
        clean
    ])
}
