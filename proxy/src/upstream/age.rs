//! The lifetime of a replaced job without clean_jobs: the configured limit, and a shorter
//! one learnt from the upstream's refusals. Pure.

/// Nothing that an upstream says makes jobs live shorter than this: devices are told of
/// a new job every half minute or so, and finish the one at hand.
const FLOOR_MS: u64 = 30_000;

/// The age limit of one upstream session.
///
/// Evidence is a share refused as stale or unknown whose job was replaced, though not by
/// clean_jobs, and is still alive here. One may be chance (a pool that restarted), so the
/// limit is the second smallest age at which that happened. A share that was taken proves
/// its age to be fine, whatever was refused before. The result never leaves
/// [30 s, configured], and a new session begins with the configured limit again.
#[derive(Debug)]
pub(super) struct AgeLimit {
    configured_ms: u64,
    smallest_refused_ms: u64,
    second_refused_ms: u64,
    proven_ms: u64,
}

impl AgeLimit {
    pub(super) fn new(configured_ms: u64) -> Self {
        AgeLimit {
            configured_ms,
            smallest_refused_ms: u64::MAX,
            second_refused_ms: u64::MAX,
            proven_ms: 0,
        }
    }

    pub(super) fn limit_ms(&self) -> u64 {
        let floor = FLOOR_MS.max(self.proven_ms);
        self.second_refused_ms.max(floor).min(self.configured_ms)
    }

    /// A share sent at this age of its job was taken.
    pub(super) fn taken_at(&mut self, age_ms: u64) {
        self.proven_ms = self.proven_ms.max(age_ms);
    }

    /// A share sent at this age of its living, replaced job was refused as too old.
    pub(super) fn refused_at(&mut self, age_ms: u64) {
        if age_ms < self.smallest_refused_ms {
            self.second_refused_ms = self.smallest_refused_ms;
            self.smallest_refused_ms = age_ms;
        } else {
            self.second_refused_ms = self.second_refused_ms.min(age_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_takes_two_refusals_to_learn() {
        let mut age = AgeLimit::new(150_000);
        age.refused_at(90_000);
        assert_eq!(age.limit_ms(), 150_000);
        age.refused_at(120_000);
        assert_eq!(age.limit_ms(), 120_000);
        age.refused_at(80_000);
        assert_eq!(age.limit_ms(), 90_000);
        age.taken_at(100_000);
        assert_eq!(age.limit_ms(), 100_000);
    }

    proptest! {
        #[test]
        fn the_limit_stays_in_its_bounds(
            configured in 1_u64..600_000,
            seen in prop::collection::vec((any::<bool>(), 0_u64..900_000), 0..50),
        ) {
            let mut age = AgeLimit::new(configured);
            for (taken, at) in seen {
                if taken { age.taken_at(at) } else { age.refused_at(at) }
                let limit = age.limit_ms();
                prop_assert!(limit <= configured && limit >= FLOOR_MS.min(configured));
            }
        }
    }
}
