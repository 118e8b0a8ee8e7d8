//! The device's side of one conversation: pure, told of messages and shares found,
//! answering with what to do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::search::{Found, Search, Terms};
use super::{
    AcceptedShare, BitaxeStats, Firmware, Misbehaviour, PoolAddress, PoolSide, SimBitaxeOptions,
    requests,
};
use crate::stratum::{Hash, Notify, ServerMessage, Target, achieved_difficulty};

/// ESP-Miner remembers so many job ids.
const SEEN_IDS: usize = 16;
/// ESP-Miner's difficulty until it is told one.
const INITIAL_DIFFICULTY: f64 = 8_192.0;
/// extranonce2 has room for so many bytes in ESP-Miner.
const MAX_EXTRANONCE2: usize = 32;
/// ESP-Miner's chip rolls these version bits until a mask is granted.
const CHIP_MASK: u32 = 0x1fff_e000;
/// The reasons for a reject that AxeOS v2.15 has an explanation for, letter by letter: what
/// it would show for any other is the bare text.
const EXPLAINED: [&str; 27] = [
    "Invalid nonce2 length",
    "Worker mismatch",
    "No nonce",
    "No ntime",
    "No nonce2",
    "No job_id",
    "No username",
    "Invalid array size",
    "Params not array",
    "Valid",
    "Invalid JobID",
    "Stale",
    "Ntime out of range",
    "Duplicate",
    "Above target",
    "Invalid version mask",
    "Subscription validation error",
    "Configuration validation error",
    "Authorization validation error",
    "Suggest difficulty validation error",
    "Mining Submit validation error",
    "Job not found",
    "Duplicate share",
    "Difficulty too low",
    "Unauthorized worker",
    "Not subscribed",
    "stale",
];
/// Submits whose answer is waited for; the oldest counts as lost when more wait.
const MAX_UNANSWERED: usize = 65_536;

/// What the miner wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Do {
    /// Write this line.
    Write(String),
    /// Give the connection up: something came that the firmware cannot take.
    GiveUp,
    /// Connect anew to the same place.
    Reconnect,
}

#[derive(Debug)]
struct Unanswered {
    hash: Option<Hash>,
    difficulty: f64,
}

/// One connection's state.
#[derive(Debug)]
pub(crate) struct Miner {
    firmware: Firmware,
    side: PoolSide,
    username: String,
    suggest: Option<f64>,
    wants_extranonce: bool,
    first_nonce: u32,
    share_log: usize,
    /// Handshake lines not sent yet, and the ids of the three kinds.
    handshake: VecDeque<String>,
    configure_id: Option<u64>,
    subscribe_id: u64,
    authorize_id: u64,
    next_id: u64,
    authorize_answered: bool,
    got_a_line: bool,
    extranonce: Option<(Vec<u8>, usize)>,
    mask: u32,
    /// How often it was given an extranonce1.
    extranonces: u64,
    next_difficulty: f64,
    seen_ids: VecDeque<String>,
    /// The job that waits for the reply to subscribe.
    waiting: Option<Arc<Notify>>,
    search: Option<Search>,
    unanswered: BTreeMap<u64, Unanswered>,
    shares: u64,
}

impl Miner {
    pub(crate) fn new(options: &SimBitaxeOptions, pool: &PoolAddress, side: PoolSide) -> Miner {
        let firmware = options.firmware;
        let handshake = requests::handshake(firmware, &options.user_agent, pool);
        let next_id = u64::try_from(handshake.len()).expect("a handful") + 1;
        let (configure_id, subscribe_id) = match firmware {
            Firmware::EspMiner => (Some(1), 2),
            Firmware::NerdQAxe => (Some(2), 1),
            Firmware::NerdMiner | Firmware::Minerd => (None, 1),
        };
        Miner {
            firmware,
            side,
            username: pool.username.clone(),
            suggest: options.suggest_difficulty,
            wants_extranonce: options.extranonce_subscribe,
            first_nonce: first_nonce(options.seed),
            share_log: options.share_log,
            handshake: handshake.into(),
            configure_id,
            subscribe_id,
            authorize_id: next_id - 1,
            next_id,
            authorize_answered: false,
            got_a_line: false,
            extranonce: None,
            mask: match firmware {
                Firmware::EspMiner => CHIP_MASK,
                _ => 0,
            },
            extranonces: 0,
            next_difficulty: INITIAL_DIFFICULTY,
            seen_ids: VecDeque::new(),
            waiting: None,
            search: None,
            unanswered: BTreeMap::new(),
            shares: 0,
        }
    }

    /// The lines to begin with.
    pub(crate) fn greet(&mut self) -> Vec<Do> {
        let count = if self.firmware.is_pipelined() {
            self.handshake.len()
        } else {
            1
        };
        self.handshake.drain(..count).map(Do::Write).collect()
    }

    /// True once authorize was answered, however: that resets ESP-Miner's retries.
    pub(crate) fn authorize_answered(&self) -> bool {
        self.authorize_answered
    }

    /// How often it was given an extranonce1.
    pub(crate) fn extranonces(&self) -> u64 {
        self.extranonces
    }

    /// The place to hash at, if there is a job.
    pub(crate) fn search(&mut self) -> Option<&mut Search> {
        self.search.as_mut()
    }

    /// Takes a message of the pool's.
    pub(crate) fn on_message(
        &mut self,
        message: ServerMessage,
        wrongs: &[Misbehaviour],
        stats: &mut BitaxeStats,
    ) -> Vec<Do> {
        let is_first = !std::mem::replace(&mut self.got_a_line, true);
        let answers_subscribe =
            matches!(message, ServerMessage::Reply { id, .. } if id == self.subscribe_id);
        if is_first && self.firmware == Firmware::NerdMiner && !answers_subscribe {
            return vec![Do::GiveUp];
        }
        match message {
            ServerMessage::Reply { id, result, error } => {
                return self.on_reply(id, &result, &error, wrongs, stats);
            }
            ServerMessage::SetDifficulty(difficulty) => {
                self.next_difficulty = difficulty;
                stats.max_difficulty = stats.max_difficulty.max(difficulty);
            }
            ServerMessage::Notify(Ok(notify)) => self.on_notify((*notify).into(), wrongs, stats),
            ServerMessage::SetExtranonce {
                extranonce1,
                extranonce2_size,
            } if extranonce2_size <= MAX_EXTRANONCE2 => {
                self.on_extranonce(extranonce1, extranonce2_size, stats);
            }
            ServerMessage::SetVersionMask(mask) if self.firmware.rolls_version() => {
                self.mask = mask;
                stats.version_mask = mask;
            }
            ServerMessage::Reconnect => {
                stats.reconnects += 1;
                return vec![Do::Reconnect];
            }
            ServerMessage::ShowMessage(text) => stats.message(text),
            ServerMessage::Ping { id } => return vec![Do::Write(requests::pong(&id))],
            ServerMessage::Notify(Err(_))
            | ServerMessage::SetExtranonce { .. }
            | ServerMessage::SetVersionMask(_)
            | ServerMessage::Unknown => stats.unknown_lines += 1,
        }
        Vec::new()
    }

    /// Takes a share that the search found; `doubled` where the firmware finds it twice.
    pub(crate) fn on_found(
        &mut self,
        share: &Found,
        doubled: bool,
        wrongs: &[Misbehaviour],
        stats: &mut BitaxeStats,
    ) -> Vec<Do> {
        let achieved = achieved_difficulty(&share.hash);
        let mut username = self.username.clone();
        let mut times = 1 + u32::from(doubled);
        self.shares += 1;
        for wrong in wrongs {
            match wrong {
                Misbehaviour::Withhold { difficulty } if achieved >= *difficulty => {
                    stats.withheld += 1;
                    return Vec::new();
                }
                Misbehaviour::Duplicate { every }
                    if *every > 0 && self.shares.is_multiple_of(*every) =>
                {
                    times = 2;
                }
                Misbehaviour::SubmitAs { username: other } => username.clone_from(other),
                _ => {}
            }
        }
        stats.best_difficulty = stats.best_difficulty.max(achieved);
        (0..times)
            .map(|_| {
                let id = self.await_answer(Some(share.hash), share.difficulty, stats);
                Do::Write(requests::submit(self.firmware, id, &username, share))
            })
            .collect()
    }

    /// A submit of nothing.
    pub(crate) fn junk(&mut self, stats: &mut BitaxeStats) -> Do {
        let id = self.await_answer(None, 0.0, stats);
        Do::Write(requests::junk(id, &self.username))
    }

    /// The connection is over: what was not answered will not be.
    pub(crate) fn end(&mut self, stats: &mut BitaxeStats) {
        stats.lost += stats.unanswered;
        stats.unanswered = 0;
        stats.connected = false;
        stats.resting = false;
        stats.authorized = false;
        self.unanswered.clear();
    }

    fn await_answer(
        &mut self,
        hash: Option<Hash>,
        difficulty: f64,
        stats: &mut BitaxeStats,
    ) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.unanswered.insert(id, Unanswered { hash, difficulty });
        if self.unanswered.len() > MAX_UNANSWERED {
            self.unanswered.pop_first();
            stats.lost += 1;
        } else {
            stats.unanswered += 1;
        }
        stats.sent += 1;
        id
    }

    fn on_reply(
        &mut self,
        id: u64,
        result: &Value,
        error: &Value,
        wrongs: &[Misbehaviour],
        stats: &mut BitaxeStats,
    ) -> Vec<Do> {
        if let Some(submit) = self.unanswered.remove(&id) {
            stats.unanswered -= 1;
            self.on_answer(&submit, result, error, stats);
            return Vec::new();
        }
        let mut todo = Vec::new();
        if Some(id) == self.configure_id {
            self.on_configured(result, stats);
        } else if id == self.subscribe_id {
            self.on_subscribed(result, wrongs, stats);
        } else if id == self.authorize_id && !self.authorize_answered {
            self.authorize_answered = true;
            stats.authorized = result == &Value::Bool(true);
            stats.authorize_refused += u64::from(!stats.authorized);
            todo.extend(self.after_authorize());
        }
        // Who waits for each reply goes on with the next line.
        todo.extend(self.handshake.pop_front().map(Do::Write));
        todo
    }

    fn after_authorize(&mut self) -> Vec<Do> {
        let mut todo = Vec::new();
        if let Some(difficulty) = self.suggest {
            todo.push(Do::Write(requests::suggest_difficulty(
                self.next_id,
                difficulty,
            )));
            self.next_id += 1;
        }
        if self.wants_extranonce {
            todo.push(Do::Write(requests::extranonce_subscribe(self.next_id)));
            self.next_id += 1;
        }
        todo
    }

    fn on_answer(
        &self,
        submit: &Unanswered,
        result: &Value,
        error: &Value,
        stats: &mut BitaxeStats,
    ) {
        if result == &Value::Bool(true) && error.is_null() {
            let (side, difficulty) = (self.side, submit.difficulty);
            let hash = submit.hash.unwrap_or_default();
            stats.accept(
                AcceptedShare {
                    hash,
                    side,
                    difficulty,
                },
                self.share_log,
            );
        } else {
            let code = error[0].as_i64().unwrap_or(0);
            let text = error[1]
                .as_str()
                .map_or_else(|| error.to_string(), str::to_owned);
            let text: String = text.chars().take(100).collect();
            stats.unexplained += u64::from(!EXPLAINED.contains(&text.as_str()));
            *stats.rejected.entry((code, text)).or_default() += 1;
        }
    }

    fn on_configured(&mut self, result: &Value, stats: &mut BitaxeStats) {
        // Since v2.15 nothing but `true` counts: the chip goes on with its own mask.
        if result["version-rolling"].as_bool() != Some(true) {
            return;
        }
        let mask = result["version-rolling.mask"].as_str();
        if let Some(mask) = mask.and_then(crate::stratum::u32_of_hex) {
            self.mask = mask;
            stats.version_mask = mask;
        }
    }

    fn on_subscribed(&mut self, result: &Value, wrongs: &[Misbehaviour], stats: &mut BitaxeStats) {
        let extranonce1 = result[1].as_str().and_then(crate::stratum::bytes_of_hex);
        let size = result[2]
            .as_u64()
            .and_then(|size| usize::try_from(size).ok());
        match (extranonce1, size) {
            (Some(extranonce1), Some(size)) if size <= MAX_EXTRANONCE2 => {
                self.on_extranonce(extranonce1, size, stats);
                if let Some(notify) = self.waiting.take() {
                    self.start(notify, wrongs, stats);
                }
            }
            // Not understood: it stays, without work, for ever.
            _ => stats.unknown_lines += 1,
        }
    }

    fn on_extranonce(&mut self, extranonce1: Vec<u8>, size: usize, stats: &mut BitaxeStats) {
        stats.extranonce1.clone_from(&extranonce1);
        stats.extranonce2_size = size;
        self.extranonces += 1;
        if let Some(search) = &mut self.search {
            search.set_extranonce(extranonce1.clone(), size);
        }
        self.extranonce = Some((extranonce1, size));
    }

    fn on_notify(&mut self, notify: Arc<Notify>, wrongs: &[Misbehaviour], stats: &mut BitaxeStats) {
        let stays = wrongs.contains(&Misbehaviour::IgnoreNewJobs) && self.search.is_some();
        let seen = self.seen_ids.contains(&notify.job_id);
        if stays || (seen && !notify.clean_jobs) {
            stats.ignored_jobs += 1;
            return;
        }
        if !seen {
            self.seen_ids.push_back(notify.job_id.clone());
            if self.seen_ids.len() > SEEN_IDS {
                self.seen_ids.pop_front();
            }
        }
        self.start(notify, wrongs, stats);
    }

    /// Takes a job up; only now the difficulty last told comes into force.
    fn start(&mut self, notify: Arc<Notify>, wrongs: &[Misbehaviour], stats: &mut BitaxeStats) {
        let Some((extranonce1, extranonce2_size)) = self.extranonce.clone() else {
            self.waiting = Some(notify);
            return;
        };
        let difficulty = self.next_difficulty;
        let factor = wrongs.iter().find_map(|wrong| match wrong {
            Misbehaviour::WrongDifficulty { factor } => Some(*factor),
            _ => None,
        });
        let Some(target) = Target::of_difficulty(difficulty * factor.unwrap_or(1.0)) else {
            stats.unknown_lines += 1;
            return;
        };
        stats.jobs += 1;
        stats.clean_jobs += u64::from(notify.clean_jobs);
        stats.job_id.clone_from(&notify.job_id);
        stats.difficulty = difficulty;
        let (mask, first_nonce) = (self.mask, self.first_nonce);
        let terms = Terms {
            extranonce1,
            extranonce2_size,
            mask,
            difficulty,
            target,
            first_nonce,
        };
        self.search = Some(Search::new(notify, terms));
    }
}

/// Where a device's nonces begin; the same for the same seed.
fn first_nonce(seed: u64) -> u32 {
    use rand::{RngCore as _, SeedableRng as _};
    rand::rngs::StdRng::seed_from_u64(seed).next_u32()
}
