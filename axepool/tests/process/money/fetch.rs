//! HTTP down to the bytes.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::PoolProcess;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    /// Lower case, a line each.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| *key == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {}", self.head))
            .1
    }

    /// The body.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = || String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", text()))
    }
}

/// Where the pages are.
pub async fn http(pool: &PoolProcess) -> SocketAddr {
    pool.status().await.http[0]
}

/// Asks for a page; `more` are further headers with their line ends.
pub async fn fetch(address: SocketAddr, path: &str, more: &str) -> Answer {
    ask(address, "GET", path, more, "").await
}

/// Asks for anything.
pub async fn ask(address: SocketAddr, method: &str, path: &str, more: &str, body: &str) -> Answer {
    ask_as("test", address, (method, path), more, body).await
}

/// Asks for anything, and calls the server `host`.
pub async fn ask_as(
    host: &str,
    address: SocketAddr,
    (method, path): (&str, &str),
    more: &str,
    body: &str,
) -> Answer {
    let mut stream = send(host, address, (method, path), more, body).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("read");
    let body = answer.split_off(end_of_head(&answer).expect("a head"));
    taken_apart(answer, body)
}

/// The head of what is at `path`, and nothing of the body: for one that has no end.
pub async fn fetch_head(address: SocketAddr, path: &str) -> Answer {
    let mut stream = send("test", address, ("GET", path), "", "").await;
    let mut answer = Vec::new();
    let end = loop {
        if let Some(end) = end_of_head(&answer) {
            break end;
        }
        let read = stream.read_buf(&mut answer).await.expect("read");
        assert!(read > 0, "{path} ends in its head: {answer:?}");
    };
    answer.truncate(end);
    taken_apart(answer, Vec::new())
}

async fn send(
    host: &str,
    address: SocketAddr,
    (method, path): (&str, &str),
    more: &str,
    body: &str,
) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Length: {}\r\n{more}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("write");
    stream
}

/// Where the body begins.
fn end_of_head(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    end.map(|end| end + 4)
}

fn taken_apart(head: Vec<u8>, body: Vec<u8>) -> Answer {
    let head = String::from_utf8(head).expect("text").to_lowercase();
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        code: code.expect("a code"),
        head,
        body,
    }
}

/// A page that is there.
pub async fn page(pool: &PoolProcess, path: &str) -> Value {
    let answer = fetch(http(pool).await, path, "").await;
    assert_eq!(answer.code, 200, "{path}: {answer:?}");
    answer.json()
}
