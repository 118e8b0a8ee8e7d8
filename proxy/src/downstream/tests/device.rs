//! A device on a real socket, line by line.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing in these tests takes longer, unless it never comes.
const SOON: Duration = Duration::from_secs(20);

pub(super) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(SOON, future).await.expect("did not happen in time")
}

pub(super) struct Device<S> {
    stream: BufReader<S>,
}

impl Device<TcpStream> {
    pub(super) async fn connect(address: std::net::SocketAddr) -> Self {
        Device::new(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Device<S> {
    pub(super) fn new(stream: S) -> Self {
        Device {
            stream: BufReader::new(stream),
        }
    }

    pub(super) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next line; `None` when the connection is closed.
    pub(super) async fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match soon(self.stream.read_line(&mut line)).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }

    /// The next line with this method, or with this id when it is a reply.
    pub(super) async fn expect(&mut self, what: &str) -> Value {
        loop {
            let line = self
                .line()
                .await
                .unwrap_or_else(|| panic!("closed before {what}"));
            if line["method"] == what || (line["method"].is_null() && kind_of(&line) == what) {
                return line;
            }
        }
    }

    /// Everything until the connection is closed.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
        rest
    }

    /// The handshake of a Bitaxe, and its first job.
    pub(super) async fn begin(&mut self, username: &str) -> Value {
        let breath = format!(
            "{}\n{}\n{}\n",
            r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}"#,
            r#"{"id":2,"method":"mining.subscribe","params":["bitaxe/BM1370/v2.9.0"]}"#,
            super::authorize(3, username),
        );
        self.send(&breath).await;
        self.expect("mining.notify").await
    }
}

/// A reply's id as JSON text.
fn kind_of(line: &Value) -> String {
    line["id"].to_string()
}
