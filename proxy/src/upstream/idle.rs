//! Which lanes nobody needs any more: pure, the clock is handed in.

use std::collections::HashMap;
use std::time::Duration;

/// A lane that no session has been on for so long is closed, unless it is the first.
const LANE_IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Since when lanes are idle.
#[derive(Debug, Default)]
pub(super) struct IdleLanes {
    since: HashMap<usize, Duration>,
}

impl IdleLanes {
    /// Looks at the lanes, each with its index and the sessions on it; gives those to
    /// close. `now` is a monotonic clock's. Told again of a lane that was not closed, it
    /// is given again.
    pub(super) fn look(
        &mut self,
        now: Duration,
        lanes: impl IntoIterator<Item = (usize, usize)>,
    ) -> Vec<usize> {
        let before = std::mem::take(&mut self.since);
        for (index, _) in lanes
            .into_iter()
            .filter(|(index, sessions)| *index > 0 && *sessions == 0)
        {
            let since = before.get(&index).copied().unwrap_or(now);
            self.since.insert(index, since);
        }
        let mut due: Vec<usize> = self
            .since
            .iter()
            .filter(|(_, since)| now.saturating_sub(**since) >= LANE_IDLE_TIMEOUT)
            .map(|(index, _)| *index)
            .collect();
        due.sort_unstable();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn look(idle: &mut IdleLanes, secs: u64, lanes: &[(usize, usize)], due: &[usize]) {
        assert_eq!(
            idle.look(Duration::from_secs(secs), lanes.iter().copied()),
            due
        );
    }

    #[test]
    fn a_further_lane_that_is_idle_for_long_is_closed() {
        let mut idle = IdleLanes::default();
        look(&mut idle, 100, &[(0, 0), (1, 0), (2, 5)], &[]);
        look(&mut idle, 699, &[(0, 0), (1, 0), (2, 0)], &[]);
        look(&mut idle, 700, &[(0, 0), (1, 0), (2, 0)], &[1]);
        look(&mut idle, 701, &[(0, 0), (1, 0), (2, 0)], &[1]);
        look(&mut idle, 1_299, &[(0, 0), (2, 0)], &[2]);
    }

    #[test]
    fn a_session_in_between_begins_the_time_anew() {
        let mut idle = IdleLanes::default();
        look(&mut idle, 0, &[(1, 0)], &[]);
        look(&mut idle, 599, &[(1, 1)], &[]);
        look(&mut idle, 600, &[(1, 0)], &[]);
        look(&mut idle, 1_199, &[(1, 0)], &[]);
        look(&mut idle, 1_200, &[(1, 0)], &[1]);
    }

    #[test]
    fn a_new_lane_of_the_same_index_has_its_own_time() {
        let mut idle = IdleLanes::default();
        look(&mut idle, 0, &[(1, 0)], &[]);
        look(&mut idle, 600, &[(1, 0)], &[1]);
        look(&mut idle, 601, &[], &[]);
        look(&mut idle, 602, &[(1, 0)], &[]);
        assert_eq!(idle.since.len(), 1);
    }
}
