//! The jobs that a session was told of, each with the one target that belongs to it.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::check::MAX_NTIME_AHEAD_SECS;
use crate::job::{Assigned, UpstreamJob};
use crate::wire::JobId;

/// A device keeps 16 jobs at most; twice that covers every one that it may still solve.
/// The oldest is forgotten when there are more, and its shares are stale.
const MAX_JOBS: usize = 32;

/// How far ahead of the clock a job told again begins: a device that rolls the time may
/// go on with the old one for a moment without leaving that one's times.
const ROLL_AHEAD_SECS: u32 = 10;

/// What a session was told in one `mining.notify`.
#[derive(Debug)]
pub(crate) struct ToldJob {
    /// The upstream job behind it.
    pub(crate) job: Arc<UpstreamJob>,
    renotify: Option<NonZeroU16>,
    /// The header's time as it was told.
    pub(crate) ntime: u32,
    /// `None` where it is the upstream's own: most memory of an idle session is here.
    assigned: Option<Arc<Assigned>>,
}

impl ToldJob {
    /// The target that its shares are measured against and credited with. Fixed when
    /// the notify was written, whatever the difficulty became since.
    pub(crate) fn assigned(&self) -> &Assigned {
        self.assigned.as_deref().unwrap_or(&self.job.upstream)
    }

    /// Its name.
    pub(crate) fn id(&self) -> JobId {
        JobId {
            sequence: self.job.sequence,
            renotify: self.renotify,
        }
    }
}

/// What a submitted job id leads to.
#[derive(Debug)]
pub(crate) enum Lookup<'a> {
    /// A job whose shares count.
    Alive {
        /// The job.
        told: &'a ToldJob,
        /// The time from which on a header belongs to a later notify of the same headers.
        /// A header that could be submitted under either of two names would be submitted
        /// under the one that pays best for its hash, which was found already.
        ntime_before: Option<u32>,
    },
    /// A job that is over.
    Stale,
    /// A job that the session was never told of.
    Unknown,
}

/// The jobs of a session, oldest first.
#[derive(Debug, Default)]
pub(crate) struct JobTable {
    told: VecDeque<ToldJob>,
    newest_sequence: u64,
}

impl JobTable {
    /// The last job told.
    pub(crate) fn last(&self) -> Option<&ToldJob> {
        self.told.back()
    }

    /// Enters `job` under a name that is new to the session; `None` when it was told
    /// 65,535 times already, or for so long that no time is left for another header.
    ///
    /// Told again, it must give the device a fresh search space: its header's time is
    /// ahead of every time told before for the same headers, and of where a device that
    /// rolls the time by the clock can be after `age_secs`.
    pub(crate) fn tell(
        &mut self,
        job: Arc<UpstreamJob>,
        assigned: Option<Arc<Assigned>>,
        age_secs: u32,
    ) -> Option<&ToldJob> {
        let again = self
            .told
            .iter()
            .rev()
            .find(|told| told.job.sequence == job.sequence);
        let renotify = match again {
            Some(told) => Some(
                told.renotify
                    .map_or(Some(NonZeroU16::MIN), |n| n.checked_add(1))?,
            ),
            None => None,
        };
        let same_headers = self
            .told
            .iter()
            .filter(|told| Arc::ptr_eq(&told.job.seen, &job.seen));
        let latest = same_headers.map(|told| told.ntime).max();
        let ntime = match (latest, renotify) {
            (None, _) => job.ntime,
            (Some(latest), None) if latest < job.ntime => job.ntime,
            (Some(latest), None) => latest.saturating_add(1),
            (Some(latest), Some(_)) => latest.saturating_add(1).max(
                job.ntime
                    .saturating_add(age_secs)
                    .saturating_add(ROLL_AHEAD_SECS),
            ),
        };
        if renotify.is_some() && ntime >= job.ntime.saturating_add(MAX_NTIME_AHEAD_SECS) {
            return None;
        }
        self.told.retain(|told| told.job.is_alive());
        if self.told.len() >= MAX_JOBS {
            self.told.pop_front();
        }
        self.newest_sequence = self.newest_sequence.max(job.sequence);
        self.told.push_back(ToldJob {
            job,
            renotify,
            ntime,
            assigned,
        });
        self.told.back()
    }

    /// Finds what `id` names.
    pub(crate) fn find(&self, id: JobId) -> Lookup<'_> {
        let mut later_first = self.told.iter().rev();
        match later_first.find(|told| told.id() == id) {
            Some(told) if told.job.is_alive() => Lookup::Alive {
                told,
                ntime_before: self.ntime_before(told),
            },
            Some(_) => Lookup::Stale,
            None if (1..=self.newest_sequence).contains(&id.sequence) => Lookup::Stale,
            None => Lookup::Unknown,
        }
    }

    /// The least time of a notify of the same headers that is later than `told`: their
    /// times grow with each.
    fn ntime_before(&self, told: &ToldJob) -> Option<u32> {
        self.told
            .iter()
            .filter(|other| Arc::ptr_eq(&other.job.seen, &told.job.seen))
            .map(|other| other.ntime)
            .filter(|&ntime| ntime > told.ntime)
            .min()
    }

    /// Lets go of what is over.
    pub(crate) fn prune(&mut self) {
        self.told.retain(|told| told.job.is_alive());
        self.told.shrink_to(4);
    }

    /// How many are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.told.len()
    }
}
