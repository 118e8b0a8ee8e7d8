//! A lane's reactions to the events of its connection.

use std::time::{Duration, Instant};

use accounting::UpstreamResult;

use super::Lane;
use crate::Difficulty;
use crate::clock::monotonic_ms;
use crate::extranonce::Prefixes;
use crate::upstream::LeftUrl;
use crate::upstream::client::{Event, NewJob, Outcome};
use crate::upstream::connector::Destination;
use crate::upstream::failure::Failure;
use crate::upstream::link::{Link, Sent};
use crate::upstream::refusals::is_ordinary;
use crate::upstream::shared::Forward;
use crate::upstream::tip::UpstreamTip;

impl Lane {
    /// Takes all that happened on the connection. The sessions see the result once, as a
    /// whole: a segment with a set_difficulty, a set_extranonce and a job is one change.
    pub(super) fn take_events(&mut self, link: &mut Link, to: &Destination) {
        let mut changed = false;
        for event in link.take_events() {
            match event {
                Event::Job(job) => {
                    self.job(*job);
                    changed = true;
                }
                Event::MaskChanged(mask) => {
                    self.board.set_version_mask(mask);
                    changed = true;
                }
                Event::Answered {
                    token,
                    outcome,
                    round_trip,
                } => self.answered(link.difficulty(), to, token, &outcome, round_trip),
                Event::Unanswered(sent) => self.unanswered(sent),
                Event::Message(text) => tracing::info!(url = %to.url, ?text, "the upstream says"),
                Event::Ignored(why) => {
                    self.shared.metrics().ignored();
                    tracing::debug!(url = %to.url, why, "a line of the upstream is ignored");
                }
                // The link ends by these, or has done all there is to do about them.
                Event::Reconnect { .. }
                | Event::Unauthorized(_)
                | Event::SubscribeRefused(_)
                | Event::BadExtranonce { .. }
                | Event::NoFirstJob
                | Event::Stalled => {}
            }
        }
        if changed {
            self.publish();
            self.update_status();
        }
    }

    fn job(&mut self, job: NewJob) {
        let difficulty = job.difficulty;
        let prefixes = match Prefixes::new(job.extranonce2_size) {
            Ok(prefixes) => prefixes,
            Err(error) => {
                // The client refuses such sessions.
                tracing::error!(%error, "a job whose extranonce2 has no room for miners is dropped");
                return;
            }
        };
        let prefix_size = prefixes.split().prefix_size;
        if self
            .board
            .add(job, prefix_size, &mut self.shared.seen(), monotonic_ms())
        {
            self.lane
                .begin_generation(self.board.generation(), prefixes);
        }
        let clean = self.board.newest().is_some_and(|job| job.clean_jobs);
        self.shared.metrics().job(clean, difficulty);
        tracing::trace!(lane = self.lane.index, clean, %difficulty, "job");
    }

    fn answered(
        &mut self,
        announced: Option<Difficulty>,
        to: &Destination,
        sent: Sent,
        outcome: &Outcome,
        round_trip: Duration,
    ) {
        let submit = &sent.forward.submit;
        // Under the config's URL, wherever the pool may have sent us from there.
        let configured = self.connector.destination(to.index);
        let url = (to.index, configured.as_ref().map_or(&to.url, |to| &to.url));
        let (job, work) = (&submit.job, submit.job.upstream.work);
        let accepted = *outcome == Outcome::Taken;
        match outcome {
            Outcome::Taken => {
                self.board.taken(job, sent.sent_ms);
                self.refusals.taken();
                self.course.taken();
                self.shared.metrics().taken(url, work, round_trip);
                tracing::debug!(job = %job.upstream_id, "share accepted by the upstream");
            }
            Outcome::Refused { reason, message } => {
                if reason.says_too_old() {
                    self.board.refused_as_too_old(job, sent.sent_ms);
                }
                self.shared
                    .metrics()
                    .refused(url, *reason, work, round_trip);
                tracing::debug!(job = %job.upstream_id, reason = reason.label(), says = ?message, miner = %submit.miner, "share refused by the upstream");
                if !is_ordinary(*reason, job, announced) {
                    self.refusals.refused(*reason, message, monotonic_ms());
                    self.refusal_lines.refused(*reason, message);
                }
            }
        }
        if submit.meets_network {
            let block = if accepted { "accepted" } else { "refused" };
            self.shared.metrics().block(block);
            if accepted {
                tracing::info!(job = %job.upstream_id, miner = %submit.miner, "BLOCK FOUND, and accepted by the upstream");
            } else {
                tracing::error!(job = %job.upstream_id, miner = %submit.miner, ?outcome, "block found, but refused by the upstream");
            }
        }
        let result = UpstreamResult {
            miner: submit.miner,
            upstream_work: work,
            accepted,
        };
        if let Some(slot) = sent.forward.slot {
            slot.send(result);
        }
    }

    /// Nobody will ever know what became of it: the ledger is told nothing.
    pub(super) fn unanswered(&self, sent: Sent) {
        let submit = &sent.forward.submit;
        self.shared.metrics().unanswered(submit.job.upstream.work);
        self.block_lost(&sent.forward, "unanswered");
    }

    /// Its connection was lost before it could be sent.
    pub(super) fn not_sent(&self, forward: Forward) {
        self.shared
            .metrics()
            .not_sent(forward.submit.job.upstream.work);
        tracing::debug!(job = %forward.submit.job.upstream_id, "share for the upstream not sent: its connection is gone");
        self.block_lost(&forward, "not_sent");
    }

    fn block_lost(&self, forward: &Forward, result: &'static str) {
        let submit = &forward.submit;
        if submit.meets_network {
            self.shared.metrics().block(result);
            tracing::error!(
                job = %submit.job.upstream_id, miner = %submit.miner, result,
                "block found, but the upstream never answered: check whether it has the block",
            );
        }
    }

    /// Tells that a connection has work.
    pub(super) fn tell_connected(&self, to: &Destination) {
        let view = self.board.view();
        tracing::info!(
            lane = self.lane.index, url = %to.url,
            extranonce1_bytes = view.extranonce1.len(), extranonce2_bytes = view.extranonce2_size,
            version_mask = format_args!("{:08x}", view.version_mask),
            difficulty = view.current().map(|job| job.upstream.difficulty.get()),
            "upstream connected",
        );
        if !self.course.is_lead() {
            return;
        }
        self.set_connected(to, true);
        self.shared.status().send_modify(|status| {
            status.up = true;
            status.since = Instant::now();
            status.url_index = to.index;
            status.url = Some(to.url.clone());
            status.moved(None, to.index);
        });
    }

    /// Under the config's URL, wherever the pool may have sent us from there.
    pub(super) fn set_connected(&self, to: &Destination, up: bool) {
        if let Some(configured) = self.connector.destination(to.index) {
            self.shared
                .metrics()
                .set_connected(to.index, &configured.url, up);
        }
    }

    fn update_status(&self) {
        if !self.course.is_lead() {
            return;
        }
        let view = self.board.view();
        self.shared.status().send_modify(|status| {
            status.version_mask = view.version_mask;
            if let Some(job) = view.current() {
                status.difficulty = Some(job.upstream.difficulty);
                status.last_job = Some(Instant::now());
                status.tip = Some(UpstreamTip::after(job, status.tip));
            }
        });
    }

    /// Tells what was refused, if a line is due. The pool's words are in quotes, and not
    /// under the name `message`: that is the event's own text, and a log would show a
    /// stranger's in its place.
    pub(super) fn tell_refusals(&mut self, to: &Destination) {
        if let Some(refused) = self.refusal_lines.take_due(monotonic_ms()) {
            tracing::warn!(
                lane = self.lane.index, url = %to.url, shares = refused.count(), reasons = %refused,
                "shares refused by the upstream",
            );
        }
    }

    /// Tells that another URL is in use than the one that just ended, if so.
    pub(super) fn tell_left(&mut self, to: &Destination, failure: &Failure) {
        if !self.course.is_lead() {
            return;
        }
        let now = self.course.url_index();
        let Some(left) = self
            .connector
            .destination(to.index)
            .filter(|_| now != to.index)
        else {
            return;
        };
        let left = LeftUrl {
            index: to.index,
            url: left.url,
            at: Instant::now(),
            why: failure.to_string(),
        };
        if let Some(next) = self.connector.destination(now) {
            tracing::warn!(left = %left.url, next = %next.url, why = left.why, "trying another upstream");
        }
        self.shared
            .status()
            .send_modify(|status| status.moved(Some(left), now));
    }

    /// Tells that a connection ended or could not be made.
    pub(super) fn tell_end(&self, to: &Destination, failure: &Failure) {
        self.shared.metrics().disconnected(failure.label());
        let lane = self.lane.index;
        match failure {
            Failure::Stopping | Failure::UrlChanged | Failure::Reconnect { .. } => {
                tracing::info!(lane, url = %to.url, %failure, "upstream disconnected");
            }
            _ if failure.is_fatal() => {
                tracing::error!(lane, url = %to.url, %failure, "upstream unusable")
            }
            _ => tracing::warn!(lane, url = %to.url, %failure, "no upstream"),
        }
        if !self.course.is_lead() {
            return;
        }
        self.shared.status().send_modify(|status| {
            if status.up {
                status.up = false;
                status.since = Instant::now();
            }
            status.url_index = to.index;
            status.url = Some(to.url.clone());
            status.last_error = Some(failure.to_string());
        });
    }
}
