//! The pool's messages after, or beside, the handshake.

use std::time::Duration;

use super::event::{Event, Outcome};
use super::{Client, Reason};
use crate::network_target;
use crate::upstream::UpstreamSubmit;
use crate::wire::upstream::{
    Notify, PoolMessage, Reconnect, Reply, UpstreamWireError, parse, request,
};

/// The most characters of a pool's words that are kept.
const MAX_MESSAGE_CHARS: usize = 200;

/// So many messages of a pool reach the log in a minute.
const MAX_MESSAGES_PER_MINUTE: u32 = 10;

impl<T> Client<T> {
    /// Takes one line of the pool, without its end.
    pub(in crate::upstream) fn receive(&mut self, line: &[u8], now_ms: u64) {
        match parse(line) {
            Ok(message) => self.take_message(message, now_ms),
            Err(error) => {
                if error.is_of_a_job() {
                    self.dropped_job = Some(error);
                }
                self.events.push(Event::Ignored(error.to_string()));
            }
        }
    }

    fn take_message(&mut self, message: PoolMessage<'_>, now_ms: u64) {
        match message {
            PoolMessage::Reply(reply) => self.reply(&reply, now_ms),
            PoolMessage::Notify(notify) => self.notify(notify, now_ms),
            PoolMessage::SetDifficulty(difficulty) => {
                self.difficulty = Some(difficulty);
                self.settle(now_ms);
            }
            PoolMessage::SetExtranonce(session) if self.is_answered() => self.set_session(session),
            PoolMessage::SetExtranonce(_) => {
                self.events.push(Event::Ignored(
                    "set_extranonce before the subscription".to_owned(),
                ));
            }
            PoolMessage::SetVersionMask(mask) => {
                self.mask_granted |= mask != 0;
                self.set_version_mask(mask);
            }
            PoolMessage::Reconnect(reconnect) => self.events.push(reconnect_event(reconnect)),
            PoolMessage::ShowMessage(text) => self.show(&text, now_ms),
            PoolMessage::Ping(id) => request::pong(&mut self.out, id),
            PoolMessage::GetVersion(id) => {
                request::version(&mut self.out, id, &self.options.user_agent);
            }
            PoolMessage::Unknown(method) => {
                self.events
                    .push(Event::Ignored(format!("unknown method {}", clean(&method))));
            }
        }
    }

    /// Passes on a pool's words, but not a flood of them.
    fn show(&mut self, text: &str, now_ms: u64) {
        if now_ms.saturating_sub(self.messages_since_ms) >= 60_000 {
            (self.messages, self.messages_since_ms) = (0, now_ms);
        }
        self.messages = self.messages.saturating_add(1);
        self.events
            .push(if self.messages <= MAX_MESSAGES_PER_MINUTE {
                Event::Message(clean(text))
            } else {
                Event::Ignored("too many messages".to_owned())
            });
    }

    fn notify(&mut self, notify: Box<Notify>, now_ms: u64) {
        match network_target(notify.nbits) {
            Ok(network_target) => self.take_job(notify, network_target, now_ms),
            Err(error) => {
                let error = UpstreamWireError::Nbits(error);
                self.dropped_job = Some(error);
                self.events.push(Event::Ignored(error.to_string()));
            }
        }
    }

    /// For jobs from now on.
    pub(super) fn set_version_mask(&mut self, mask: u32) {
        if self.version_mask != mask {
            self.version_mask = mask;
            self.events.push(Event::MaskChanged(mask));
        }
    }

    fn reply(&mut self, reply: &Reply<'_>, now_ms: u64) {
        if let Some((token, took_ms)) = self.submits.answered(reply.id, now_ms) {
            let outcome = match reply.accepted() {
                Ok(()) => Outcome::Taken,
                Err(refusal) => Outcome::Refused {
                    reason: Reason::of(refusal.code, &refusal.text),
                    message: refusal.to_string(),
                },
            };
            let round_trip = Duration::from_millis(took_ms);
            self.events.push(Event::Answered {
                token,
                outcome,
                round_trip,
            });
            return;
        }
        // What is left are the replies to suggest_difficulty, which matter to nobody, and
        // those that come after their share was given up.
        self.handshake_reply(reply, now_ms);
    }

    /// Sends a share. `token` comes back with its answer. The caller sees to it that
    /// [`Self::can_submit`].
    pub(in crate::upstream) fn submit(&mut self, submit: &UpstreamSubmit, token: T, now_ms: u64) {
        let id = self.take_id();
        // Once a mask was granted a submit has six params, from every miner: DATUM
        // refuses one without.
        let share = request::Submit {
            username: &self.options.username,
            job_id: &submit.job.upstream_id,
            extranonce2: &submit.extranonce2,
            ntime: submit.ntime,
            nonce: submit.nonce,
            version_bits: self.mask_granted.then_some(submit.version_bits),
        };
        request::submit(&mut self.out, id, &share);
        self.submits.sent(id, token, now_ms);
    }
}

fn reconnect_event<T>(reconnect: Reconnect<'_>) -> Event<T> {
    Event::Reconnect {
        host: reconnect.host.map(|host| host.into_owned()),
        port: reconnect.port,
        wait: Duration::from_secs(reconnect.wait_secs.into()),
    }
}

/// A stranger's words for a log: short, and without what moves a terminal's cursor.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_MESSAGE_CHARS)
        .collect()
}
