//! A miner as thin as can be: its part of the protocol, without socket or clock.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::hex::DisplayHex as _;
use serde_json::{Value, json};

use crate::grind::Grinder;
use crate::stratum::{Notify, ServerMessage, Target};

/// Nonces tried before others get their turn.
pub(crate) const CHUNK: u32 = 4_096;

/// The ids of the handshake; submits count on from the last.
const SUBSCRIBE: u64 = 2;
const AUTHORIZE: u64 = 3;
const LAST_HANDSHAKE_ID: u64 = 4;

/// The last job that anyone was told of: mostly all are told the same, and it is read
/// only once.
#[derive(Debug, Default)]
pub(crate) struct NotifyCache(Mutex<Option<(Vec<u8>, Arc<Notify>)>>);

impl NotifyCache {
    fn read(&self, line: &[u8]) -> Option<Arc<Notify>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, notify)) = &*last
            && known == line
        {
            return Some(Arc::clone(notify));
        }
        match ServerMessage::parse(std::str::from_utf8(line).ok()?) {
            ServerMessage::Notify(Ok(notify)) => {
                let notify: Arc<Notify> = (*notify).into();
                *last = Some((line.to_vec(), Arc::clone(&notify)));
                Some(notify)
            }
            _ => None,
        }
    }
}

/// What a line meant.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A job.
    Job(Arc<Notify>),
    /// The share in flight was answered with `true`.
    Accepted,
    /// It was answered with anything else: code and text.
    Rejected(String),
    /// The username was refused.
    Refused(String),
    /// To be written back.
    Ping(Value),
    /// Something else.
    Other,
}

/// Why there is no share to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoShare {
    /// No job, or none that can be worked on.
    NoJob,
    /// None was found yet; others should get their turn.
    NotYet,
    /// It would take that many hashes.
    TooHard { work: u128 },
}

#[derive(Debug)]
struct Job {
    notify: Arc<Notify>,
    grinder: Grinder,
    work: u128,
    next_nonce: u32,
}

/// One miner's state.
#[derive(Debug)]
pub(crate) struct ThinMiner {
    username: String,
    extranonce: Option<(Vec<u8>, usize)>,
    authorized: bool,
    difficulty: f64,
    job: Option<Job>,
    last_notify: Option<Arc<Notify>>,
    last_id: u64,
    in_flight: bool,
}

impl ThinMiner {
    pub(crate) fn new(username: String) -> ThinMiner {
        ThinMiner {
            username,
            extranonce: None,
            authorized: false,
            difficulty: 1.0,
            job: None,
            last_notify: None,
            last_id: LAST_HANDSHAKE_ID,
            in_flight: false,
        }
    }

    /// The handshake as one write.
    pub(crate) fn greeting(&self, suggest: Option<f64>) -> Vec<u8> {
        let configure = json!([["version-rolling"], { "version-rolling.mask": "ffffffff" }]);
        let mut calls = vec![
            (1, "mining.configure", configure),
            (SUBSCRIBE, "mining.subscribe", json!(["axepool-load/1"])),
        ];
        if let Some(difficulty) = suggest {
            calls.push((
                LAST_HANDSHAKE_ID,
                "mining.suggest_difficulty",
                json!([difficulty]),
            ));
        }
        calls.push((AUTHORIZE, "mining.authorize", json!([self.username, "x"])));
        let lines = calls.into_iter().map(|(id, method, params)| {
            format!(
                "{}\n",
                json!({ "id": id, "method": method, "params": params })
            )
        });
        lines.collect::<String>().into_bytes()
    }

    /// It is authorized and has a job.
    pub(crate) fn is_ready(&self) -> bool {
        self.authorized && self.job.is_some()
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// Takes a line of the server's.
    pub(crate) fn hear(&mut self, line: &[u8], cache: &NotifyCache) -> Heard {
        // What comes most often is told apart without reading it all.
        if !contains(line, b"\"method\"") {
            let is_true = contains(line, b"\"result\":true") || contains(line, b"\"result\": true");
            if self.in_flight && is_true {
                self.in_flight = false;
                return Heard::Accepted;
            }
        } else if contains(line, b"mining.notify") {
            let Some(notify) = cache.read(line) else {
                return Heard::Other;
            };
            self.last_notify = Some(Arc::clone(&notify));
            self.start();
            return Heard::Job(notify);
        }
        let line = String::from_utf8_lossy(line);
        match ServerMessage::parse(&line) {
            ServerMessage::Reply { id, result, error } => self.hear_reply(id, &result, &error),
            ServerMessage::SetDifficulty(difficulty) => {
                self.difficulty = difficulty;
                Heard::Other
            }
            ServerMessage::SetExtranonce {
                extranonce1,
                extranonce2_size,
            } => {
                self.extranonce = Some((extranonce1, extranonce2_size));
                self.start();
                Heard::Other
            }
            ServerMessage::Ping { id } => Heard::Ping(id),
            _ => Heard::Other,
        }
    }

    fn hear_reply(&mut self, id: u64, result: &Value, error: &Value) -> Heard {
        if id == SUBSCRIBE {
            let extranonce1 = result[1].as_str().and_then(crate::stratum::bytes_of_hex);
            let size = result[2]
                .as_u64()
                .and_then(|size| usize::try_from(size).ok());
            self.extranonce = extranonce1.zip(size.filter(|size| *size <= 32));
            self.start();
        } else if id == AUTHORIZE {
            self.authorized = result == &Value::Bool(true);
            if !self.authorized {
                return Heard::Refused(reason(error));
            }
        } else if id == self.last_id && self.in_flight {
            self.in_flight = false;
            return Heard::Rejected(reason(error));
        }
        Heard::Other
    }

    /// Begins with the job last told, at the difficulty last told.
    fn start(&mut self) {
        let (Some(notify), Some((extranonce1, size))) = (&self.last_notify, &self.extranonce)
        else {
            return;
        };
        let Some(target) = Target::of_difficulty(self.difficulty) else {
            return;
        };
        let root = notify.merkle_root(extranonce1, &vec![0; *size]);
        let header = notify.header(&root, notify.version, notify.ntime, 0);
        self.job = Some(Job {
            notify: Arc::clone(notify),
            grinder: Grinder::new(&header, target),
            work: target.work(),
            next_nonce: 0,
        });
    }

    /// Looks for the next share for a while and writes its submit into `line`.
    pub(crate) fn next_share(&mut self, max_work: u64, line: &mut Vec<u8>) -> Result<(), NoShare> {
        let Some(job) = &mut self.job else {
            return Err(NoShare::NoJob);
        };
        if job.work > u128::from(max_work) {
            return Err(NoShare::TooHard { work: job.work });
        }
        let Some((offset, _)) = job.grinder.find(job.next_nonce, CHUNK) else {
            job.next_nonce = job.next_nonce.wrapping_add(CHUNK);
            return Err(NoShare::NotYet);
        };
        let nonce = job.next_nonce.wrapping_add(offset);
        job.next_nonce = nonce.wrapping_add(1);
        self.last_id += 1;
        self.in_flight = true;
        let extranonce2 = vec![0u8; self.extranonce.as_ref().map_or(0, |(_, size)| *size)];
        line.clear();
        writeln!(
            line,
            "{{\"id\":{},\"method\":\"mining.submit\",\"params\":[\"{}\",{},\"{}\",\"{:08x}\",\"{nonce:08x}\",\"00000000\"]}}",
            self.last_id,
            self.username,
            Value::from(&*job.notify.job_id),
            extranonce2.as_hex(),
            job.notify.ntime,
        )
        .expect("a vector takes what memory takes");
        Ok(())
    }
}

fn reason(error: &Value) -> String {
    let text = match (error[0].as_i64(), error[1].as_str()) {
        (Some(code), Some(text)) => format!("{code} {text}"),
        _ => error.to_string(),
    };
    text.chars().take(100).collect()
}

fn contains(line: &[u8], wanted: &[u8]) -> bool {
    line.windows(wanted.len()).any(|window| window == wanted)
}
