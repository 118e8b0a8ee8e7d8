//! The shell around a thin miner.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};

use super::fan_out::Arrival;
use super::generator::Shared;
use super::thin_miner::{Heard, NoShare, ThinMiner};
use super::{KeyForm, LoadMode};
use crate::keys::SimKey;
use crate::net;
use crate::stratum::{LineError, LineReader};

/// Arrivals remembered of each miner.
const MAX_ARRIVALS: usize = 4_096;
/// A server that takes nothing for so long has lost the miner.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The way from the server, plain or TLS.
type Read = Box<dyn AsyncRead + Send + Unpin>;
/// The way to it.
type Write = Box<dyn AsyncWrite + Send + Unpin>;

/// What a miner has to tell in the end.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) lost: bool,
    pub(crate) unanswered: bool,
    pub(crate) arrivals: Vec<Arrival>,
}

struct Connection {
    shared: Arc<Shared>,
    miner: ThinMiner,
    lines: LineReader<Read>,
    write: Write,
    sent_at: Instant,
    outcome: Outcome,
}

/// Connects, says that it is ready (or why it never will be), waits for the start and
/// does its part until the end.
pub(crate) async fn run(
    shared: Arc<Shared>,
    index: usize,
    connecting: Arc<Semaphore>,
    ready: mpsc::Sender<Result<(), String>>,
) -> Outcome {
    let opened = {
        // The semaphore is never closed.
        let _slot = connecting.acquire().await;
        tokio::select! {
            () = shared.stop.cancelled() => return Outcome::default(),
            opened = open(&shared, index) => opened,
        }
    };
    let (told, connection) = match opened {
        Ok(connection) => (Ok(()), Some(connection)),
        Err(reason) => (Err(reason), None),
    };
    // The receiver is gone when the time to connect is up: then nobody waits for us.
    let is_awaited = ready.send(told).await.is_ok();
    drop(ready);
    match connection {
        Some(mut connection) if is_awaited => {
            connection.outcome.lost = connection.take_part().await.is_err();
            connection.outcome.unanswered = connection.miner.is_in_flight();
            connection.outcome
        }
        _ => Outcome::default(),
    }
}

async fn open(shared: &Arc<Shared>, index: usize) -> Result<Connection, String> {
    let options = &shared.options;
    let key = SimKey::derive(options.seed, index as u64);
    let username = match options.key_form {
        KeyForm::Npub => key.username("load"),
        KeyForm::Hex => format!("{}.load", key.hex),
    };
    let local = options.local_address(index, shared.address.ip());
    let (read, write) = connect(shared, local).await?;
    let mut connection = Connection {
        shared: Arc::clone(shared),
        miner: ThinMiner::new(username),
        lines: LineReader::new(read),
        write,
        sent_at: Instant::now(),
        outcome: Outcome::default(),
    };
    let greeting = connection.miner.greeting(options.suggest_difficulty);
    let greeted = write_all(&mut connection.write, &greeting).await;
    greeted.map_err(|error| format!("handshake: {error}"))?;
    while !connection.miner.is_ready() {
        match connection
            .hear()
            .await
            .map_err(|error| format!("handshake: {error}"))?
        {
            Heard::Refused(reason) => return Err(format!("authorize: {reason}")),
            Heard::Ping(id) => connection
                .pong(&id)
                .await
                .map_err(|error| error.to_string())?,
            _ => {}
        }
    }
    Ok(connection)
}

async fn connect(shared: &Shared, local: Option<IpAddr>) -> Result<(Read, Write), String> {
    let opening = net::connect(&shared.options.target, local);
    let stream = opening.await.map_err(|error| format!("connect: {error}"))?;
    let Some(tls) = &shared.tls else {
        let (read, write) = stream.into_split();
        return Ok((Box::new(read), Box::new(write)));
    };
    let opening = tls.connect(stream);
    let stream = opening.await.map_err(|error| format!("TLS: {error}"))?;
    let (read, write) = tokio::io::split(stream);
    Ok((Box::new(read), Box::new(write)))
}

impl Connection {
    async fn take_part(&mut self) -> Result<(), LineError> {
        let mut line = Vec::new();
        loop {
            let has_begun = self.shared.go.is_cancelled();
            let wants = has_begun && self.shared.options.mode == LoadMode::Shares;
            let sent = !wants || self.miner.is_in_flight() || self.send_share(&mut line).await?;
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return Ok(()),
                () = self.shared.go.cancelled(), if !has_begun => {}
                place = self.lines.next_place() => {
                    let heard = self.miner.hear(self.lines.bytes(place?), &self.shared.cache);
                    self.note(heard).await?;
                }
                // None found yet: look for lines, but do not wait for one.
                () = std::future::ready(()), if !sent => tokio::task::yield_now().await,
            }
        }
    }

    /// False if it has to go on looking for a share.
    async fn send_share(&mut self, line: &mut Vec<u8>) -> Result<bool, LineError> {
        match self
            .miner
            .next_share(self.shared.options.max_work_per_share, line)
        {
            Ok(()) => {
                self.sent_at = Instant::now();
                write_all(&mut self.write, line).await?;
                Ok(true)
            }
            Err(NoShare::NoJob) => Ok(true),
            Err(NoShare::NotYet) => Ok(false),
            Err(NoShare::TooHard { work }) => {
                self.shared.too_hard(work);
                Ok(true)
            }
        }
    }

    async fn note(&mut self, heard: Heard) -> Result<(), LineError> {
        match heard {
            Heard::Job(notify) => {
                let is_room = self.outcome.arrivals.len() < MAX_ARRIVALS;
                if is_room && self.shared.go.is_cancelled() {
                    self.outcome.arrivals.push((notify, Instant::now()));
                }
            }
            Heard::Accepted => self.shared.accepted(self.sent_at.elapsed()),
            Heard::Rejected(reason) => self.shared.rejected(reason, self.sent_at.elapsed()),
            Heard::Ping(id) => self.pong(&id).await?,
            Heard::Refused(_) | Heard::Other => {}
        }
        Ok(())
    }

    async fn hear(&mut self) -> Result<Heard, LineError> {
        let place = self.lines.next_place().await?;
        Ok(self.miner.hear(self.lines.bytes(place), &self.shared.cache))
    }

    async fn pong(&mut self, id: &serde_json::Value) -> Result<(), LineError> {
        let pong = serde_json::json!({ "id": id, "result": "pong", "error": null });
        write_all(&mut self.write, format!("{pong}\n").as_bytes()).await
    }
}

async fn write_all(write: &mut Write, bytes: &[u8]) -> Result<(), LineError> {
    let writing = async {
        write.write_all(bytes).await?;
        // TLS may hold a part back until it is asked.
        write.flush().await
    };
    match tokio::time::timeout(WRITE_TIMEOUT, writing).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(LineError::Io(std::io::ErrorKind::TimedOut.into())),
    }
}
