//! The number of shares that a device may submit before it waits, so that a run can be
//! repeated.

use super::BitaxeStats;
use super::search::Found;
use crate::stratum::Target;

/// What a device may still have accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Accepted shares since it was switched on; `None` sets no end.
    pub(crate) shares: Option<u64>,
    /// Only shares that are blocks are submitted, the others thrown away.
    pub(crate) blocks_only: bool,
}

impl Quota {
    /// Whether another share may be submitted. One without an answer counts as accepted
    /// until it turns out not to be: never too many.
    pub(crate) fn has_room(self, stats: &BitaxeStats) -> bool {
        self.shares
            .is_none_or(|most| stats.accepted.saturating_add(stats.unanswered) < most)
    }

    /// Whether the quota is used up and nothing is open any more.
    pub(crate) fn is_done(self, stats: &BitaxeStats) -> bool {
        let used_up = self.shares.is_some_and(|most| stats.accepted >= most);
        used_up && stats.unanswered == 0
    }

    /// Whether this share may be submitted now.
    pub(crate) fn lets_pass(self, share: &Found, stats: &BitaxeStats) -> bool {
        let is_block = || Target::of_bits(share.notify.nbits).is_met_by(&share.hash);
        self.has_room(stats) && (!self.blocks_only || is_block())
    }

    /// So many more than were allowed or, with no end so far, than were accepted.
    pub(crate) fn extend(&mut self, more: u64, stats: &BitaxeStats, blocks_only: bool) {
        let before = self.shares.unwrap_or(stats.accepted);
        self.shares = Some(before.saturating_add(more));
        self.blocks_only = blocks_only;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(most: Option<u64>, accepted: u64, unanswered: u64, has_room: bool, is_done: bool) {
        let quota = Quota {
            shares: most,
            blocks_only: false,
        };
        let stats = BitaxeStats {
            accepted,
            unanswered,
            ..BitaxeStats::default()
        };
        assert_eq!(quota.has_room(&stats), has_room);
        assert_eq!(quota.is_done(&stats), is_done);
    }

    #[test]
    fn what_is_open_counts_until_it_is_answered() {
        case(None, 1_000, 5, true, false);
        case(Some(10), 9, 0, true, false);
        case(Some(10), 9, 1, false, false);
        case(Some(10), 10, 0, false, true);
        case(Some(10), 10, 1, false, false);
        case(Some(0), 0, 0, false, true);
    }

    #[test]
    fn it_is_extended_from_where_it_ended() {
        let stats = BitaxeStats {
            accepted: 7,
            ..BitaxeStats::default()
        };
        let mut quota = Quota {
            shares: None,
            blocks_only: false,
        };
        quota.extend(3, &stats, true);
        assert_eq!((quota.shares, quota.blocks_only), (Some(10), true));
        quota.extend(5, &stats, false);
        assert_eq!((quota.shares, quota.blocks_only), (Some(15), false));
    }
}
