//! From a URL to a connection with a first job.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::asks::UrlMemory;
use super::client::Options;
use super::connect::Dialer;
use super::failure::Failure;
use super::link::Link;
use super::redirect::Redirects;
use crate::clock::monotonic_ms;
use crate::config::{UpstreamConfig, UpstreamUrl};

/// Makes connections as the config says, for all lanes and probes.
pub(super) struct Connector {
    config: UpstreamConfig,
    dialer: Dialer,
    /// What each URL taught us.
    memories: Mutex<Vec<UrlMemory>>,
}

/// Where to connect: one of the config's URLs, or where a pool sent us from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// The index of the URL in the config.
    pub(super) index: usize,
    /// The URL itself, or the pool's redirection.
    pub(super) url: UpstreamUrl,
}

impl Connector {
    pub(super) fn new(config: UpstreamConfig) -> Self {
        let memories = Mutex::new(vec![UrlMemory::default(); config.urls.len()]);
        Connector {
            dialer: Dialer::new(config.extra_ca.clone()),
            config,
            memories,
        }
    }

    pub(super) fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    /// The URL of this index; past the end the last one.
    pub(super) fn destination(&self, index: usize) -> Option<Destination> {
        let index = index.min(self.config.urls.len().checked_sub(1)?);
        let url = self.config.urls.get(index)?.clone();
        Some(Destination { index, url })
    }

    /// Connects, and goes on until the first job has come, within the config's
    /// `connect_timeout` for all of it. A pool that sends newcomers to another of its
    /// servers is followed, once.
    pub(super) async fn establish(&self, to: &Destination) -> Result<Link, Failure> {
        match self.within_timeout(to).await {
            Err(Failure::Reconnect { to: url, wait }) => {
                tokio::time::sleep(wait.min(self.config.connect_timeout)).await;
                self.within_timeout(&Destination {
                    index: to.index,
                    url,
                })
                .await
            }
            result => result,
        }
    }

    async fn within_timeout(&self, to: &Destination) -> Result<Link, Failure> {
        let after = self.config.connect_timeout;
        let deadline = Instant::now() + after;
        let stream = timeout_at(deadline, self.dialer.dial(&to.url)).await;
        let too_late = |dropped| Failure::FirstJobTimeout { after, dropped };
        let stream = stream.map_err(|_| too_late(None))??;
        let options = self.options(to.index);
        let configure = options.configure;
        let mut link = Link::new(stream, options, self.redirects(to));
        let result = timeout_at(deadline, link.until_first_job()).await;
        let result = result.unwrap_or_else(|_| Err(too_late(link.dropped_job())));
        if link.is_answered() {
            self.memory(to.index, |memory| {
                memory.configure.stayed(configure, monotonic_ms());
            });
        } else if matches!(result, Err(Failure::Closed { .. } | Failure::Io(_))) {
            self.memory(to.index, |memory| memory.configure.hung_up(configure));
        }
        match result {
            Ok(()) => Ok(link),
            Err(failure) => {
                self.ended(to.index, &link, &failure);
                Err(failure)
            }
        }
    }

    /// Learns from the end of a connection to the URL of this index.
    pub(super) fn ended(&self, index: usize, link: &Link, failure: &Failure) {
        let Some(hangs_up) = link.hangs_up_after_authorize() else {
            return;
        };
        let asked = link.asks_for_extranonces();
        let closed = matches!(failure, Failure::Closed { .. } | Failure::Io(_));
        self.memory(index, |memory| {
            let memory = &mut memory.extranonce_subscribe;
            if closed && hangs_up {
                memory.hung_up(asked);
            } else if !hangs_up {
                memory.stayed(asked, monotonic_ms());
            }
        });
    }

    fn options(&self, index: usize) -> Options {
        let config = &self.config;
        let now_ms = monotonic_ms();
        let asks = self.memory(index, |memory| {
            (
                memory.configure.asks(now_ms),
                memory.extranonce_subscribe.asks(now_ms),
            )
        });
        let (configure, extranonce_subscribe) = asks.unwrap_or((true, true));
        Options {
            username: config.username.clone(),
            password: config.password.clone(),
            user_agent: config.user_agent.clone(),
            suggest_difficulty: config.suggest_difficulty,
            configure,
            extranonce_subscribe,
            first_job_timeout_ms: millis(config.connect_timeout),
            no_job_timeout_ms: millis(config.no_job_timeout),
        }
    }

    fn redirects(&self, to: &Destination) -> Redirects {
        Redirects::new(to.url.clone(), self.config.allow_reconnect_elsewhere)
    }

    fn memory<R>(&self, index: usize, act: impl FnOnce(&mut UrlMemory) -> R) -> Option<R> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.get_mut(index).map(act)
    }
}

/// Whole milliseconds; centuries saturate.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
