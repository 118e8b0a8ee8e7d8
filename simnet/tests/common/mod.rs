//! What the tests share: waiting times, a pool and devices, and a client that says
//! exactly what it is told to.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use simnet::bitaxe::{PoolAddress, SimBitaxe, SimBitaxeOptions, Timing};
use simnet::pool::{SimPool, SimPoolHandle, SimPoolOptions};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// About 430 hashes a share.
pub(crate) const EASY: f64 = 1e-7;

/// A pool without jobs of its own accord.
pub(crate) async fn pool(change: impl FnOnce(&mut SimPoolOptions)) -> SimPoolHandle {
    let mut options = SimPoolOptions {
        difficulty: EASY,
        job_interval: None,
        ..SimPoolOptions::default()
    };
    change(&mut options);
    SimPool::start(options).await.unwrap()
}

/// A fast-living Bitaxe at a pool.
pub(crate) fn bitaxe(
    pool: &SimPoolHandle,
    change: impl FnOnce(&mut SimBitaxeOptions),
) -> SimBitaxe {
    let primary = PoolAddress::new(pool.address().to_string(), "bc1qsim.one");
    let mut options = SimBitaxeOptions::new(primary, 200_000.0);
    options.timing = Timing::fast();
    change(&mut options);
    SimBitaxe::start(options)
}

/// A client that says what it is told to and shows every line.
pub(crate) struct RawClient {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> RawClient {
        let stream = TcpStream::connect(address).await.unwrap();
        let (read, write) = stream.into_split();
        RawClient {
            lines: BufReader::new(read).lines(),
            write,
        }
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.write
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    pub(crate) async fn call(&mut self, id: u64, method: &str, params: Value) {
        self.send(&json!({ "id": id, "method": method, "params": params }))
            .await;
    }

    /// The next line; `None` when the pool has closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line())
            .await
            .unwrap();
        let line = line.ok()??;
        Some(serde_json::from_str(&line).unwrap_or(Value::String(line)))
    }

    /// The reply to this id; everything else is skipped.
    pub(crate) async fn reply(&mut self, id: u64) -> Value {
        self.until(|message| message["id"] == json!(id)).await
    }

    /// The next message of this method; everything else is skipped.
    pub(crate) async fn push(&mut self, method: &str) -> Value {
        self.until(|message| message["method"] == json!(method))
            .await["params"]
            .take()
    }

    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await.expect("still connected");
            if is_it(&message) {
                return message;
            }
        }
    }
}
