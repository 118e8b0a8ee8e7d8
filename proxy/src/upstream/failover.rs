//! Failover: the URL to try next, and the back-off before it. Pure, the random number is
//! handed in.

use std::time::Duration;

/// So many failures in a row on one URL and the next one's turn comes.
const FAILURES_PER_URL: u32 = 3;

/// So many connections in a row on which nothing but refusals came, and the next one's
/// turn comes: the first of them may have been a server's trouble with that connection.
const REFUSED_PER_URL: u32 = 2;

/// A session that lasted shorter is a failure too: a pool that gives one job and hangs
/// up, over and over, is not healthy.
const STABLE: Duration = Duration::from_secs(60);

/// How a connection ended, or did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// No job ever came of it.
    Failed,
    /// It can never work as it is configured: refused username, no room for prefixes.
    Fatal,
    /// The pool took no share any more.
    Refused,
    /// It had a job and lived for so long.
    Lost {
        /// From the first job to the end.
        lived: Duration,
        /// It ended because no job came any more.
        stalled: bool,
    },
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The URL to try.
    pub(super) url_index: usize,
    /// How long to wait first.
    pub(super) wait: Duration,
}

/// The way through the list of URLs.
#[derive(Debug)]
pub(super) struct Failover {
    urls: usize,
    current: usize,
    /// Failures in a row on the current URL.
    failures: u32,
    /// Connections in a row to the current URL that were ended for refusals, no share
    /// taken between.
    refused: u32,
    /// URLs that were left for refusals and took no share since: one such connection more
    /// is enough.
    refusing: Vec<bool>,
    /// URLs given up in a row; each whole round through the list waits longer.
    given_up: u32,
    wait_min: Duration,
    wait_max: Duration,
}

impl Failover {
    /// Begins with the first of `urls` URLs.
    pub(super) fn new(urls: usize, wait_min: Duration, wait_max: Duration) -> Self {
        Failover {
            urls: urls.max(1),
            current: 0,
            failures: 0,
            refused: 0,
            refusing: vec![false; urls.max(1)],
            given_up: 0,
            wait_min,
            wait_max: wait_max.max(wait_min),
        }
    }

    /// The URL in use.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// A probe found this URL healthy: it is the current one from now on.
    pub(super) fn switch_to(&mut self, url_index: usize) {
        self.current = url_index.min(self.urls - 1);
        self.failures = 0;
        self.refused = 0;
        self.given_up = 0;
    }

    /// The current URL's pool took a share.
    pub(super) fn taken(&mut self) {
        self.refused = 0;
        if let Some(refusing) = self.refusing.get_mut(self.current) {
            *refusing = false;
        }
    }

    /// Takes note of an end. `random` is uniform in [0, 1).
    ///
    /// The wait doubles with every failure on one URL; the next URL of the same round is
    /// tried without waiting, for the miners are idle; a round that found nothing makes
    /// the next round's waits longer. The jitter takes away up to half, so that the
    /// proxies that lost a pool at the same moment do not come back at the same moment.
    pub(super) fn ended(&mut self, how: Ended, random: f64) -> Next {
        if let Ended::Lost { lived, stalled } = how
            && lived >= STABLE
        {
            self.failures = 0;
            self.given_up = 0;
            if !stalled {
                return self.next(self.wait_min, random);
            }
        }
        if how == Ended::Refused {
            return self.took_nothing(random);
        }
        self.failures += 1;
        if how == Ended::Fatal || self.failures >= FAILURES_PER_URL {
            return self.give_up(how, random);
        }
        self.next(self.wait_after(self.failures - 1), random)
    }

    /// A lone URL is met again ever more slowly, too: each refused share is work for
    /// nothing.
    fn took_nothing(&mut self, random: f64) -> Next {
        self.refused += 1;
        let known = self.refusing.get(self.current) == Some(&true);
        if self.refused < REFUSED_PER_URL && !known {
            return self.next(self.wait_min, random);
        }
        if let Some(refusing) = self.refusing.get_mut(self.current) {
            *refusing = true;
        }
        self.give_up(Ended::Refused, random)
    }

    fn give_up(&mut self, how: Ended, random: f64) -> Next {
        let rounds_before = self.rounds();
        let wait = match how {
            // Nothing but the operator changes it, and a pool bans who asks too often.
            Ended::Fatal => self.wait_max,
            Ended::Failed | Ended::Refused | Ended::Lost { .. } => {
                self.wait_after(FAILURES_PER_URL - 1)
            }
        };
        self.given_up = self.given_up.saturating_add(1);
        self.failures = 0;
        self.refused = 0;
        self.current = (self.current + 1) % self.urls;
        if self.rounds() == rounds_before {
            return Next {
                url_index: self.current,
                wait: Duration::ZERO,
            };
        }
        self.next(wait, random)
    }

    fn rounds(&self) -> u32 {
        self.given_up / u32::try_from(self.urls).unwrap_or(u32::MAX)
    }

    fn wait_after(&self, failures: u32) -> Duration {
        let exponent = self
            .rounds()
            .saturating_mul(FAILURES_PER_URL)
            .saturating_add(failures);
        let factor = 1_u32.checked_shl(exponent).unwrap_or(u32::MAX);
        self.wait_min.saturating_mul(factor).min(self.wait_max)
    }

    fn next(&self, wait: Duration, random: f64) -> Next {
        let keep = 1.0 - random.clamp(0.0, 1.0) / 2.0;
        Next {
            url_index: self.current,
            wait: wait.mul_f64(keep),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(60);

    fn failover(urls: usize) -> Failover {
        Failover::new(urls, MIN, MAX)
    }

    #[track_caller]
    fn case(failover: &mut Failover, how: Ended, url_index: usize, wait_secs: u64) {
        let next = failover.ended(how, 0.0);
        assert_eq!(
            next,
            Next {
                url_index,
                wait: Duration::from_secs(wait_secs)
            }
        );
    }

    fn lost(secs: u64, stalled: bool) -> Ended {
        Ended::Lost {
            lived: Duration::from_secs(secs),
            stalled,
        }
    }

    #[test]
    fn one_url_is_tried_ever_more_slowly() {
        let mut one = failover(1);
        for wait in [1, 2, 4, 8, 16, 32, 60] {
            case(&mut one, Ended::Failed, 0, wait);
        }
        for _ in 0..100 {
            one.ended(Ended::Failed, 0.0);
        }
        case(&mut one, Ended::Failed, 0, 60);
        case(&mut one, lost(3600, false), 0, 1);
    }

    #[test]
    fn the_next_url_has_its_turn_after_three_failures() {
        let mut two = failover(2);
        case(&mut two, Ended::Failed, 0, 1);
        case(&mut two, Ended::Failed, 0, 2);
        case(&mut two, Ended::Failed, 1, 0);
        case(&mut two, Ended::Failed, 1, 1);
        two.switch_to(0);
        assert_eq!(two.current(), 0);
        case(&mut two, Ended::Failed, 0, 1);
    }

    #[test]
    fn a_fatal_end_leaves_the_url_at_once() {
        let mut two = failover(2);
        case(&mut two, Ended::Fatal, 1, 0);
        case(&mut two, Ended::Fatal, 0, 60);
        case(&mut failover(1), Ended::Fatal, 0, 60);
    }

    #[test]
    fn a_url_that_refuses_everything_is_met_again_and_then_left() {
        let mut two = failover(2);
        case(&mut two, Ended::Refused, 0, 1);
        case(&mut two, Ended::Refused, 1, 0);
        // The second does, too: a round is over. The first is left at once now.
        case(&mut two, Ended::Refused, 1, 1);
        case(&mut two, Ended::Refused, 0, 4);
        case(&mut two, Ended::Refused, 1, 0);
        case(&mut two, Ended::Refused, 0, 32);
        case(&mut two, Ended::Refused, 1, 0);
        case(&mut two, Ended::Refused, 0, 60);
        // It took one: it has its second chance again.
        two.taken();
        case(&mut two, Ended::Refused, 0, 1);
        two.taken();
        case(&mut two, lost(3600, false), 0, 1);
        case(&mut two, Ended::Refused, 0, 1);
        case(&mut two, Ended::Refused, 1, 0);
    }

    #[test]
    fn a_lone_url_that_refuses_everything_is_met_ever_more_slowly() {
        let mut one = failover(1);
        for wait in [1, 4, 32, 60, 60] {
            case(&mut one, Ended::Refused, 0, wait);
        }
    }

    #[test]
    fn a_share_taken_between_makes_two_refusals_of_it() {
        let mut two = failover(2);
        for _ in 0..5 {
            case(&mut two, Ended::Refused, 0, 1);
            two.taken();
        }
    }

    #[test]
    fn short_lives_and_stalls_are_failures() {
        let mut two = failover(2);
        case(&mut two, lost(59, false), 0, 1);
        case(&mut two, lost(1, true), 0, 2);
        case(&mut two, lost(1, false), 1, 0);
        let mut two = failover(2);
        case(&mut two, Ended::Failed, 0, 1);
        case(&mut two, lost(60, true), 0, 1);
        case(&mut two, lost(60, false), 0, 1);
    }

    proptest! {
        #[test]
        fn every_wait_is_bounded_and_every_url_gets_its_turn(
            urls in 1_usize..6,
            random in prop::collection::vec(0.0_f64..1.0, 90),
        ) {
            let mut failover = failover(urls);
            let mut tried = vec![false; urls];
            for &random in &random {
                tried[failover.current()] = true;
                let how = if random < 0.5 { Ended::Failed } else { Ended::Refused };
                let next = failover.ended(how, random);
                prop_assert!(next.wait <= MAX && next.url_index < urls);
                prop_assert_eq!(next.url_index, failover.current());
            }
            prop_assert!(tried.iter().all(|&tried| tried));
        }
    }
}
