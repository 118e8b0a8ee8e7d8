//! The shell around a miner: its socket, its clock, its hashing.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_util::sync::CancellationToken;

use super::device::Device;
use super::miner::{Do, Miner};
use super::pace::Pace;
use super::{BitaxeStats, Firmware, Misbehaviour, PoolAddress, PoolSide};
use crate::stratum::{LineReader, ServerMessage};

/// A pool that takes nothing for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// NerdMiner's buffer.
const NERD_MINER_LINE: usize = 4_096;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The pool closed it, or it failed.
    Lost,
    /// The pool asked for another.
    AskedToReconnect,
    /// The primary is back.
    GoHome,
    /// The device is switched off.
    Stopped,
}

/// Mines on a connection until it ends. Also tells whether authorize was answered.
pub(crate) async fn run(
    device: &Device,
    pool: &PoolAddress,
    side: PoolSide,
    stream: TcpStream,
    home: &CancellationToken,
) -> (Ended, bool) {
    let (read, write) = stream.into_split();
    let mut session = Session {
        device,
        miner: Miner::new(&device.options, pool, side),
        write,
        pace: Pace::new(Instant::now()),
        flood: Pace::new(Instant::now()),
        rests: false,
        extranonces: 0,
        doubles_until: Instant::now(),
    };
    let ended = session.converse(LineReader::new(read), home).await;
    device.stats.update(|stats| session.miner.end(stats));
    (ended, session.miner.authorize_answered())
}

struct Session<'a> {
    device: &'a Device,
    miner: Miner,
    write: OwnedWriteHalf,
    pace: Pace,
    flood: Pace,
    rests: bool,
    /// The extranonce1s that were noticed, and up to when work is done twice.
    extranonces: u64,
    doubles_until: Instant,
}

impl Session<'_> {
    async fn converse(
        &mut self,
        mut lines: LineReader<tokio::net::tcp::OwnedReadHalf>,
        home: &CancellationToken,
    ) -> Ended {
        let greeting = self.miner.greet();
        if let Some(ended) = self.perform(greeting).await {
            return ended;
        }
        loop {
            let next = tokio::time::Instant::from_std(self.pace.next(Instant::now()));
            tokio::select! {
                biased;
                () = self.device.cancel.cancelled() => return Ended::Stopped,
                () = home.cancelled() => return Ended::GoHome,
                line = lines.next_line() => {
                    let Ok(line) = line else { return Ended::Lost };
                    let todo = self.take_line(&line);
                    if let Some(ended) = self.perform(todo).await {
                        return ended;
                    }
                }
                () = tokio::time::sleep_until(next) => {
                    let todo = self.work();
                    if let Some(ended) = self.perform(todo).await {
                        return ended;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn take_line(&mut self, line: &str) -> Vec<Do> {
        let too_long =
            self.device.options.firmware == Firmware::NerdMiner && line.len() >= NERD_MINER_LINE;
        let message = if too_long {
            ServerMessage::Unknown
        } else {
            ServerMessage::parse(line)
        };
        let wrongs = self.device.misbehaviours();
        let todo = self
            .device
            .stats
            .update(|stats| self.miner.on_message(message, &wrongs, stats));
        let extranonces = self.miner.extranonces();
        if std::mem::replace(&mut self.extranonces, extranonces) != extranonces {
            self.doubles_until = Instant::now() + self.device.options.timing.doubled;
        }
        todo
    }

    /// Hashes what is due, and does other things that are due by the clock.
    fn work(&mut self) -> Vec<Do> {
        let now = Instant::now();
        let quota = self.device.quota();
        let hashrate = if self.device.stats.read(|stats| quota.has_room(stats)) {
            self.device.hashrate()
        } else {
            0.0
        };
        self.note_rest(hashrate <= 0.0);
        let hashes = self.pace.take(now, hashrate);
        let wrongs = self.device.misbehaviours();
        let flood = self.flood.take(now, flood_rate(&wrongs));
        let mut found = Vec::new();
        let hashed = self
            .miner
            .search()
            .map(|search| search.run(hashes, &mut found))
            .is_some();
        if !(hashed && hashes > 0) && flood == 0 {
            return Vec::new();
        }
        let doubled = now < self.doubles_until;
        let miner = &mut self.miner;
        self.device.stats.update(|stats: &mut BitaxeStats| {
            stats.hashes += if hashed { u64::from(hashes) } else { 0 };
            let mut todo: Vec<Do> = Vec::new();
            for share in &found {
                // Each one that is sent leaves less room for the next.
                if quota.lets_pass(share, stats) {
                    todo.extend(miner.on_found(share, doubled, &wrongs, stats));
                }
            }
            todo.extend((0..flood).map(|_| miner.junk(stats)));
            todo
        })
    }

    fn note_rest(&mut self, rests: bool) {
        if std::mem::replace(&mut self.rests, rests) != rests {
            self.device.stats.update(|stats| stats.resting = rests);
        }
    }

    /// `Some` when the connection is over.
    async fn perform(&mut self, todo: Vec<Do>) -> Option<Ended> {
        for act in todo {
            match act {
                Do::Write(line) => {
                    let writing = self.write.write_all(line.as_bytes());
                    let written = tokio::select! {
                        () = self.device.cancel.cancelled() => return Some(Ended::Stopped),
                        written = tokio::time::timeout(WRITE_TIMEOUT, writing) => written,
                    };
                    if !matches!(written, Ok(Ok(()))) {
                        return Some(Ended::Lost);
                    }
                }
                Do::GiveUp => return Some(Ended::Lost),
                Do::Reconnect => return Some(Ended::AskedToReconnect),
            }
        }
        None
    }
}

fn flood_rate(wrongs: &[Misbehaviour]) -> f64 {
    wrongs
        .iter()
        .map(|wrong| match wrong {
            Misbehaviour::Flood { per_second } => f64::from(*per_second),
            _ => 0.0,
        })
        .sum()
}
