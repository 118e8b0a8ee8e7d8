//! What there is to tell about the upstream, for metrics, commands and pages.

use std::time::Instant;

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
            difficulty: None,
            version_mask: 0,
            lanes: 1,
            lanes_up: 0,
            prefixes_in_use: 0,
            prefixes_free: 0,
            last_error: None,
        }
    }
}
