//! Messages from a session to its device: difficulty, mask and job, always in this order.

use std::sync::Arc;

use super::{Rolling, Session, Stage, Turn, seconds};
use crate::job::UpstreamJob;
use crate::wire::reply;

/// A difficulty is not pushed more often than this: a re-notify makes the device begin
/// anew, and strangers must not be able to provoke them at will.
const PUSH_INTERVAL_MS: u64 = 10_000;

/// A job is told again when nothing was told for so long: some devices leave after two
/// minutes of silence.
const KEEPALIVE_MS: u64 = 60_000;

/// ESP-Miner v2.15 does the first half second of work after it is given an extranonce1
/// twice, and submits what it finds there twice. Shares of that time are here by then.
const DOUBLES_MS: u64 = 5_000;

impl Session {
    /// Tells the lane's current job, unless the session knows it or is not ready for
    /// one. `clean` is for a session whose older jobs are of no use to it.
    pub(crate) fn tell_job(&mut self, clean: bool, turn: &mut Turn<'_>) {
        let Some(job) = self.job_to_tell() else {
            return;
        };
        let last = self.jobs.last().map(|told| &told.job);
        if last.is_some_and(|last| last.sequence == job.sequence) {
            return;
        }
        // A view can be replaced before it is seen: if one between asked to discard the
        // older jobs, the last one told is dead.
        let discard = last.is_none_or(|last| !last.is_alive());
        let clean = clean || job.clean_jobs || discard;
        if self.tell(&job, clean, turn) {
            let age_us = turn
                .now
                .us
                .saturating_sub(job.received_ms.saturating_mul(1000));
            if !discard || job.clean_jobs {
                turn.metrics.notify_seconds.observe(seconds(age_us));
            }
        }
    }

    /// Tells the current job again under a new name and with a later time, so that a new
    /// difficulty takes effect.
    fn push_difficulty(&mut self, turn: &mut Turn<'_>) {
        self.push_wanted = false;
        let Some(job) = self.job_to_tell() else {
            return;
        };
        self.push_after_ms = turn.now.ms().saturating_add(PUSH_INTERVAL_MS);
        self.tell(&job, false, turn);
    }

    /// Tells the current job again when nothing was told for long.
    fn keep_alive(&mut self, turn: &mut Turn<'_>) {
        let now_ms = turn.now.ms();
        if self.keepalive_at_ms().is_some_and(|at_ms| at_ms <= now_ms)
            && let Some(job) = self.job_to_tell()
        {
            self.tell(&job, false, turn);
        }
    }

    fn job_to_tell(&self) -> Option<Arc<UpstreamJob>> {
        let Stage::Authorized(_) = self.stage else {
            return None;
        };
        let view = &self.place.subscribed()?.grant.view;
        view.current().filter(|_| view.up).cloned()
    }

    /// When the job at hand is told again as a sign of life.
    fn keepalive_at_ms(&self) -> Option<u64> {
        self.job_to_tell()?;
        Some(self.told_ms.saturating_add(KEEPALIVE_MS))
    }

    fn tell(&mut self, job: &Arc<UpstreamJob>, clean: bool, turn: &mut Turn<'_>) -> bool {
        let now_ms = turn.now.ms();
        let (difficulty, assigned) = self.control.assign(job, now_ms);
        if self.jobs.last().is_none() {
            self.doubles_begin(now_ms);
        }
        // Also where it cannot be told: the next try is as far away.
        self.told_ms = now_ms;
        let age_ms = now_ms.saturating_sub(job.received_ms);
        let age_secs = u32::try_from(age_ms / 1000).unwrap_or(u32::MAX);
        let Some(told) = self.jobs.tell(job.clone(), assigned, age_secs) else {
            return false;
        };
        if self.control.told != Some(difficulty) {
            self.control.told = Some(difficulty);
            reply::set_difficulty(turn.out, difficulty);
            turn.entered.connection().set_difficulty(difficulty.get());
        }
        reply::notify(turn.out, told.id(), &job.notify_middle, told.ntime, clean);
        true
    }

    /// The device was just given an extranonce1.
    pub(super) fn doubles_begin(&mut self, now_ms: u64) {
        self.doubles_until_ms = now_ms.saturating_add(DOUBLES_MS);
    }

    /// Tells the version mask if it changed since the device was told.
    pub(super) fn tell_mask(&mut self, turn: &mut Turn<'_>) {
        let (Some(rolling), Some(seat)) = (&mut self.rolling, self.place.seat()) else {
            return;
        };
        let mask = rolling.asked & seat.grant.version_mask();
        if mask != rolling.told && matches!(self.stage, Stage::Authorized(_)) {
            rolling.told = mask;
            reply::set_version_mask(turn.out, mask);
        }
    }

    /// The device asked to roll `asked`; gives what it may.
    pub(crate) fn grant_mask(&mut self, asked: u32, granted: u32) -> u32 {
        let told = asked & granted;
        self.rolling = Some(Rolling { asked, told });
        told
    }

    /// The wanted difficulty may have changed: push it, now or when it is allowed.
    pub(crate) fn want_push(&mut self, turn: &mut Turn<'_>) {
        // Without a job there is nothing to push: the next one gets what is right for it.
        let job = self.job_to_tell();
        self.push_wanted =
            job.is_some_and(|job| self.control.told != Some(self.control.wanted_for(&job)));
        if self.push_wanted && turn.now.ms() >= self.push_after_ms {
            self.push_difficulty(turn);
        }
    }

    /// Lets vardiff look at the clock.
    pub(super) fn steer(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.stage, Stage::Authorized(_)) {
            return;
        }
        self.control.tick(turn.now.ms(), turn.metrics);
        turn.entered
            .connection()
            .set_estimate(self.control.estimate());
        self.want_push(turn);
        self.keep_alive(turn);
    }

    /// When [`Self::steer`] has something to do.
    pub(super) fn steer_at_ms(&self) -> u64 {
        let push = if self.push_wanted {
            self.push_after_ms
        } else {
            u64::MAX
        };
        let keepalive = self.keepalive_at_ms().unwrap_or(u64::MAX);
        self.control.next_tick_ms().min(push).min(keepalive)
    }
}
