//! Strangers at the HTTP listeners, from addresses of their own, with honest requests
//! beside them that all have to be answered.

mod answers;
mod bodies;
mod certificate;
mod connections;
mod names;
mod websockets;

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use pool::admin::MintState;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::common::{PATIENCE, PoolProcess};

/// What was refused, by listener and reason.
pub(crate) const REFUSED: &str = "axepool_listener_refused_total";

/// How long an honest visitor waits for an answer.
const HONEST_PATIENCE: Duration = Duration::from_secs(5);

/// Honest requests beside an attack, at least.
const HONEST: usize = 40;

/// All of 127.0.0.0/8 is this machine.
pub(crate) fn local(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// A connection from an address of one's own.
pub(crate) async fn connect(from: u8, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(local(from), 0))?;
    socket.connect(to).await
}

/// `count` connections from each of `addresses`, each with `sent` written to it.
pub(crate) async fn crowd(
    addresses: std::ops::Range<u8>,
    count: usize,
    to: SocketAddr,
    sent: &str,
) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for address in addresses {
        for _ in 0..count {
            let Ok(mut stream) = connect(address, to).await else {
                continue;
            };
            // Refused ones are closed already.
            let _ = stream.write_all(sent.as_bytes()).await;
            crowd.push(stream);
        }
    }
    crowd
}

/// How many of them are still open.
pub(crate) fn open(crowd: &[TcpStream]) -> usize {
    let is_open = |stream: &&TcpStream| {
        let mut byte = [0];
        matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    };
    crowd.iter().filter(is_open).count()
}

/// A GET without a body, on a connection of its own.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}

/// The status and the whole answer to `request` from an address of one's own.
pub(crate) async fn ask(from: u8, to: SocketAddr, request: &str) -> io::Result<(u16, String)> {
    let asking = async {
        let mut stream = connect(from, to).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        match (status, read) {
            (Some(status), _) => Ok((status, answer)),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    };
    let asked = timeout(HONEST_PATIENCE, asking).await;
    asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Runs `attack` with honest requests for `paths` beside it, one every 20 ms from an
/// address of their own. All of them are answered with 200.
pub(crate) async fn beside<T>(
    to: SocketAddr,
    paths: &'static [&'static str],
    attack: impl Future<Output = T>,
) -> T {
    let (stop, mut stopped) = oneshot::channel::<()>();
    let honest = tokio::spawn(async move {
        let mut took = Vec::new();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for path in paths.iter().cycle() {
            if took.len() >= HONEST && stopped.try_recv().is_ok() {
                break;
            }
            pace.tick().await;
            let begun = Instant::now();
            let answer = ask(200, to, &get(path)).await;
            match answer {
                Ok((200, _)) => took.push(begun.elapsed()),
                other => panic!("honest request {} for {path}: {other:?}", took.len()),
            }
        }
        took
    });
    let done = attack.await;
    let _ = stop.send(());
    let mut took = honest.await.expect("all honest requests are answered");
    took.sort_unstable();
    let p99 = took[(took.len() - 1) * 99 / 100];
    let count = took.len();
    let _ = writeln!(
        io::stderr(),
        "{count} honest requests answered, p99 {p99:?}"
    );
    done
}

/// Waits until the mint is open.
pub(crate) async fn mint_is_open(pool: &PoolProcess) {
    pool.poll("the mint", async |pool| {
        (pool.status().await.mint.state == MintState::Open).then_some(())
    })
    .await;
}

/// How often the listener refused somebody for this reason.
pub(crate) async fn refused(pool: &PoolProcess, listener: &str, reason: &str) -> f64 {
    let metrics = pool.metrics().await;
    // The listener may be full itself for a moment.
    let told = pool.poll("the metrics", async |_| {
        ask(201, metrics, &get("/metrics")).await.ok()
    });
    let (_, text) = told.await;
    let labels = format!("{{listener=\"{listener}\",reason=\"{reason}\"}}");
    let name = format!("{REFUSED}{labels} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    let value = line.and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("{name} in {text}"))
}

/// All bytes until the other side ends the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let reading = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // A reset is an end, too.
    let _ = reading.unwrap_or_else(|_| panic!("not closed within {PATIENCE:?}"));
    rest
}
