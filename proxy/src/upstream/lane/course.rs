//! Which URL a lane uses: the first lane decides, the others follow.

use std::time::Duration;

use tokio::sync::watch;

use crate::config::UpstreamConfig;
use crate::upstream::failback::Failback;
use crate::upstream::failover::{Ended, Failover, Next};

/// A lane's part in the choice of the URL.
#[derive(Debug)]
pub(in crate::upstream) enum Course {
    /// The first lane: its failures make all lanes change.
    Lead {
        /// The way through all URLs.
        failover: Failover,
        /// The way back.
        failback: Failback,
        /// Where the others learn of it.
        url_in_use: watch::Sender<usize>,
    },
    /// A further lane: it tries the URL in use for as long as that is in use.
    Follow {
        /// Only for its waits.
        failover: Failover,
        /// The first lane's choice.
        url_in_use: watch::Receiver<usize>,
    },
}

impl Course {
    pub(in crate::upstream) fn lead(
        config: &UpstreamConfig,
        url_in_use: watch::Sender<usize>,
    ) -> Self {
        let failover = Failover::new(config.urls.len(), config.backoff_min, config.backoff_max);
        Course::Lead {
            failover,
            failback: Failback::new(config.urls.len(), config.failback_interval),
            url_in_use,
        }
    }

    pub(in crate::upstream) fn follow(
        config: &UpstreamConfig,
        url_in_use: watch::Receiver<usize>,
    ) -> Self {
        let failover = Failover::new(1, config.backoff_min, config.backoff_max);
        Course::Follow {
            failover,
            url_in_use,
        }
    }

    pub(super) fn is_lead(&self) -> bool {
        matches!(self, Course::Lead { .. })
    }

    /// The index of the URL to use.
    pub(super) fn url_index(&mut self) -> usize {
        match self {
            Course::Lead { failover, .. } => failover.current(),
            Course::Follow { url_in_use, .. } => *url_in_use.borrow_and_update(),
        }
    }

    /// How long to wait before each look at each of the URLs that are preferred to the
    /// one in use: the first so many of the config's.
    pub(super) fn preferred(&self) -> Vec<Duration> {
        match self {
            Course::Lead {
                failover, failback, ..
            } => failback.intervals(failover.current()),
            Course::Follow { .. } => Vec::new(),
        }
    }

    /// A probe found a preferred URL healthy.
    pub(super) fn return_to(&mut self, url_index: usize) {
        if let Course::Lead {
            failover,
            failback,
            url_in_use,
        } = self
        {
            failover.switch_to(url_index);
            failback.returned(url_index);
            url_in_use.send_replace(failover.current());
        }
    }

    /// The pool took a share.
    pub(super) fn taken(&mut self) {
        match self {
            Course::Lead { failover, .. } | Course::Follow { failover, .. } => failover.taken(),
        }
    }

    /// A connection ended; how long to wait before the next.
    pub(super) fn ended(&mut self, how: Ended) -> Duration {
        match self {
            Course::Lead {
                failover,
                failback,
                url_in_use,
            } => {
                let lived = match how {
                    Ended::Lost { lived, .. } => lived,
                    // However long: it looked healthy, and was not.
                    Ended::Failed | Ended::Fatal | Ended::Refused => Duration::ZERO,
                };
                let before = failover.current();
                if failback.ended(before, lived) {
                    tracing::info!(
                        url_index = before,
                        ?lived,
                        "the preferred upstream failed again: it is tried less often"
                    );
                }
                let Next { url_index, wait } = failover.ended(how, rand::random());
                if how == Ended::Refused && url_index != before {
                    failback.refused(before);
                }
                url_in_use
                    .send_if_modified(|current| std::mem::replace(current, url_index) != url_index);
                wait
            }
            Course::Follow { failover, .. } => failover.ended(how, rand::random()).wait,
        }
    }

    /// Resolves when another URL is to be used. Never for the lane that decides.
    pub(super) async fn changed(&mut self) {
        if let Course::Follow { url_in_use, .. } = self
            && url_in_use.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
