//! The probe by which a Bitaxe on its fallback finds out that the primary is back.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{PoolAddress, Timing, requests};
use crate::net;

/// ESP-Miner reads into 1024 bytes and keeps the last for the string's end.
const READ_BYTES: usize = 1_023;

/// Subscribe and authorize, no configure, then ONE read: good if it has
/// `mining.notify` in it.
pub(crate) async fn is_back(
    pool: &PoolAddress,
    user_agent: &str,
    local: Option<IpAddr>,
    timing: &Timing,
) -> bool {
    match try_probe(pool, user_agent, local, timing).await {
        Ok(answer) => {
            let wanted = b"mining.notify";
            answer.windows(wanted.len()).any(|window| window == wanted)
        }
        Err(error) => {
            tracing::debug!(%error, target = pool.target, "probe failed");
            false
        }
    }
}

async fn try_probe(
    pool: &PoolAddress,
    user_agent: &str,
    local: Option<IpAddr>,
    timing: &Timing,
) -> std::io::Result<Vec<u8>> {
    let connecting = net::connect(&pool.target, local);
    let mut stream = within(timing.connect_timeout, connecting).await?;
    for line in requests::probe(user_agent, pool) {
        stream.write_all(line.as_bytes()).await?;
    }
    let mut answer = vec![0; READ_BYTES];
    let read = within(timing.probe_read_timeout, stream.read(&mut answer)).await?;
    answer.truncate(read);
    Ok(answer)
}

async fn within<T>(
    limit: Duration,
    io: impl Future<Output = std::io::Result<T>>,
) -> std::io::Result<T> {
    timeout(limit, io)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}
