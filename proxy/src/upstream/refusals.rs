//! The pool's refusals: the point at which a connection is useless, and a rate limit for
//! the log. Pure.

use std::fmt;

use super::client::Reason;
use crate::Difficulty;
use crate::config::RefusalLimits;
use crate::job::UpstreamJob;

/// From one line in the log to the next.
const LINE_INTERVAL_MS: u64 = 60_000;

/// The most characters of the pool's words in a line.
const MAX_WORDS: usize = 100;

/// Refused shares by reason, with the words of the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refused {
    counts: [u64; Reason::ALL.len()],
    words: String,
}

impl Refused {
    fn add(&mut self, reason: Reason, words: &str) {
        let at = Reason::ALL.iter().position(|known| *known == reason);
        if let Some(count) = at.and_then(|at| self.counts.get_mut(at)) {
            *count = count.saturating_add(1);
        }
        self.words.clear();
        self.words.extend(words.chars().take(MAX_WORDS));
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        let sum = |sum: u64, count: &u64| sum.saturating_add(*count);
        self.counts.iter().fold(0, sum)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (reason, count)) in self.reasons().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {}", reason.label())?;
        }
        write!(f, ", the last one with the words {:?}", self.words)
    }
}

impl Refused {
    fn reasons(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        let all = Reason::ALL.into_iter().zip(self.counts);
        all.filter(|(_, count)| *count > 0)
    }
}

/// Whether a refusal may happen with a pool that is well: of a job that is dead by the
/// time of the answer (the new job and the share crossed on the wire), or for a difficulty
/// below the one that the pool has announced for the next job.
pub(super) fn is_ordinary(
    reason: Reason,
    job: &UpstreamJob,
    announced: Option<Difficulty>,
) -> bool {
    match reason {
        Reason::LowDifficulty => {
            let asks_more = |announced: Difficulty| announced > job.upstream.difficulty;
            !job.is_alive() || announced.is_some_and(asks_more)
        }
        Reason::Stale | Reason::JobNotFound => !job.is_alive(),
        _ => false,
    }
}

/// The refusals in a row of one connection, none taken between.
///
/// A pool may refuse a burst of shares around a new block, or as long as a server of it
/// restarts; so it takes both many of them and some time.
#[derive(Debug)]
pub(super) struct Run {
    limits: RefusalLimits,
    refused: Refused,
    since_ms: u64,
    is_enough: bool,
}

impl Run {
    pub(super) fn new(limits: RefusalLimits) -> Self {
        Run {
            limits,
            refused: Refused::default(),
            since_ms: 0,
            is_enough: false,
        }
    }

    /// A share was taken.
    pub(super) fn taken(&mut self) {
        self.refused = Refused::default();
        self.is_enough = false;
    }

    /// One was refused, and not in an ordinary way.
    pub(super) fn refused(&mut self, reason: Reason, words: &str, now_ms: u64) {
        if self.refused.count() == 0 {
            self.since_ms = now_ms;
        }
        self.refused.add(reason, words);
        // Only a refusal is a reason: a share that is under way may be taken yet.
        let long = now_ms.saturating_sub(self.since_ms) >= self.limits.lasting_ms();
        let many = self.refused.count() >= u64::from(self.limits.in_a_row);
        self.is_enough = long && many;
    }

    /// What was refused, when that shows the connection to be of no use.
    pub(super) fn verdict(&self) -> Option<&Refused> {
        self.is_enough.then_some(&self.refused)
    }
}

/// Gathers refusals into few lines: the first is told at once, then once in a minute what
/// came since.
#[derive(Debug, Default)]
pub(super) struct Lines {
    refused: Refused,
    told_ms: Option<u64>,
}

impl Lines {
    pub(super) fn refused(&mut self, reason: Reason, words: &str) {
        self.refused.add(reason, words);
    }

    /// When there is something to tell, if there is; 0: at once.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let due_ms = self.told_ms.map(|at| at.saturating_add(LINE_INTERVAL_MS));
        (self.refused.count() > 0).then_some(due_ms.unwrap_or(0))
    }

    /// What is to be told now.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Refused> {
        self.due_ms().filter(|due_ms| *due_ms <= now_ms)?;
        self.told_ms = Some(now_ms);
        Some(std::mem::take(&mut self.refused))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::upstream::tests::fixtures::job_of;

    fn run() -> Run {
        Run::new(RefusalLimits {
            in_a_row: 20,
            lasting: Duration::from_secs(15),
        })
    }

    #[track_caller]
    fn verdicts(run: &mut Run, refusals: u64, every_ms: u64, expected: bool) {
        for number in 0..refusals {
            run.refused(Reason::JobNotFound, "Job not found (21)", number * every_ms);
        }
        assert_eq!(run.verdict().is_some(), expected);
    }

    #[test]
    fn many_over_a_while_are_a_verdict() {
        verdicts(&mut run(), 480, 62, true);
        verdicts(&mut run(), 20, 60_000, true);
        // Few, however long; many, but in a burst: a block came, or a server restarted.
        verdicts(&mut run(), 19, 3_600_000, false);
        verdicts(&mut run(), 5_000, 2, false);
    }

    #[test]
    fn one_that_is_taken_begins_anew() {
        let mut run = run();
        verdicts(&mut run, 100, 1_000, true);
        run.taken();
        assert_eq!(run.verdict(), None);
        verdicts(&mut run, 19, 1_000, false);
    }

    #[test]
    fn what_crosses_a_new_job_on_the_wire_is_ordinary() {
        let difficulty = |of: f64| Some(Difficulty::new(of).expect("valid"));
        let job = job_of("a");
        let ordinary = |reason, announced| is_ordinary(reason, &job, announced);
        assert!(!ordinary(Reason::Stale, None));
        assert!(!ordinary(Reason::JobNotFound, difficulty(9.0)));
        assert!(!ordinary(Reason::LowDifficulty, difficulty(1.0)));
        assert!(ordinary(Reason::LowDifficulty, difficulty(1.5)));
        job.kill();
        assert!(ordinary(Reason::Stale, None) && ordinary(Reason::JobNotFound, None));
        assert!(ordinary(Reason::LowDifficulty, None));
        assert!(!ordinary(Reason::Duplicate, None) && !ordinary(Reason::Other, None));
    }

    #[test]
    fn a_line_says_how_many_of_what() {
        let mut refused = Refused::default();
        for _ in 0..3 {
            refused.add(Reason::LowDifficulty, "high-hash (23)");
        }
        refused.add(Reason::Stale, &"\u{1b}[31m".repeat(100));
        let line = refused.to_string();
        assert!(
            line.starts_with("1 stale, 3 low_difficulty, the last one with the words \"\\u{1b}")
        );
        assert!(line.len() < 1_000 && !line.contains('\u{1b}'), "{line}");
    }

    proptest! {
        #[test]
        fn lines_are_few_and_leave_none_out(
            steps in prop::collection::vec((0_u64..5_000, 0_usize..9), 1..500),
        ) {
            let (mut lines, mut now_ms, mut told) = (Lines::default(), 0, Vec::new());
            for &(wait_ms, reason) in &steps {
                now_ms += wait_ms;
                lines.refused(Reason::ALL[reason], "no");
                told.extend(lines.take_due(now_ms).map(|line| (now_ms, line.count())));
            }
            prop_assert_eq!(told[0].1, 1, "the first at once");
            let apart = told.windows(2).all(|two| two[1].0 - two[0].0 >= LINE_INTERVAL_MS);
            prop_assert!(apart);
            let due_ms = lines.due_ms().unwrap_or(now_ms);
            prop_assert!(due_ms <= now_ms + LINE_INTERVAL_MS);
            let rest = lines.take_due(due_ms).map_or(0, |line| line.count());
            let sum: u64 = told.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(sum + rest, steps.len() as u64);
        }
    }
}
