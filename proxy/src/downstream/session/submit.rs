//! The outcome of a submission.

use accounting::{ShareId, ShareRecord};

use super::jobs::Lookup;
use super::pending::PendingShare;
use super::{Outgoing, Seat, Session, Stage, Turn, seconds};
use crate::check::{self, Accepted, CheckInput, Reject};
use crate::downstream::close::CloseReason;
use crate::extranonce::Extranonce1;
use crate::job::{Assigned, UpstreamJob};
use crate::upstream::UpstreamSubmit;
use crate::wire::{Id, Submit, reply};

/// For so long after an extranonce change a share may come with the new or the old one,
/// whatever its job: some devices take it up at once, others with the next job.
const BOTH_EXTRANONCES_MS: u64 = 10_000;

/// A share that passed, with what it was measured by.
struct Credited {
    accepted: Accepted,
    job: std::sync::Arc<UpstreamJob>,
    assigned: Assigned,
}

impl Session {
    /// Checks a submission in full. A reject is answered now; a share is answered when
    /// it is durable.
    pub(crate) fn submit(
        &mut self,
        id: Id<'_>,
        submit: &Submit<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), CloseReason> {
        let verdict = self.check(submit, turn.now.ms());
        let checked_us = (turn.clock)().us.saturating_sub(turn.now.us);
        turn.metrics.check_seconds.observe(seconds(checked_us));
        match verdict {
            Ok(credited) => {
                self.credit(id, submit, credited, turn);
                Ok(())
            }
            Err(reject) if self.is_excused(reject, turn.now.ms()) => {
                turn.metrics.rejected(reject.label());
                reply::error(turn.out, id, reject.code(), reject);
                Ok(())
            }
            Err(reject) => {
                turn.entered.connection().share_rejected();
                reply::error(self.late_replies(turn.out), id, reject.code(), reject);
                self.count_reject(reject.label(), turn)
            }
        }
    }

    /// True for a reject that is no fault of the device: nothing that its owner should
    /// look into, nor a reason to send it away.
    fn is_excused(&self, reject: Reject, now_ms: u64) -> bool {
        match reject {
            // It did what its firmware always does.
            Reject::Duplicate => now_ms < self.doubles_until_ms,
            // The upstream is lost, and with it the jobs that the device still has.
            Reject::Stale => self.down_since_ms.is_some(),
            _ => false,
        }
    }

    fn check(&self, submit: &Submit<'_>, now_ms: u64) -> Result<Credited, Reject> {
        let Stage::Authorized(_) = self.stage else {
            return Err(Reject::Unauthorized);
        };
        let seat = self.place.subscribed().ok_or(Reject::NotSubscribed)?;
        let (told, ntime_before) = match self.jobs.find(submit.job.ok_or(Reject::JobNotFound)?) {
            Lookup::Alive { told, ntime_before } => (told, ntime_before),
            Lookup::Stale => return Err(Reject::Stale),
            Lookup::Unknown => return Err(Reject::JobNotFound),
        };
        if ntime_before.is_some_and(|before| submit.ntime >= before) {
            return Err(Reject::NtimeOutOfRange);
        }
        let (candidates, count) = candidates(seat, &told.job, now_ms);
        let accepted = check::check(&CheckInput {
            job: &told.job,
            extranonce1: candidates.get(..count).unwrap_or(&candidates),
            assigned: told.assigned(),
            ntime: told.ntime,
            version_mask: self.rolled_mask(),
            submit,
        })?;
        Ok(Credited {
            accepted,
            job: told.job.clone(),
            assigned: *told.assigned(),
        })
    }

    /// The bits that a share may set, beside those of its job. Who configured nothing
    /// may roll all that the upstream grants: rented rigs do, without asking.
    fn rolled_mask(&self) -> u32 {
        self.rolling.map_or(u32::MAX, |rolling| rolling.asked)
    }

    fn credit(&mut self, id: Id<'_>, submit: &Submit<'_>, credited: Credited, turn: &mut Turn<'_>) {
        let Stage::Authorized(authorized) = &self.stage else {
            return;
        };
        let Credited {
            accepted,
            job,
            assigned,
        } = credited;
        self.sequence += 1;
        let record = ShareRecord {
            id: ShareId {
                session: authorized.session,
                sequence: self.sequence,
            },
            who: authorized.of(submit.username.as_str()).clone(),
            typed: authorized.typed,
            work: assigned.work,
            hash: accepted.hash,
            upstream_work: job.upstream.work,
            meets_upstream: accepted.meets_upstream,
            meets_network: accepted.meets_network,
            time_ms: turn.now.unix_ms,
        };
        if accepted.meets_network {
            turn.metrics.blocks.inc();
            tracing::info!(
                hash = %record.hash, miner = %record.who.miner,
                connection = turn.entered.connection().number(),
                "BLOCK FOUND: a share meets the network's target"
            );
        }
        // Where the network asks for less than the upstream (a test network) a block is
        // still a block.
        if accepted.meets_upstream || accepted.meets_network {
            turn.outgoing.push_back(Outgoing::Forward(UpstreamSubmit {
                job: job.clone(),
                extranonce2: accepted.extranonce2.as_bytes().into(),
                ntime: submit.ntime,
                nonce: submit.nonce,
                version_bits: accepted.version_bits,
                miner: record.who.miner,
                meets_network: accepted.meets_network,
            }));
        }
        self.pending.push(PendingShare {
            sequence: self.sequence,
            id: id.to_owned(),
            job,
            hash: *accepted.hash.as_ref(),
            work: assigned.work,
            received_us: turn.now.us,
        });
        turn.metrics.pending.inc();
        turn.outgoing.push_back(Outgoing::Record(record));
        self.rejects_in_a_row = 0;
        self.control.on_share(assigned.difficulty, turn.now.ms());
        self.steer(turn);
    }
}

/// The extranonce1 that a share of `job` may have been made with, the likeliest first.
fn candidates(seat: &Seat, job: &UpstreamJob, now_ms: u64) -> ([Extranonce1; 2], usize) {
    let current = seat.grant.extranonce1;
    let Some(previous) = seat.previous.as_deref() else {
        return ([current, current], 1);
    };
    let both = now_ms < previous.replaced_ms.saturating_add(BOTH_EXTRANONCES_MS);
    let count = if both { 2 } else { 1 };
    if job.generation == previous.generation {
        ([previous.extranonce1, current], count)
    } else {
        ([current, previous.extranonce1], count)
    }
}
