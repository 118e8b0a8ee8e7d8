//! The Stratum client of one upstream connection: a state machine without a socket, a
//! clock or a random source. What the pool says goes in, lines for it and [`Event`]s
//! come out.
//!
//! Everything is sent at once, as every Bitaxe does: configure, subscribe and authorize
//! do not wait for each other, and their answers may come in any order, with jobs and
//! difficulties before, between and behind.

mod event;
mod handshake;
mod messages;
mod reason;
mod submits;
#[cfg(test)]
mod tests;

use crate::Difficulty;
use crate::wire::upstream::UpstreamWireError;

pub(super) use event::{Event, NewJob, Outcome};
use handshake::Handshake;
pub(super) use reason::Reason;
use submits::Submits;

/// How the client presents itself.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) user_agent: String,
    pub(super) suggest_difficulty: Option<Difficulty>,
    /// Whether to send `mining.configure`.
    pub(super) configure: bool,
    /// Whether to send `mining.extranonce.subscribe`.
    pub(super) extranonce_subscribe: bool,
    /// How long it may take to the first job.
    pub(super) first_job_timeout_ms: u64,
    /// Without a job for so long the connection is of no use.
    pub(super) no_job_timeout_ms: u64,
}

/// One connection's state. `T` is what the caller wants back with a share's answer.
#[derive(Debug)]
pub(super) struct Client<T> {
    options: Options,
    /// Ids are never used twice on a connection.
    next_id: u64,
    handshake: Handshake,
    /// Announced by the pool for jobs from now on; `None` before it said anything.
    difficulty: Option<Difficulty>,
    version_mask: u32,
    mask_granted: bool,
    submits: Submits<T>,
    /// What was wrong with the last job that came, if no good one came since.
    dropped_job: Option<UpstreamWireError>,
    /// When the last job came, or the connection was made.
    last_job_ms: u64,
    /// The pool's words to the operator since `messages_since_ms`.
    messages: u32,
    messages_since_ms: u64,
    /// Lines for the pool.
    out: Vec<u8>,
    events: Vec<Event<T>>,
}

impl<T> Client<T> {
    /// Greets the pool. `now_ms` is a monotonic clock's, here and everywhere.
    pub(super) fn new(options: Options, now_ms: u64) -> Self {
        let mut client = Client {
            handshake: Handshake::default(),
            options,
            next_id: 1,
            difficulty: None,
            version_mask: 0,
            mask_granted: false,
            submits: Submits::default(),
            dropped_job: None,
            last_job_ms: now_ms,
            messages: 0,
            messages_since_ms: now_ms,
            out: Vec::new(),
            events: Vec::new(),
        };
        client.greet();
        client
    }

    /// How it was told to present itself.
    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Lines to write. The caller takes from the front what it has written.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// What happened since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Event<T>> {
        std::mem::take(&mut self.events)
    }

    /// True once the pool answered the subscription.
    pub(super) fn is_answered(&self) -> bool {
        self.handshake.is_answered()
    }

    /// What was wrong with the last job that came, if no good one came since.
    pub(super) fn dropped_job(&self) -> Option<UpstreamWireError> {
        self.dropped_job
    }

    /// Announced by the pool for jobs from now on.
    pub(super) fn difficulty(&self) -> Option<Difficulty> {
        self.difficulty
    }

    /// Whether the pool, if it closes now, may do so because of
    /// `mining.extranonce.subscribe`; `None` when it did not come so far.
    pub(super) fn hangs_up_after_authorize(&self, now_ms: u64) -> Option<bool> {
        self.handshake.hangs_up_after_authorize(now_ms)
    }

    /// False while so many shares wait for their answer that no more may be sent.
    pub(super) fn can_submit(&self) -> bool {
        !self.submits.is_full()
    }

    /// How many shares wait for their answer.
    pub(super) fn unanswered(&self) -> usize {
        self.submits.len()
    }

    /// Takes the shares that wait for their answer, at the connection's end.
    pub(super) fn take_unanswered(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.submits.drain()
    }

    /// Lets time pass: overdue answers, a handshake that goes on without an answer, no
    /// job for too long.
    pub(super) fn tick(&mut self, now_ms: u64) {
        while let Some(token) = self.submits.take_overdue(now_ms) {
            self.events.push(Event::Unanswered(token));
        }
        self.settle(now_ms);
        if now_ms >= self.job_due_ms() {
            self.events.push(if self.handshake.is_done() {
                Event::Stalled
            } else {
                Event::NoFirstJob
            });
            // Said once; the caller hangs up.
            self.last_job_ms = now_ms;
        }
    }

    /// When [`Self::tick`] has something to do at the latest.
    pub(super) fn next_tick_ms(&self) -> u64 {
        let due = [
            self.submits.next_due_ms(),
            self.handshake.settles_at_ms(),
            Some(self.job_due_ms()),
        ];
        due.into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    fn job_due_ms(&self) -> u64 {
        let timeout_ms = if self.handshake.is_done() {
            self.options.no_job_timeout_ms
        } else {
            self.options.first_job_timeout_ms
        };
        self.last_job_ms.saturating_add(timeout_ms)
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}
