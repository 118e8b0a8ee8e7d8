//! A session's difficulty: vardiff, what the device asked for, and the two bounds.

use std::sync::Arc;

use super::Rules;
use crate::Difficulty;
use crate::downstream::metrics::Metrics;
use crate::estimate::Estimate;
use crate::job::{Assigned, UpstreamJob};
use crate::vardiff::{Bounds, Vardiff};

/// A suggestion begins vardiff anew, so that it is not heeded more often than this:
/// a device that suggests all the time would never be steered.
const SUGGEST_INTERVAL_MS: u64 = 60_000;

/// The difficulty of one session.
#[derive(Debug)]
pub(crate) struct Control {
    vardiff: Vardiff,
    estimate: Estimate,
    /// The config's start, or what the device suggested last.
    start: Difficulty,
    /// The config's least, or the device's own if that is higher.
    floor: Difficulty,
    /// What the upstream asks of the last job told; a job's own is what counts for it.
    ceiling: Option<Difficulty>,
    /// What the device was told last.
    pub(super) told: Option<Difficulty>,
    /// The target of the last difficulty assigned: computed once, shared by jobs.
    assigned: Option<Arc<Assigned>>,
    suggested: Option<Suggested>,
}

/// The suggestion that was heeded last.
#[derive(Clone, Copy, Debug)]
struct Suggested {
    difficulty: Difficulty,
    at_ms: u64,
}

impl Control {
    /// Begins with the config's start.
    pub(crate) fn new(rules: &Rules, now_ms: u64) -> Self {
        Control {
            vardiff: Vardiff::new(
                rules.start_difficulty,
                rules.target_shares_per_minute,
                now_ms,
            ),
            estimate: Estimate::default(),
            start: rules.start_difficulty,
            floor: rules.min_difficulty,
            ceiling: None,
            told: None,
            assigned: None,
            suggested: None,
        }
    }

    /// The device suggests where to begin. The same again changes nothing: NerdMiner
    /// repeats its suggestion once a minute, to keep the connection alive.
    pub(crate) fn suggest(&mut self, difficulty: Difficulty, now_ms: u64) {
        let heeded = self.suggested.is_none_or(|last| {
            let in_time = now_ms >= last.at_ms.saturating_add(SUGGEST_INTERVAL_MS);
            in_time && last.difficulty != difficulty
        });
        if heeded {
            let at_ms = now_ms;
            self.suggested = Some(Suggested { difficulty, at_ms });
            self.start = difficulty;
            self.vardiff.suggest(difficulty, now_ms);
        }
    }

    /// The device wants no less than this (BIP310's `minimum-difficulty`).
    pub(crate) fn set_minimum(&mut self, minimum: Difficulty) {
        self.floor = self.floor.max(minimum);
    }

    /// What a job told now would get: never more than the upstream asks of it.
    pub(crate) fn wanted_for(&self, job: &UpstreamJob) -> Difficulty {
        self.vardiff
            .difficulty(&self.bounds(job.upstream.difficulty))
    }

    /// Fixes the difficulty of a job that is about to be told. The target is `None`
    /// where it is the upstream's own, which the job carries.
    pub(super) fn assign(
        &mut self,
        job: &UpstreamJob,
        now_ms: u64,
    ) -> (Difficulty, Option<Arc<Assigned>>) {
        let difficulty = self.wanted_for(job);
        if self.ceiling.replace(job.upstream.difficulty).is_none() {
            // Before its first job a device is not silent, it has nothing to do.
            self.vardiff.suggest(self.start, now_ms);
            self.estimate.begin(now_ms);
        }
        if difficulty == job.upstream.difficulty {
            return (difficulty, None);
        }
        let known = self
            .assigned
            .take()
            .filter(|assigned| assigned.difficulty == difficulty);
        let assigned = known.unwrap_or_else(|| Arc::new(Assigned::of(difficulty)));
        self.assigned = Some(assigned.clone());
        (difficulty, Some(assigned))
    }

    /// Notes a share and the difficulty that was assigned with its job.
    pub(super) fn on_share(&mut self, assigned: Difficulty, now_ms: u64) {
        self.vardiff.on_share(assigned, now_ms);
        self.estimate.on_share(assigned, now_ms);
    }

    /// Lets vardiff decide.
    pub(super) fn tick(&mut self, now_ms: u64, metrics: &Metrics) {
        // Without a job there is nothing to steer.
        let Some(ceiling) = self.ceiling else { return };
        let bounds = self.bounds(ceiling);
        let before = self.vardiff.difficulty(&bounds);
        match self.vardiff.on_tick(&bounds, now_ms) {
            Some(after) if after > before => metrics.vardiff_up.inc(),
            Some(_) => metrics.vardiff_down.inc(),
            None => {}
        }
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn next_tick_ms(&self) -> u64 {
        self.ceiling
            .map_or(u64::MAX, |_| self.vardiff.next_tick_ms())
    }

    /// The estimate of the device's hashes a second.
    pub(crate) fn estimate(&self) -> Estimate {
        self.estimate
    }

    fn bounds(&self, ceiling: Difficulty) -> Bounds {
        Bounds {
            floor: self.floor,
            ceiling,
        }
    }
}
