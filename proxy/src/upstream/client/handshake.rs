//! From the first line to the first job.

use ruint::aliases::U256;

use super::Client;
use super::event::{Event, NewJob};
use crate::Difficulty;
use crate::extranonce::{MAX_WHOLE_BYTES, Split};
use crate::wire::upstream::{Notify, Reply, Subscribed, request};

/// How long to wait for what a pool may never say, once it has answered the rest: the
/// reply to configure, the first difficulty.
const SETTLE_MS: u64 = 2_000;

/// A pool that gives jobs before it names a difficulty means this one, by custom.
const UNNAMED_DIFFICULTY: Difficulty = Difficulty::ONE;

/// Who closes the connection sooner after the authorization, and did not answer
/// `mining.extranonce.subscribe`, may have closed it because of that.
const HANG_UP_MS: u64 = 5_000;

/// All that may be rolled: the pool takes away what it does not want.
const ASKED_VERSION_MASK: u32 = 0xffff_ffff;

/// How far the handshake has come.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    configure_id: Option<u64>,
    /// Configure was answered, or not sent.
    configured: bool,
    subscribe_id: u64,
    /// The extranonces in force for jobs from now on.
    session: Option<Subscribed>,
    authorize_id: u64,
    authorized: bool,
    /// When it was.
    authorized_ms: u64,
    /// `mining.extranonce.subscribe` was sent under this id, and not answered yet.
    extranonce_id: Option<u64>,
    /// It was answered, in whatever way.
    extranonce_answered: bool,
    /// The newest job that came before the rest.
    held: Option<Held>,
    /// When the last of the answers that are needed came.
    answered_ms: Option<u64>,
    done: bool,
}

/// A job before the handshake is done, with what was in force at that moment.
#[derive(Debug)]
struct Held {
    notify: Box<Notify>,
    network_target: U256,
    session: Option<Subscribed>,
    difficulty: Option<Difficulty>,
}

impl Handshake {
    /// True once the pool answered the subscription.
    pub(super) fn is_answered(&self) -> bool {
        self.session.is_some()
    }

    /// True once a job was handed on.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether a pool that closes now may do so because of `mining.extranonce.subscribe`,
    /// or would have; `None` before the authorization.
    pub(super) fn hangs_up_after_authorize(&self, now_ms: u64) -> Option<bool> {
        let since_ms = now_ms.saturating_sub(self.authorized_ms);
        self.authorized
            .then_some(!self.extranonce_answered && since_ms < HANG_UP_MS)
    }

    /// When it goes on without what was not said.
    pub(super) fn settles_at_ms(&self) -> Option<u64> {
        if self.done || self.held.is_none() {
            return None;
        }
        self.answered_ms
            .map(|at_ms| at_ms.saturating_add(SETTLE_MS))
    }
}

impl<T> Client<T> {
    /// The first lines.
    pub(super) fn greet(&mut self) {
        self.handshake.configured = !self.options.configure;
        if self.options.configure {
            let id = self.take_id();
            self.handshake.configure_id = Some(id);
            request::configure(&mut self.out, id, ASKED_VERSION_MASK);
        }
        let id = self.take_id();
        self.handshake.subscribe_id = id;
        request::subscribe(&mut self.out, id, &self.options.user_agent);
        let id = self.take_id();
        self.handshake.authorize_id = id;
        request::authorize(
            &mut self.out,
            id,
            &self.options.username,
            &self.options.password,
        );
    }

    /// Takes a reply to one of the first lines; false when it is to none of them.
    pub(super) fn handshake_reply(&mut self, reply: &Reply<'_>, now_ms: u64) -> bool {
        if self.handshake.configure_id == Some(reply.id) {
            self.configured(reply);
        } else if self.handshake.subscribe_id == reply.id && self.handshake.session.is_none() {
            self.subscribed(reply);
        } else if self.handshake.authorize_id == reply.id && !self.handshake.authorized {
            self.authorized(reply, now_ms);
        } else if self.handshake.extranonce_id == Some(reply.id) {
            self.handshake.extranonce_id = None;
            self.handshake.extranonce_answered = true;
        } else {
            return false;
        }
        if self.handshake.session.is_some() && self.handshake.authorized {
            self.handshake.answered_ms.get_or_insert(now_ms);
        }
        self.settle(now_ms);
        true
    }

    /// A reply that comes late still grants; one that makes no sense grants nothing.
    fn configured(&mut self, reply: &Reply<'_>) {
        self.handshake.configure_id = None;
        self.handshake.configured = true;
        let granted = reply.configured().unwrap_or_default().version_mask;
        self.mask_granted |= granted != 0;
        self.set_version_mask(granted);
    }

    fn subscribed(&mut self, reply: &Reply<'_>) {
        match reply.subscribed() {
            Ok(Ok(session)) => self.set_session(session),
            Ok(Err(refusal)) => self
                .events
                .push(Event::SubscribeRefused(refusal.to_string())),
            Err(nonsense) => self
                .events
                .push(Event::SubscribeRefused(nonsense.to_string())),
        }
    }

    fn authorized(&mut self, reply: &Reply<'_>, now_ms: u64) {
        if let Err(refusal) = reply.authorized() {
            self.events.push(Event::Unauthorized(refusal.to_string()));
            return;
        }
        self.handshake.authorized = true;
        self.handshake.authorized_ms = now_ms;
        // Some pools keep their set_extranonce for those who asked. One that does not
        // know the method answers with an error, which changes nothing.
        if self.options.extranonce_subscribe {
            let id = self.take_id();
            self.handshake.extranonce_id = Some(id);
            request::extranonce_subscribe(&mut self.out, id);
        }
        if let Some(difficulty) = self.options.suggest_difficulty {
            let id = self.take_id();
            request::suggest_difficulty(&mut self.out, id, difficulty);
        }
    }

    /// The extranonces of jobs from now on; the jobs before keep theirs.
    pub(super) fn set_session(&mut self, session: Subscribed) {
        let extranonce1_size = session.extranonce1.len();
        let has_room = Split::of(session.extranonce2_size)
            .is_ok_and(|split| extranonce1_size + split.prefix_size <= MAX_WHOLE_BYTES);
        if has_room {
            self.handshake.session = Some(session);
        } else {
            let extranonce2_size = session.extranonce2_size;
            self.events.push(Event::BadExtranonce {
                extranonce1_size,
                extranonce2_size,
            });
        }
    }

    /// Takes a job: hands it on, or keeps it until the handshake is done.
    pub(super) fn take_job(&mut self, notify: Box<Notify>, network_target: U256, now_ms: u64) {
        self.last_job_ms = now_ms;
        self.dropped_job = None;
        let difficulty = self.difficulty;
        match (&self.handshake.session, difficulty) {
            (Some(session), Some(difficulty)) if self.handshake.done => {
                let job = NewJob::new(
                    notify,
                    network_target,
                    session,
                    difficulty,
                    self.version_mask,
                );
                self.events.push(Event::Job(Box::new(job)));
            }
            _ => {
                self.handshake.held = Some(Held {
                    notify,
                    network_target,
                    session: self.handshake.session,
                    difficulty,
                });
                self.settle(now_ms);
            }
        }
    }

    /// Hands on the job that was kept, when all that belongs to it is known or has been
    /// waited for long enough. A job that came before any difficulty gets the first
    /// one named after it: pools that say them in that order mean both together.
    pub(super) fn settle(&mut self, now_ms: u64) {
        let waited = self
            .handshake
            .settles_at_ms()
            .is_some_and(|at_ms| at_ms <= now_ms);
        let ready = self.handshake.authorized && (self.handshake.configured || waited);
        let (Some(session), true) = (self.handshake.session, ready && !self.handshake.done) else {
            return;
        };
        let Some(held) = self.handshake.held.take() else {
            return;
        };
        let unnamed = waited.then_some(UNNAMED_DIFFICULTY);
        let Some(difficulty) = held.difficulty.or(self.difficulty).or(unnamed) else {
            self.handshake.held = Some(held);
            return;
        };
        self.difficulty.get_or_insert(difficulty);
        self.handshake.done = true;
        let session = held.session.unwrap_or(session);
        let job = NewJob::new(
            held.notify,
            held.network_target,
            &session,
            difficulty,
            self.version_mask,
        );
        self.events.push(Event::Job(Box::new(job)));
    }
}
