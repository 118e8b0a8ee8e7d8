//! The status of the upstream, for metrics, commands and pages.

use std::time::Instant;

use super::tip::UpstreamTip;
use crate::Difficulty;
use crate::config::UpstreamUrl;

/// The upstream at a glance, published whenever something of it changes.
#[derive(Clone, Debug)]
pub struct UpstreamStatus {
    /// True while the first lane has a job.
    pub up: bool,
    /// Which of the configured URLs is in use, counted from 0.
    pub url_index: usize,
    /// That URL; `None` when none is configured.
    pub url: Option<UpstreamUrl>,
    /// Since when `up` has been what it is.
    pub since: Instant,
    /// When the first lane's last job came; `None` before the first.
    pub last_job: Option<Instant>,
    /// The block that the first lane's last job builds on; `None` before the first.
    pub tip: Option<UpstreamTip>,
    /// What the upstream asks of a share of its last job; `None` before the first.
    pub difficulty: Option<Difficulty>,
    /// The version bits that the upstream granted, 0 when none.
    pub version_mask: u32,
    /// The upstream connections that there are or that are being made.
    pub lanes: usize,
    /// Those that have a job.
    pub lanes_up: usize,
    /// The prefixes held by sessions, over all lanes.
    pub prefixes_in_use: usize,
    /// The prefixes that are free now, over the lanes that are up.
    pub prefixes_free: usize,
    /// Why the last connection ended or could not be made, in words for the operator.
    pub last_error: Option<String>,
    /// The URLs that are preferred to the one in use, as far as they were left.
    pub left: Vec<LeftUrl>,
}

/// A URL that is preferred to the one in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftUrl {
    /// Its place among the configured URLs, counted from 0.
    pub index: usize,
    /// The URL itself.
    pub url: UpstreamUrl,
    /// When it was left.
    pub at: Instant,
    /// Why, in words for the operator.
    pub why: String,
}

impl UpstreamStatus {
    /// The status before the first connection.
    pub(super) fn starting(url: Option<UpstreamUrl>) -> Self {
        UpstreamStatus {
            up: false,
            url_index: 0,
            url,
            since: Instant::now(),
            last_job: None,
            tip: None,
            difficulty: None,
            version_mask: 0,
            lanes: 1,
            lanes_up: 0,
            prefixes_in_use: 0,
            prefixes_free: 0,
            last_error: None,
            left: Vec::new(),
        }
    }

    /// A URL was left, for good or not; the one of index `now` is in use from now on.
    pub(super) fn moved(&mut self, left: Option<LeftUrl>, now: usize) {
        if let Some(left) = left {
            self.left.retain(|before| before.index != left.index);
            self.left.push(left);
            self.left.sort_unstable_by_key(|left| left.index);
        }
        self.left.retain(|left| left.index < now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(index: usize, why: &str) -> Option<LeftUrl> {
        Some(LeftUrl {
            index,
            url: "stratum+tcp://pool:1".parse().expect("a URL"),
            at: Instant::now(),
            why: why.to_owned(),
        })
    }

    #[test]
    fn what_is_preferred_and_was_left_is_kept_with_its_last_reason() {
        let mut status = UpstreamStatus::starting(None);
        let whys = |status: &UpstreamStatus| -> Vec<String> {
            status.left.iter().map(|left| left.why.clone()).collect()
        };
        status.moved(left(0, "a"), 1);
        status.moved(left(1, "b"), 2);
        assert_eq!(whys(&status), ["a", "b"]);
        // Round the list: the first is in use, and nothing is preferred to it.
        status.moved(left(2, "c"), 0);
        assert!(whys(&status).is_empty());
        status.moved(left(0, "d"), 1);
        status.moved(left(0, "e"), 1);
        assert_eq!(whys(&status), ["e"]);
        status.moved(None, 0);
        assert!(whys(&status).is_empty());
    }
}
