//! A downstream connection as a pure state machine: lines, lane changes, decided shares
//! and the passing of time go in; bytes for the device, shares for others and the wish
//! to close come out. Clock, places and buffers are handed in with each [`Turn`].

mod control;
mod handshake;
mod jobs;
mod lane;
mod pending;
mod rules;
mod seat;
mod submit;
mod telling;
mod turn;

#[cfg(any(test, fuzzing))]
mod script;
#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
mod world;

#[cfg(fuzzing)]
pub use script::run as run_script;

use std::fmt::Display;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use accounting::{Identity, KeyPrefix, SessionId};
use ledger::ShareAck;

pub(crate) use control::Control;
pub(crate) use handshake::Handshake;
pub(crate) use rules::Rules;
pub(crate) use seat::{Grant, Place, Seat, Seats};
pub(crate) use turn::{Outgoing, Turn};

use jobs::JobTable;
use pending::PendingShares;

use super::close::CloseReason;
use super::method;
use super::rate::MessageRate;
use crate::wire::{self, Id, LineTooLong, WireError, reply};

/// What a client is told that comes while no share can be stored.
const NOT_STORED: &str = "shares cannot be stored at the moment";

/// What a client is told that comes while the pool winds down.
const WINDING_DOWN: &str = "the pool is winding down";

/// One downstream connection.
#[derive(Debug)]
pub(crate) struct Session {
    stage: Stage,
    place: Place,
    /// The device can be given another extranonce1 while connected.
    pub(crate) takes_extranonce: bool,
    /// The version bits that the device may roll; `None` when it did not configure.
    rolling: Option<Rolling>,
    pub(crate) control: Control,
    jobs: JobTable,
    pending: PendingShares,
    /// The number of the last accepted share.
    sequence: u64,
    rejects_in_a_row: u32,
    rate: MessageRate,
    connected_ms: u64,
    received_ms: u64,
    down_since_ms: Option<u64>,
    /// A difficulty waits to be pushed, not before `push_after_ms`.
    push_wanted: bool,
    push_after_ms: u64,
    /// When the job at hand was told last.
    told_ms: u64,
    /// Duplicates that come before are the firmware's habit, not a fault.
    doubles_until_ms: u64,
}

/// What became of a device's wish to roll version bits (BIP310).
#[derive(Clone, Copy, Debug)]
struct Rolling {
    /// The bits that it asked for.
    asked: u32,
    /// The bits that it was told last.
    told: u32,
}

/// How far a connection is.
#[derive(Debug)]
enum Stage {
    /// Before authorize.
    Handshake(Handshake),
    /// Authorized: a session.
    Authorized(Authorized),
}

/// Who is credited, and how the ledger tells what is durable.
#[derive(Debug)]
pub(crate) struct Authorized {
    pub(crate) who: Arc<Identity>,
    /// How the first of them typed the key.
    typed: Option<KeyPrefix>,
    /// Other workers of the same key, by their usernames: behind a proxy many mine on one
    /// connection.
    others: Vec<(UsernameHash, Arc<Identity>)>,
    pub(crate) session: SessionId,
    pub(crate) ack: Arc<ShareAck>,
}

/// A username by its hash: it may hold a secret, and is not kept. Two that are the same
/// by chance or by design are of one miner, who alone could gain or lose by it.
type UsernameHash = u64;

/// Workers on one connection. The ledger tells as many of a miner's apart.
const MAX_WORKERS: usize = accounting::Worker::MAX_NAMED;

impl Authorized {
    /// Who is credited for what comes under this username: the worker who was authorized
    /// under it, else the first one.
    fn of(&self, username: &str) -> &Arc<Identity> {
        if self.others.is_empty() {
            return &self.who;
        }
        let hash = hash_of(username);
        let mut others = self.others.iter();
        let found = others.find_map(|(other, who)| (*other == hash).then_some(who));
        found.unwrap_or(&self.who)
    }

    /// Adds a worker of the same key; false when there are too many.
    fn add(&mut self, username: &str, who: Identity) -> bool {
        let hash = hash_of(username);
        if who == **self.of(username) {
            return true;
        }
        if self.others.len().saturating_add(1) >= MAX_WORKERS {
            return false;
        }
        self.others.push((hash, Arc::new(who)));
        true
    }
}

fn hash_of(username: &str) -> UsernameHash {
    let mut hasher = DefaultHasher::new();
    username.hash(&mut hasher);
    hasher.finish()
}

impl Session {
    /// A connection that has said nothing yet.
    pub(crate) fn new(rules: &Rules, now_ms: u64) -> Self {
        Session {
            stage: Stage::Handshake(Handshake::default()),
            place: Place::default(),
            takes_extranonce: false,
            rolling: None,
            control: Control::new(rules, now_ms),
            jobs: JobTable::default(),
            pending: PendingShares::default(),
            sequence: 0,
            rejects_in_a_row: 0,
            rate: MessageRate::new(rules.limits.messages_per_second, now_ms),
            connected_ms: now_ms,
            received_ms: now_ms,
            down_since_ms: None,
            push_wanted: false,
            push_after_ms: 0,
            told_ms: 0,
            doubles_until_ms: 0,
        }
    }

    /// A line came.
    pub(crate) fn on_line(&mut self, line: &[u8], turn: &mut Turn<'_>) -> Result<(), CloseReason> {
        let now_ms = turn.now.ms();
        self.received_ms = now_ms;
        if !self
            .rate
            .take(turn.rules.limits.messages_per_second, now_ms)
        {
            return Err(CloseReason::Flood);
        }
        match wire::parse(line) {
            Ok(request) => method::handle(self, request, turn)?,
            Err(error) => self.on_malformed(&error, turn)?,
        }
        if let Stage::Handshake(handshake) = &mut self.stage {
            handshake.after_line(now_ms, turn.rules.handshake_hold_ms, turn.out);
        }
        Ok(())
    }

    /// A line without an end came. It was thrown away.
    pub(crate) fn on_too_long(&mut self, error: LineTooLong, turn: &mut Turn<'_>) -> CloseReason {
        reply::error(self.replies(turn.out), Id::NULL, WireError::CODE, error);
        self.release(turn.out);
        CloseReason::LineTooLong
    }

    fn on_malformed(
        &mut self,
        error: &WireError<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), CloseReason> {
        turn.metrics.malformed();
        reply::error(self.replies(turn.out), error.id, WireError::CODE, error);
        if let Stage::Handshake(_) = self.stage
            && error.id == Id::NULL
        {
            // A browser, a scanner, another protocol.
            self.release(turn.out);
            return Err(CloseReason::Malformed);
        }
        self.count_reject(error.malformed.label(), turn)
    }

    /// The ledger decided every share up to `decided`. `why` says why it stored none,
    /// should that be so.
    pub(crate) fn on_decided(
        &mut self,
        decided: u64,
        why: impl Fn() -> String,
        turn: &mut Turn<'_>,
    ) {
        let Stage::Authorized(authorized) = &self.stage else {
            return;
        };
        while let Some(share) = self.pending.pop_decided(decided) {
            turn.metrics.pending.dec();
            if authorized.ack.take_refused(share.sequence) {
                // Neither paid nor remembered: the device may send it again.
                share.job.seen.forget(&share.hash);
                turn.metrics.not_stored.inc();
                let text = format_args!("share not stored: {}", why());
                reply::error(turn.out, share.id.as_id(), WireError::CODE, text);
                continue;
            }
            reply::accepted(turn.out, share.id.as_id());
            turn.entered.prove();
            turn.entered.connection().share_accepted(turn.now.unix_ms);
            turn.metrics.accepted.inc();
            turn.metrics.accepted_work.inc_by(approximate(share.work));
            let waited_us = turn.now.us.saturating_sub(share.received_us);
            turn.metrics.answer_seconds.observe(seconds(waited_us));
        }
    }

    /// Time passed.
    pub(crate) fn on_tick(&mut self, turn: &mut Turn<'_>) -> Result<(), CloseReason> {
        let now_ms = turn.now.ms();
        if let Stage::Handshake(handshake) = &mut self.stage {
            handshake.tick(now_ms, turn.out);
            if now_ms
                >= self
                    .connected_ms
                    .saturating_add(turn.rules.authorize_timeout_ms)
            {
                turn.out.append(&mut handshake.take_late());
                return Err(CloseReason::AuthorizeTimeout);
            }
        }
        if now_ms >= self.idle_at_ms(turn.rules) {
            return Err(CloseReason::Idle);
        }
        if self.lost_at_ms(turn.rules).is_some_and(|at| at <= now_ms) {
            return Err(CloseReason::UpstreamLost);
        }
        self.jobs.prune();
        self.steer(turn);
        Ok(())
    }

    /// When [`Self::on_tick`] has something to do, milliseconds of the monotonic clock.
    pub(crate) fn next_tick_ms(&self, rules: &Rules) -> u64 {
        let stage = match &self.stage {
            Stage::Handshake(handshake) => {
                let timeout = self.connected_ms.saturating_add(rules.authorize_timeout_ms);
                handshake.due_ms().map_or(timeout, |due| due.min(timeout))
            }
            Stage::Authorized(_) => self.steer_at_ms(),
        };
        let lost = self.lost_at_ms(rules).unwrap_or(u64::MAX);
        stage.min(lost).min(self.idle_at_ms(rules))
    }

    fn idle_at_ms(&self, rules: &Rules) -> u64 {
        self.received_ms.saturating_add(rules.idle_timeout_ms)
    }

    /// Where replies go now.
    pub(crate) fn replies<'a>(&'a mut self, out: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
        match &mut self.stage {
            Stage::Handshake(handshake) => handshake.replies(out),
            Stage::Authorized(_) => out,
        }
    }

    /// Where the answer to a submission goes now: before `mining.authorize` is answered,
    /// behind that answer.
    pub(crate) fn late_replies<'a>(&'a mut self, out: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
        match &mut self.stage {
            Stage::Handshake(handshake) => handshake.late(out),
            Stage::Authorized(_) => out,
        }
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        if let Stage::Handshake(handshake) = &mut self.stage {
            handshake.release(out);
        }
    }

    /// Refuses a request that leaves nothing to do here: without a word where none was
    /// said yet, else with the reason; then the connection ends.
    pub(crate) fn refuse(
        &mut self,
        id: Id<'_>,
        code: u8,
        text: impl Display,
        reason: CloseReason,
        turn: &mut Turn<'_>,
    ) -> CloseReason {
        let silent = matches!(&self.stage, Stage::Handshake(handshake) if handshake.is_silent());
        if !silent {
            reply::error(turn.out, id, code, text);
        }
        reason
    }

    /// The session's place at the upstream, taken when it is first needed. None is given
    /// while no share can be stored, and while the pool winds down.
    pub(crate) fn seat(
        &mut self,
        id: Id<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<&mut Seat, CloseReason> {
        if let Some(reason) = turn.refusal {
            let said = match reason {
                CloseReason::WindingDown => WINDING_DOWN,
                _ => NOT_STORED,
            };
            return Err(self.refuse(id, WireError::CODE, said, reason, turn));
        }
        if self.place.seat().is_none() {
            let grant = match turn.seats.take() {
                Ok(grant) => grant,
                Err(unavailable) => {
                    return Err(self.refuse(
                        id,
                        WireError::CODE,
                        unavailable,
                        CloseReason::NoWork,
                        turn,
                    ));
                }
            };
            self.place = Place::Granted(Seat::new(grant));
        }
        self.place.seat_mut().ok_or(CloseReason::NoWork)
    }

    /// The device is told its extranonce1: from now on it mines with it.
    pub(crate) fn subscribe(&mut self) {
        self.place.subscribe();
    }

    /// Makes it a session, and answers `id`: before it goes out what was held back, after
    /// it what came too early.
    pub(crate) fn authorize(
        &mut self,
        id: Id<'_>,
        who: Arc<Identity>,
        typed: Option<KeyPrefix>,
        session: SessionId,
        turn: &mut Turn<'_>,
    ) {
        self.release(turn.out);
        let mut late = match &mut self.stage {
            Stage::Handshake(handshake) => handshake.take_late(),
            Stage::Authorized(_) => Vec::new(),
        };
        self.stage = Stage::Authorized(Authorized {
            who,
            typed,
            others: Vec::new(),
            session,
            ack: Arc::default(),
        });
        reply::accepted(turn.out, id);
        turn.out.append(&mut late);
    }

    /// Another worker of the same key on the same connection; false when there are too
    /// many of them.
    pub(crate) fn add_worker(&mut self, username: &str, who: Identity) -> bool {
        match &mut self.stage {
            Stage::Handshake(_) => false,
            Stage::Authorized(authorized) => authorized.add(username, who),
        }
    }

    /// Who is credited, once authorized.
    pub(crate) fn authorized(&self) -> Option<&Authorized> {
        match &self.stage {
            Stage::Handshake(_) => None,
            Stage::Authorized(authorized) => Some(authorized),
        }
    }

    /// True once a hash of it was credited, whatever became of it on the disk.
    pub(crate) fn has_credited(&self) -> bool {
        self.sequence > 0
    }

    /// How many shares wait for the disk.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Counts something that the device did wrong, in a row with the rejects before.
    pub(crate) fn count_reject(
        &mut self,
        label: &'static str,
        turn: &mut Turn<'_>,
    ) -> Result<(), CloseReason> {
        turn.metrics.rejected(label);
        self.rejects_in_a_row = self.rejects_in_a_row.saturating_add(1);
        match self.rejects_in_a_row >= turn.rules.limits.max_rejects_in_a_row {
            true => Err(CloseReason::RejectStorm),
            false => Ok(()),
        }
    }
}

/// Work for a graph, where 53 bits of it are enough.
#[expect(clippy::cast_precision_loss, reason = "a graph")]
fn approximate(work: accounting::Work) -> f64 {
    work.hashes() as f64
}

#[expect(clippy::cast_precision_loss, reason = "a histogram")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
