//! The living jobs of a lane, and its view for sessions. Pure.

use std::sync::Arc;

use super::LaneView;
use super::age::AgeLimit;
use super::client::NewJob;
use super::seen_book::SeenBook;
use crate::job::{Assigned, JobContext, UpstreamJob};

/// More living jobs than this are not kept: a pool that sends a job a second, never
/// clean, would fill the memory with the hashes seen for each.
const MAX_LIVING_JOBS: usize = 64;

/// The jobs of one lane over all its upstream sessions.
#[derive(Debug)]
pub(super) struct Board {
    generation: u64,
    sequence: u64,
    /// The extranonce1 and extranonce2 size of the generation; `None` when the next job
    /// begins a new one whatever it says.
    session: Option<(Box<[u8]>, usize)>,
    /// Jobs of this generation and later ones are of the current connection.
    first_of_connection: u64,
    version_mask: u32,
    prefix_size: usize,
    jobs: Vec<Arc<UpstreamJob>>,
    max_age_ms: u64,
    age: AgeLimit,
}

impl Board {
    /// An empty board. `max_age_ms` is the age limit of replaced jobs.
    pub(super) fn new(max_age_ms: u64) -> Self {
        Board {
            generation: 0,
            sequence: 0,
            session: None,
            first_of_connection: 1,
            version_mask: 0,
            prefix_size: 0,
            jobs: Vec::new(),
            max_age_ms,
            age: AgeLimit::new(max_age_ms),
        }
    }

    /// The number of the current generation.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The sequence of the newest job ever made, 0 before the first.
    pub(super) fn newest_sequence(&self) -> u64 {
        self.sequence
    }

    /// The newest job.
    pub(super) fn newest(&self) -> Option<&Arc<UpstreamJob>> {
        self.jobs.last()
    }

    /// True when the upstream session that gave `job` is the current one: only there
    /// can a share of it be submitted.
    pub(super) fn is_of_connection(&self, job: &UpstreamJob) -> bool {
        job.generation >= self.first_of_connection
    }

    /// A new connection: the jobs of the one before are dead, and the next job begins
    /// a new generation even if it says the same.
    pub(super) fn begin_connection(&mut self) {
        self.kill_all();
        self.session = None;
        self.first_of_connection = self.generation + 1;
        self.age = AgeLimit::new(self.max_age_ms);
    }

    /// Puts a job on top. True when it begins a new generation: its prefixes are new.
    ///
    /// Where its previous block is another one it is clean, whatever its flag says: a share
    /// on the old block is worth nothing any more, and some pools leave the flag out.
    pub(super) fn add(
        &mut self,
        mut new: NewJob,
        prefix_size: usize,
        seen: &mut SeenBook,
        now_ms: u64,
    ) -> bool {
        let session = (new.extranonce1.clone(), new.extranonce2_size);
        let new_generation = self.session.as_ref() != Some(&session);
        if new_generation {
            self.generation += 1;
            self.session = Some(session);
            self.prefix_size = prefix_size;
        }
        let last = self.jobs.last();
        new.notify.clean_jobs |= last.is_some_and(|last| last.prev_hash != new.notify.prev_hash);
        if new.notify.clean_jobs {
            self.kill_all();
        }
        self.version_mask = new.version_mask;
        self.sequence += 1;
        let job = self.make_job(new, seen, now_ms);
        self.jobs.push(Arc::new(job));
        if self.jobs.len() > MAX_LIVING_JOBS {
            self.jobs.remove(0).kill();
        }
        new_generation
    }

    fn make_job(&self, new: NewJob, seen: &mut SeenBook, now_ms: u64) -> UpstreamJob {
        let context = JobContext {
            sequence: self.sequence,
            generation: self.generation,
            seen: seen.of(&new, now_ms),
            extranonce1: &new.extranonce1,
            extranonce2_size: new.extranonce2_size,
            version_mask: new.version_mask,
            upstream: Assigned::of(new.difficulty),
            network_target: new.network_target,
            received_ms: now_ms,
        };
        UpstreamJob::new(context, *new.notify)
    }

    /// The upstream changed the version mask; it holds for jobs from now on.
    pub(super) fn set_version_mask(&mut self, version_mask: u32) {
        self.version_mask = version_mask;
    }

    /// Ends replaced jobs that are past the age limit. True when there were any. The
    /// newest lives on: that the upstream gives no newer one is for the no-job timeout.
    pub(super) fn expire(&mut self, now_ms: u64) -> bool {
        let mut any = false;
        while self.next_expiry_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            self.jobs.remove(0).kill();
            any = true;
        }
        any
    }

    /// When the oldest replaced job is past the age limit.
    pub(super) fn next_expiry_ms(&self) -> Option<u64> {
        let replaced = self.jobs.len() > 1;
        let oldest = self.jobs.first().filter(|_| replaced)?;
        Some(oldest.received_ms.saturating_add(self.age.limit_ms()))
    }

    /// Learns from a share of `job`, sent at `sent_ms`, that was taken.
    pub(super) fn taken(&mut self, job: &UpstreamJob, sent_ms: u64) {
        if self.is_of_connection(job) {
            self.age.taken_at(sent_ms.saturating_sub(job.received_ms));
        }
    }

    /// Learns from a share of `job`, sent at `sent_ms`, that was refused as too old. It
    /// tells of the age only when nothing else can be the cause: a clean_jobs that
    /// crossed the share on the wire was read before the answer, and killed the job.
    pub(super) fn refused_as_too_old(&mut self, job: &UpstreamJob, sent_ms: u64) {
        let newest = self
            .jobs
            .last()
            .is_none_or(|last| last.sequence == job.sequence);
        if job.is_alive() && !newest && self.is_of_connection(job) {
            self.age.refused_at(sent_ms.saturating_sub(job.received_ms));
        }
    }

    /// The upstream is lost: no share of any job counts any more.
    pub(super) fn kill_all(&mut self) {
        for job in self.jobs.drain(..) {
            job.kill();
        }
    }

    /// What the sessions see. Up while there is a job.
    pub(super) fn view(&self) -> Arc<LaneView> {
        let (extranonce1, extranonce2_size) = self.session.clone().unwrap_or_default();
        Arc::new(LaneView {
            up: !self.jobs.is_empty(),
            generation: self.generation,
            extranonce1,
            extranonce2_size,
            prefix_size: self.prefix_size,
            version_mask: self.version_mask,
            jobs: self.jobs.as_slice().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::fixtures::new_job;

    const AGE_MS: u64 = 150_000;

    /// A board with a job each 40 s from 0 on, none of them clean.
    fn board(jobs: usize) -> Board {
        let (mut board, mut seen) = (Board::new(AGE_MS), SeenBook::default());
        for at in 0..jobs {
            board.add(new_job(&format!("j{at}")), 3, &mut seen, at as u64 * 40_000);
        }
        board
    }

    fn ids(board: &Board) -> Vec<Box<str>> {
        board
            .view()
            .jobs
            .iter()
            .map(|job| job.upstream_id.clone())
            .collect()
    }

    #[test]
    fn replaced_jobs_end_at_the_age_limit_and_the_newest_does_not() {
        let mut board = board(2);
        let first = Arc::clone(&board.view().jobs[0]);
        assert_eq!(board.next_expiry_ms(), Some(AGE_MS));
        assert!(!board.expire(AGE_MS - 1) && first.is_alive());
        assert!(board.expire(AGE_MS) && !first.is_alive());
        assert_eq!(ids(&board), ["j1".into()]);
        assert_eq!(board.next_expiry_ms(), None);
        assert!(!board.expire(u64::MAX));
    }

    #[test]
    fn two_stale_refusals_shorten_the_life_of_replaced_jobs() {
        let mut board = board(4);
        let old = Arc::clone(&board.view().jobs[0]);
        board.refused_as_too_old(&old, 125_000);
        board.refused_as_too_old(&old, 121_000);
        assert_eq!(board.next_expiry_ms(), Some(125_000));
        board.taken(&old, 130_000);
        assert_eq!(board.next_expiry_ms(), Some(130_000));
        board.begin_connection();
        board.add(new_job("a"), 3, &mut SeenBook::default(), 200_000);
        board.add(new_job("b"), 3, &mut SeenBook::default(), 200_001);
        assert_eq!(board.next_expiry_ms(), Some(200_000 + AGE_MS));
    }

    #[test]
    fn the_newest_job_and_dead_ones_teach_nothing() {
        let mut board = board(2);
        let jobs = board.view().jobs.clone();
        for _ in 0..3 {
            board.refused_as_too_old(&jobs[1], 80_000);
        }
        jobs[0].kill();
        for _ in 0..3 {
            board.refused_as_too_old(&jobs[0], 80_000);
        }
        assert_eq!(board.next_expiry_ms(), Some(AGE_MS));
    }

    #[test]
    fn too_many_jobs_push_out_the_oldest() {
        let board = board(MAX_LIVING_JOBS + 3);
        assert_eq!(ids(&board).len(), MAX_LIVING_JOBS);
        assert_eq!(&*ids(&board)[0], "j3");
    }

    #[test]
    fn another_block_ends_the_jobs_before_whatever_the_flag_says() {
        let (mut board, mut seen) = (board(2), SeenBook::default());
        let old = board.view().jobs.clone();
        let mut other = new_job("next block");
        other.notify.prev_hash = [8; 32];
        board.add(other.clone(), 3, &mut seen, 80_000);
        assert!(old.iter().all(|job| !job.is_alive()));
        assert!(board.newest().is_some_and(|job| job.clean_jobs));
        // The same block again: not clean. The old one back, as after a reorganisation: clean.
        board.add(other, 3, &mut seen, 80_000);
        assert!(board.newest().is_some_and(|job| !job.clean_jobs));
        assert_eq!(ids(&board).len(), 2);
        board.add(new_job("back"), 3, &mut seen, 80_000);
        assert_eq!(ids(&board), ["back".into()]);
    }

    #[test]
    fn a_generation_is_one_connections_and_one_extranonces() {
        let (mut board, mut seen) = (Board::new(AGE_MS), SeenBook::default());
        assert!(board.add(new_job("a"), 3, &mut seen, 0));
        assert!(!board.add(new_job("b"), 3, &mut seen, 0));
        let mut other = new_job("c");
        other.extranonce1 = [1, 2].into();
        assert!(board.add(other, 3, &mut seen, 0));
        let jobs = board.view().jobs.clone();
        assert!(jobs.iter().all(|job| board.is_of_connection(job)));
        board.begin_connection();
        assert!(
            jobs.iter()
                .all(|job| !board.is_of_connection(job) && !job.is_alive())
        );
        let mut other = new_job("d");
        other.extranonce1 = [1, 2].into();
        assert!(board.add(other, 3, &mut seen, 0));
        assert_eq!(board.view().generation, 3);
    }
}
