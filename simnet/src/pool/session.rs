//! The pool's side of one conversation.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bitcoin::hex::DisplayHex as _;
use serde_json::{Value, json};

use super::check::{Checked, GivenJob, check};
use super::job::Job;
use super::outgoing::{Kind, Outgoing};
use super::request::{Call, Request, Submit};
use super::shared::{Command, Novelty, Shared};
use super::{AuthorizeAnswer, FoundBlock, JobAfter, Reject, ShareEntry, Stall};
use crate::stratum::Target;

/// Jobs remembered, so that a late share is stale and not unknown.
const GIVEN_JOBS: usize = 64;

/// The connection is to be closed: the line was no request, or a fault will have it.
#[derive(Debug)]
pub(crate) struct HangUp;

/// What a connection has said and was given.
pub(crate) struct Session {
    shared: Arc<Shared>,
    pub(crate) out: Outgoing,
    subscribed: bool,
    extranonce1: Vec<u8>,
    wants_extranonce: bool,
    mask: Option<u32>,
    authorized: BTreeSet<String>,
    /// For the next job, and as the miner was told.
    difficulty: f64,
    told_difficulty: Option<f64>,
    given: VecDeque<GivenJob>,
    last_sequence: u64,
    vardiff_since: Instant,
    vardiff_shares: u32,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Session {
        let difficulty = shared.state().difficulty;
        Session {
            shared,
            out: Outgoing::default(),
            subscribed: false,
            extranonce1: Vec::new(),
            wants_extranonce: false,
            mask: None,
            authorized: BTreeSet::new(),
            difficulty,
            told_difficulty: None,
            given: VecDeque::new(),
            last_sequence: 0,
            vardiff_since: Instant::now(),
            vardiff_shares: 0,
        }
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscribed
    }

    /// Takes a line of the miner's.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), HangUp> {
        let Some(Request { id, call }) = Request::parse(line) else {
            self.shared.books.update(|books| books.bad_lines += 1);
            return Err(HangUp);
        };
        match call {
            Call::Configure { mask } => self.configure(&id, mask),
            Call::Subscribe { user_agent } => self.subscribe(&id, user_agent),
            Call::Authorize { username } => self.authorize(&id, username),
            Call::Submit(submit) => self.submit(&id, submit),
            Call::SuggestDifficulty(difficulty) => self.suggest(&id, difficulty),
            Call::ExtranonceSubscribe if self.shared.faults().hang_up_on_extranonce => {
                return Err(HangUp);
            }
            Call::ExtranonceSubscribe => {
                self.wants_extranonce = true;
                self.answer(&id, json!(true), Value::Null);
            }
            Call::Ping => self.answer(&id, json!("pong"), Value::Null),
            Call::Reply => {}
            Call::Unknown(method) => {
                self.answer(
                    &id,
                    Value::Null,
                    json!([-3, format!("no method {method}"), null]),
                );
            }
        }
        Ok(())
    }

    /// Does what the pool demands.
    pub(crate) fn command(&mut self, command: Command) {
        match command {
            Command::Job(job) if self.takes_jobs() => self.give(&job, job.clean),
            Command::Job(_) => {}
            Command::Difficulty(difficulty) => {
                self.difficulty = difficulty;
                if self.subscribed {
                    self.tell_difficulty();
                }
            }
            Command::Extranonce { to_all } => {
                if self.subscribed && (to_all || self.wants_extranonce) {
                    self.change_extranonce();
                }
            }
            Command::VersionMask(mask) => {
                if self.mask.is_some() {
                    self.mask = Some(mask);
                    self.push_json(&json!({
                        "id": null,
                        "method": "mining.set_version_mask",
                        "params": [format!("{mask:08x}")],
                    }));
                }
            }
            Command::Raw(bytes) => self.push(Kind::Push, bytes),
        }
    }

    fn configure(&mut self, id: &Value, asked: Option<u32>) {
        if let Some(asked) = asked {
            self.shared
                .books
                .update(|books| *books.masks_asked.entry(asked).or_default() += 1);
        }
        let granted = asked.map_or(0, |asked| asked & self.shared.state().version_mask);
        let result = if granted == 0 {
            json!({ "version-rolling": false })
        } else {
            self.mask = Some(granted);
            json!({ "version-rolling": true, "version-rolling.mask": format!("{granted:08x}") })
        };
        self.answer(id, result, Value::Null);
    }

    fn subscribe(&mut self, id: &Value, user_agent: String) {
        self.shared
            .books
            .update(|books| *books.user_agents.entry(user_agent).or_default() += 1);
        let (job, size) = {
            let mut state = self.shared.state();
            let extranonce1_size = self.shared.options.extranonce1_size;
            self.extranonce1 = state.next_extranonce1(extranonce1_size);
            (Arc::clone(&state.job), state.extranonce2_size)
        };
        self.subscribed = true;
        let subscription = self.extranonce1.to_lower_hex_string();
        let subscriptions = json!([
            ["mining.set_difficulty", subscription],
            ["mining.notify", subscription]
        ]);
        self.answer(id, json!([subscriptions, subscription, size]), Value::Null);
        if self.takes_jobs() {
            self.give(&job, true);
        }
    }

    fn authorize(&mut self, id: &Value, username: String) {
        if self.shared.faults().refuse_authorize {
            let reject = Reject::Unauthorized;
            return self.answer(
                id,
                Value::Null,
                json!([reject.code(), reject.to_string(), null]),
            );
        }
        self.shared
            .books
            .update(|books| books.user(&username).authorized += 1);
        self.authorized.insert(username);
        let answer = match self.shared.faults().authorize_answer {
            AuthorizeAnswer::True => json!(true),
            AuthorizeAnswer::Null => Value::Null,
            AuthorizeAnswer::One => json!(1),
            AuthorizeAnswer::Text => json!("true"),
        };
        self.answer(id, answer, Value::Null);
        if self.last_sequence == 0 && self.takes_jobs() {
            let job = Arc::clone(&self.shared.state().job);
            self.give(&job, true);
        }
    }

    fn suggest(&mut self, id: &Value, difficulty: f64) {
        self.shared.books.update(|books| books.suggest(difficulty));
        if self.shared.options.honour_suggested && Target::of_difficulty(difficulty).is_some() {
            self.difficulty = difficulty;
        }
        self.answer(id, json!(true), Value::Null);
    }

    fn takes_jobs(&self) -> bool {
        match self.shared.options.job_after {
            JobAfter::Subscribe => self.subscribed,
            JobAfter::Authorize => self.subscribed && !self.authorized.is_empty(),
        }
    }

    /// Gives a job; the first of a connection is always clean.
    fn give(&mut self, job: &Arc<Job>, clean: bool) {
        // A job made while this connection subscribed comes twice.
        if job.sequence <= self.last_sequence || self.shared.faults().stall != Stall::Off {
            return;
        }
        if self.told_difficulty != Some(self.difficulty) {
            self.tell_difficulty();
        }
        let clean = clean || self.last_sequence == 0;
        self.last_sequence = job.sequence;
        if clean {
            self.given
                .iter_mut()
                .for_each(|given| given.discarded = true);
        }
        self.given.push_back(GivenJob {
            job: Arc::clone(job),
            extranonce1: self.extranonce1.clone(),
            difficulty: self.difficulty,
            target: Target::of_difficulty(self.difficulty)
                .expect("difficulties are checked where they come in"),
            mask: self.mask.unwrap_or(0),
            discarded: false,
        });
        if self.given.len() > GIVEN_JOBS {
            self.given.pop_front();
        }
        let faults = self.shared.faults();
        let told_clean = clean && !faults.no_clean_flag;
        let line = job.notify_line(told_clean, faults.more_job_params);
        self.push(Kind::Push, line.into_bytes());
    }

    fn tell_difficulty(&mut self) {
        self.told_difficulty = Some(self.difficulty);
        self.push_json(&json!({
            "id": null,
            "method": "mining.set_difficulty",
            "params": [self.difficulty],
        }));
    }

    fn change_extranonce(&mut self) {
        let size = {
            let mut state = self.shared.state();
            self.extranonce1 = state.next_extranonce1(self.shared.options.extranonce1_size);
            state.extranonce2_size
        };
        self.push_json(&json!({
            "id": null,
            "method": "mining.set_extranonce",
            "params": [self.extranonce1.to_lower_hex_string(), size],
        }));
    }

    fn submit(&mut self, id: &Value, submit: Result<Submit, String>) {
        let (username, judged) = match submit {
            Ok(submit) => {
                let judged = self.judge(&submit);
                (submit.username, judged)
            }
            Err(username) => (username, Err(Reject::BadParams)),
        };
        match judged {
            Ok((share, block)) => {
                self.shared.share_accepted(&share);
                let keep = self.shared.options.share_log;
                self.shared.books.update(|books| books.accept(share, keep));
                self.answer(id, json!(true), Value::Null);
                self.count_for_vardiff();
                if let Some(block) = block {
                    self.shared.block_found(&block, &username);
                }
            }
            Err(reject) => {
                self.shared
                    .books
                    .update(|books| books.reject(&username, reject));
                let error = json!([reject.code(), reject.to_string(), null]);
                self.answer(id, Value::Null, error);
            }
        }
    }

    fn judge(&self, submit: &Submit) -> Result<(ShareEntry, Option<FoundBlock>), Reject> {
        // DATUM: whoever was granted a mask sends its bits with every share.
        if self.mask.is_some() && submit.version_bits.is_none() {
            return Err(Reject::BadParams);
        }
        if self.shared.options.check_username && !self.authorized.contains(&submit.username) {
            return Err(Reject::Unauthorized);
        }
        let given = self
            .given
            .iter()
            .find(|given| given.job.id == submit.job_id)
            .ok_or(Reject::UnknownWork)?;
        if given.discarded || given.job.made.elapsed() > self.shared.options.job_max_age {
            return Err(Reject::Stale);
        }
        let reading = self.shared.options.version_reading;
        let checked = check(given, self.mask.unwrap_or(0), reading, submit)?;
        match self
            .shared
            .novelty(&checked.hash, &given.job.template.prev_hash)
        {
            Novelty::First => Ok(entries(given, submit, checked)),
            Novelty::Seen => Err(Reject::Duplicate),
            Novelty::Unlucky(reject) => Err(reject),
        }
    }

    fn count_for_vardiff(&mut self) {
        let Some(vardiff) = self.shared.options.vardiff else {
            return;
        };
        self.vardiff_shares += 1;
        if self.vardiff_shares < vardiff.every_shares {
            return;
        }
        let minutes = self.vardiff_since.elapsed().as_secs_f64().max(0.001) / 60.0;
        let rate = f64::from(self.vardiff_shares) / minutes;
        let factor = (rate / vardiff.shares_per_minute).clamp(0.25, 4.0);
        self.difficulty = (self.difficulty * factor).max(vardiff.min_difficulty);
        self.vardiff_since = Instant::now();
        self.vardiff_shares = 0;
    }

    fn answer(&mut self, id: &Value, result: Value, error: Value) {
        let line = format!(
            "{}\n",
            json!({ "id": id, "result": result, "error": error })
        );
        self.push(Kind::Answer, line.into_bytes());
    }

    fn push_json(&mut self, message: &Value) {
        self.push(Kind::Push, format!("{message}\n").into_bytes());
    }

    fn push(&mut self, kind: Kind, bytes: Vec<u8>) {
        let faults = self.shared.faults();
        if faults.stall != Stall::All {
            self.out.push(kind, bytes, &faults, Instant::now());
        }
    }
}

/// What the books and, for a block, the chain are told of a good share.
fn entries(
    given: &GivenJob,
    submit: &Submit,
    checked: Checked,
) -> (ShareEntry, Option<FoundBlock>) {
    let share = ShareEntry {
        username: submit.username.clone(),
        hash: checked.hash,
        job_id: submit.job_id.clone(),
        difficulty: given.difficulty,
        work: given.target.work(),
        extranonce: [&given.extranonce1[..], &submit.extranonce2].concat(),
        version: checked.header.version.to_consensus().cast_unsigned(),
        ntime: submit.ntime,
        nonce: submit.nonce,
        is_block: checked.is_block,
    };
    let block = checked.is_block.then_some(FoundBlock {
        template: given.job.template.id,
        height: given.job.template.height,
        hash: checked.hash,
        header: checked.header,
        coinbase: checked.coinbase,
        username: submit.username.clone(),
    });
    (share, block)
}
