//! Miners that keep a pool's process under load whatever happens to it, one share in
//! flight each, and count exactly what they were told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use simnet::keys::SimKey;
use simnet::stratum::Target;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Verdict};
use crate::common::PATIENCE;
use crate::world::{Credit, TINY, key};

/// What one miner was told of its shares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Answered with `true`.
    pub accepted: u64,
    /// In flight when the connection ended.
    pub lost: u64,
    /// Answered with "stale" or "job not found": the upstream was away.
    pub stale: u64,
    /// Answered with "share not stored".
    pub not_stored: u64,
    /// Times that nobody listened.
    pub refused: u64,
}

/// How fast a miner goes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between an answer and the next share.
    pub between_shares: Duration,
    /// Before the next try to connect.
    pub before_retry: Duration,
}

impl Pace {
    /// As fast as it can. A device waits before it tries again, and so a dead port is not
    /// stormed.
    const FAST: Pace = Pace {
        between_shares: Duration::ZERO,
        before_retry: Duration::from_millis(5),
    };
}

/// The running miners.
#[derive(Debug)]
pub struct Load {
    stop: CancellationToken,
    accepted: Arc<AtomicU64>,
    not_stored: Arc<AtomicU64>,
    miners: Vec<(SimKey, Arc<AtomicU64>, JoinHandle<Told>)>,
}

impl Load {
    /// Starts `count` miners, with a key each, at an address where the pool may come and
    /// go.
    pub fn start(address: SocketAddr, count: u64) -> Load {
        Load::start_at(Pace::FAST, address, count)
    }

    /// The same at a pace.
    pub fn start_at(pace: Pace, address: SocketAddr, count: u64) -> Load {
        let stop = CancellationToken::new();
        let accepted = Arc::new(AtomicU64::new(0));
        let not_stored = Arc::new(AtomicU64::new(0));
        let miners = (0..count).map(|index| {
            let key = key(100 + index);
            let accepted_here = Arc::new(AtomicU64::new(0));
            let miner = Miner {
                pace,
                accepted: Arc::clone(&accepted_here),
                address,
                name: key.username("load"),
                stop: stop.clone(),
                all_accepted: Arc::clone(&accepted),
                all_not_stored: Arc::clone(&not_stored),
                told: Told::default(),
            };
            (key, accepted_here, tokio::spawn(miner.run()))
        });
        Load {
            miners: miners.collect(),
            stop,
            accepted,
            not_stored,
        }
    }

    /// Waits until `count` more shares are answered with `true`.
    pub async fn accepts(&self, count: u64) {
        reaches(&self.accepted, count, "accepted").await;
    }

    /// Waits until `count` more shares are answered with "not stored".
    pub async fn refuses(&self, count: u64) {
        reaches(&self.not_stored, count, "not stored").await;
    }

    /// Waits until each miner has one more share answered with `true`.
    pub async fn everybody_accepts(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let before: Vec<u64> = self.accepted_by_each().collect();
        loop {
            let now = self.accepted_by_each().zip(&before);
            let waiting = now.filter(|(now, before)| now <= before).count();
            if waiting == 0 {
                return;
            }
            let count = before.len();
            assert!(
                Instant::now() < deadline,
                "{waiting} of {count} miners have no share accepted within {within:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn accepted_by_each(&self) -> impl Iterator<Item = u64> {
        let counters = self.miners.iter().map(|(_, accepted, _)| accepted);
        counters.map(|accepted| accepted.load(Ordering::Relaxed))
    }

    /// Ends it; what each was told.
    pub async fn stop(self) -> Vec<(SimKey, Told)> {
        self.stop.cancel();
        let mut told = Vec::new();
        for (key, _, miner) in self.miners {
            told.push((key, miner.await.expect("no miner panics")));
        }
        told
    }
}

async fn reaches(counter: &AtomicU64, more: u64, what: &str) {
    let wanted = counter.load(Ordering::Relaxed) + more;
    let deadline = Instant::now() + PATIENCE;
    while counter.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < deadline, "no share is {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

struct Miner {
    pace: Pace,
    accepted: Arc<AtomicU64>,
    address: SocketAddr,
    name: String,
    stop: CancellationToken,
    all_accepted: Arc<AtomicU64>,
    all_not_stored: Arc<AtomicU64>,
    told: Told,
}

impl Miner {
    async fn run(mut self) -> Told {
        while !self.stop.is_cancelled() {
            let connected = Client::try_connect(self.address).await;
            match connected {
                Ok(mut client) => {
                    if client.login(&self.name).await.is_some() {
                        self.mine(&mut client).await;
                    }
                }
                Err(_) => self.told.refused += 1,
            }
            tokio::time::sleep(self.pace.before_retry).await;
        }
        self.told
    }

    async fn mine(&mut self, client: &mut Client) {
        while !self.stop.is_cancelled() {
            let share = client.find();
            assert_eq!(share.work, work_each(), "all shares are of one work");
            match client.submit(&share).await {
                Verdict::Accepted => {
                    self.told.accepted += 1;
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    self.all_accepted.fetch_add(1, Ordering::Relaxed);
                    if !self.pace.between_shares.is_zero() {
                        tokio::time::sleep(self.pace.between_shares).await;
                    }
                }
                Verdict::Rejected(21, _) => {
                    self.told.stale += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Verdict::Rejected(20, text) if text.contains("not stored") => {
                    self.told.not_stored += 1;
                    self.all_not_stored.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Verdict::Rejected(code, text) => panic!("{code} {text}: {share:?}"),
                Verdict::Lost => {
                    self.told.lost += 1;
                    return;
                }
            }
        }
    }
}

/// The work of a share at [`TINY`].
pub fn work_each() -> u128 {
    Target::of_difficulty(TINY).expect("a difficulty").work()
}

/// Compares what one was told with what the ledger has: every share answered with `true`
/// is in it, at most those in flight are in it besides, and the work is theirs exactly.
#[track_caller]
pub fn compare(key: &SimKey, told: &Told, ledger: Option<&Credit>, spare: u64) {
    let (shares, work) = ledger.copied().unwrap_or_default();
    let (least, most) = (told.accepted, told.accepted + told.lost.min(spare));
    assert!(
        (least..=most).contains(&shares),
        "{}: {shares} shares in the ledger, told {told:?}",
        key.npub
    );
    assert_eq!(work, u128::from(shares) * work_each(), "{}", key.npub);
}
