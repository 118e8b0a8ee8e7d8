//! A world made of plain values for one session: of the tests, and of the fuzz target.
#![allow(clippy::unwrap_used, reason = "a panic is what both look for")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use accounting::ShareRecord;
use serde_json::Value;

use super::{Grant, Outgoing, Rules, Seats, Session, Turn};
use crate::clock::Now;
use crate::config::{DownstreamConfig, Limits};
use crate::downstream::address::AddressKey;
use crate::downstream::close::CloseReason;
use crate::downstream::metrics::Metrics;
use crate::downstream::registry::{Entered, Registry};
use crate::downstream::storms::Storms;
use crate::extranonce::Extranonce1;
use crate::job::{Assigned, JobContext, UpstreamJob};
use crate::seen::SeenHashes;
use crate::upstream::{LaneView, Unavailable, UpstreamSubmit};
use crate::wire::upstream::Notify;
use crate::{Difficulty, network_target};

/// The generator point: a key as good as any.
pub(super) const MINER: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/// So low that every hash is a share.
pub(super) const EVERY_HASH: f64 = 1e-10;

pub(super) const MASK: u32 = 0x1fff_e000;
pub(super) const NTIME: u32 = 0x6600_0000;

pub(super) fn difficulty(number: f64) -> Difficulty {
    Difficulty::new(number).unwrap()
}

/// A job as the upstream side makes it.
#[derive(Clone)]
pub(super) struct NewJob {
    pub(super) sequence: u64,
    pub(super) generation: u64,
    pub(super) difficulty: f64,
    pub(super) clean: bool,
    pub(super) nbits: u32,
    pub(super) mask: u32,
    pub(super) seen: Arc<SeenHashes>,
    pub(super) received_ms: u64,
}

impl NewJob {
    pub(super) fn numbered(sequence: u64, difficulty: f64) -> Self {
        NewJob {
            sequence,
            generation: 1,
            difficulty,
            clean: false,
            nbits: 0x1903_4219,
            mask: MASK,
            seen: Arc::default(),
            received_ms: 0,
        }
    }

    pub(super) fn make(self) -> Arc<UpstreamJob> {
        let notify = Notify {
            job_id: format!("upstream-{}", self.sequence).into(),
            prev_hash: [7; 32],
            coinb1: self.sequence.to_be_bytes().into(),
            coinb2: [3, 4].into(),
            merkle_branch: [[5; 32], [6; 32]].into(),
            version: 0x2000_0000,
            nbits: self.nbits,
            ntime: NTIME,
            clean_jobs: self.clean,
        };
        let context = JobContext {
            sequence: self.sequence,
            generation: self.generation,
            extranonce1: &[0xa0 + u8::try_from(self.generation).unwrap(); 4],
            extranonce2_size: 8,
            version_mask: self.mask,
            upstream: Assigned::of(difficulty(self.difficulty)),
            network_target: network_target(notify.nbits).unwrap(),
            seen: self.seen,
            received_ms: self.received_ms,
        };
        Arc::new(UpstreamJob::new(context, notify))
    }
}

/// What the upstream's side would hand out.
pub(super) struct FakeLane {
    pub(super) view: LaneView,
    pub(super) refusal: Option<Unavailable>,
    prefix: u8,
}

impl FakeLane {
    fn grant(&mut self) -> Result<Grant, Unavailable> {
        match self.refusal {
            Some(why) => Err(why),
            None if !self.view.up => Err(Unavailable::NoWork),
            None => {
                self.prefix += 1;
                let prefix = [0, self.prefix];
                Ok(Grant {
                    generation: self.view.generation,
                    extranonce1: Extranonce1::new(&self.view.extranonce1, &prefix).unwrap(),
                    view: Arc::new(self.view.clone()),
                })
            }
        }
    }
}

impl Seats for FakeLane {
    fn take(&mut self) -> Result<Grant, Unavailable> {
        self.grant()
    }

    fn renew(&mut self) -> Result<Grant, Unavailable> {
        self.grant()
    }
}

/// One session and everything around it.
pub(super) struct World {
    pub(super) session: Session,
    pub(super) rules: Rules,
    pub(super) lane: FakeLane,
    pub(super) metrics: Metrics,
    pub(super) storms: Storms,
    pub(super) entered: Entered,
    pub(super) now_ms: u64,
    /// False as when the ledger has failed for long.
    pub(super) storing: bool,
    pub(super) out: Vec<u8>,
    pub(super) outgoing: VecDeque<Outgoing>,
}

pub(super) fn rules() -> Rules {
    let config = DownstreamConfig {
        listen: vec![],
        tls: None,
        proxy_protocol_from: vec![],
        min_difficulty: difficulty(EVERY_HASH),
        start_difficulty: difficulty(1000.0),
        target_shares_per_minute: 8.0,
        limits: Limits {
            messages_per_second: 1_000,
            ..Limits::default()
        },
        upstream_grace: Duration::from_secs(60),
        store_grace: Duration::from_secs(300),
    };
    Rules::new(&config, 7)
}

/// Where the device is.
pub(super) fn address() -> AddressKey {
    AddressKey::of(std::net::IpAddr::from([192, 0, 2, 1]))
}

impl World {
    /// With one job of this upstream difficulty.
    pub(super) fn new(upstream_difficulty: f64) -> Self {
        Self::with_rules(upstream_difficulty, rules())
    }

    pub(super) fn with_rules(upstream_difficulty: f64, rules: Rules) -> Self {
        let job = NewJob::numbered(1, upstream_difficulty).make();
        let view = LaneView {
            up: true,
            generation: 1,
            extranonce1: job.extranonce1.clone(),
            extranonce2_size: 8,
            prefix_size: 2,
            version_mask: MASK,
            jobs: [job].into(),
        };
        World {
            session: Session::new(&rules, 0),
            rules,
            lane: FakeLane {
                view,
                refusal: None,
                prefix: 0,
            },
            metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
            storms: Storms::default(),
            entered: Registry::new(10).enter(false, 0).unwrap(),
            now_ms: 0,
            storing: true,
            out: Vec::new(),
            outgoing: VecDeque::new(),
        }
    }

    /// Subscribed and authorized, what was said so far read.
    pub(super) fn mining(upstream_difficulty: f64) -> Self {
        let mut world = World::new(upstream_difficulty);
        world.begin("bitaxe/BM1370/v2.9.0");
        world
    }

    pub(super) fn begin(&mut self, user_agent: &str) {
        self.say(&configure(1)).unwrap();
        self.say(&subscribe(2, user_agent)).unwrap();
        self.say(&authorize(3, MINER)).unwrap();
        self.heard();
    }

    pub(super) fn turn<T>(&mut self, event: impl FnOnce(&mut Session, &mut Turn<'_>) -> T) -> T {
        let mut turn = Turn {
            now: Now {
                us: self.now_ms * 1000,
                unix_ms: 1_700_000_000_000 + self.now_ms,
            },
            clock: Now::default,
            rules: &self.rules,
            refusal: (!self.storing).then_some(CloseReason::StoreFailing),
            seats: &mut self.lane,
            address: address(),
            storms: &self.storms,
            metrics: &self.metrics,
            entered: &self.entered,
            out: &mut self.out,
            outgoing: &mut self.outgoing,
        };
        event(&mut self.session, &mut turn)
    }

    pub(super) fn say(&mut self, line: &str) -> Result<(), CloseReason> {
        self.say_bytes(line.as_bytes())
    }

    pub(super) fn say_bytes(&mut self, line: &[u8]) -> Result<(), CloseReason> {
        self.turn(|session, turn| session.on_line(line, turn))
    }

    pub(super) fn tick(&mut self) -> Result<(), CloseReason> {
        self.turn(|session, turn| session.on_tick(turn))
    }

    /// Lets time pass as the shell does, waking the session when it wants to be.
    pub(super) fn wait(&mut self, ms: u64) -> Result<(), CloseReason> {
        let end_ms = self.now_ms + ms;
        loop {
            let due_ms = self.session.next_tick_ms(&self.rules);
            if due_ms > end_ms {
                self.now_ms = end_ms;
                return Ok(());
            }
            self.now_ms = self.now_ms.max(due_ms);
            self.tick()?;
            let next_ms = self.session.next_tick_ms(&self.rules);
            assert!(next_ms > self.now_ms, "a timer that is always due");
        }
    }

    /// Replaces the lane's view.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut LaneView)) -> Result<(), CloseReason> {
        change(&mut self.lane.view);
        let view = Arc::new(self.lane.view.clone());
        self.turn(|session, turn| session.on_view(view, turn))
    }

    /// The upstream gives a job.
    pub(super) fn job(&mut self, job: NewJob) -> Result<(), CloseReason> {
        let job = job.make();
        self.change(|view| {
            if job.clean_jobs {
                view.jobs.iter().for_each(|old| old.kill());
                view.jobs = [job].into();
            } else {
                view.jobs = view.jobs.iter().cloned().chain([job]).collect();
            }
        })
    }

    /// The lines since the last look; each must be whole and JSON.
    #[track_caller]
    pub(super) fn heard(&mut self) -> Vec<Value> {
        lines(&std::mem::take(&mut self.out))
    }

    /// The methods, and for replies `reply <id>`, since the last look.
    #[track_caller]
    pub(super) fn heard_kinds(&mut self) -> Vec<String> {
        self.heard().iter().map(kind).collect()
    }

    /// What waits for the ledger.
    pub(super) fn records(&self) -> Vec<&ShareRecord> {
        let records = self.outgoing.iter().filter_map(|outgoing| match outgoing {
            Outgoing::Record(record) => Some(record),
            Outgoing::Forward(_) => None,
        });
        records.collect()
    }

    /// What waits for the upstream.
    pub(super) fn forwards(&self) -> Vec<&UpstreamSubmit> {
        let forwards = self.outgoing.iter().filter_map(|outgoing| match outgoing {
            Outgoing::Forward(submit) => Some(submit),
            Outgoing::Record(_) => None,
        });
        forwards.collect()
    }

    /// The ledger decides all shares up to `sequence`, one by one.
    pub(super) fn decide_all(&mut self, sequence: u64, stored: bool) {
        let waiting = self.session.pending() as u64;
        for sequence in sequence - waiting + 1..=sequence {
            self.decide(sequence, stored);
        }
    }

    /// The ledger decides all shares up to `sequence`.
    pub(super) fn decide(&mut self, sequence: u64, stored: bool) {
        let ack = self.session.authorized().unwrap().ack.clone();
        if stored {
            ack.stored(sequence)
        } else {
            ack.refuse(sequence)
        }
        self.turn(|session, turn| {
            session.on_decided(sequence, || "no space left".to_owned(), turn)
        });
    }
}

#[track_caller]
pub(super) fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "half a line: {text}"
    );
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

pub(super) fn kind(line: &Value) -> String {
    match line["method"].as_str() {
        Some(method) => method.to_owned(),
        None => format!("reply {}", line["id"]),
    }
}

pub(super) fn configure(id: u32) -> String {
    format!(
        r#"{{"id":{id},"method":"mining.configure","params":[["version-rolling"],{{"version-rolling.mask":"ffffffff"}}]}}"#
    )
}

pub(super) fn subscribe(id: u32, user_agent: &str) -> String {
    format!(r#"{{"id":{id},"method":"mining.subscribe","params":["{user_agent}"]}}"#)
}

pub(super) fn authorize(id: u32, username: &str) -> String {
    format!(r#"{{"id":{id},"method":"mining.authorize","params":["{username}","x"]}}"#)
}

/// A submission with six bytes of extranonce2 and version bits, as ESP-Miner sends it.
pub(super) fn submit(id: u32, job: &str, nonce: u32) -> String {
    submit_at(id, job, NTIME, nonce)
}

pub(super) fn submit_at(id: u32, job: &str, ntime: u32, nonce: u32) -> String {
    format!(
        r#"{{"id":{id},"method":"mining.submit","params":["{MINER}","{job}","000000000001","{ntime:08x}","{nonce:08x}","00002000"]}}"#
    )
}
