//! From a URL to a connection with a first job.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::client::Options;
use super::configure::ConfigureMemory;
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
    /// What each URL taught us of configure.
    configure: Mutex<Vec<ConfigureMemory>>,
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
        let configure = Mutex::new(vec![ConfigureMemory::default(); config.urls.len()]);
        Connector {
            dialer: Dialer::new(config.extra_ca.clone()),
            config,
            configure,
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
        let configure = self
            .memory(to.index, |memory| memory.asks(monotonic_ms()))
            .unwrap_or(true);
        let timeout = self.config.connect_timeout;
        match tokio::time::timeout(timeout, self.attempt(to, configure)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::FirstJobTimeout(timeout)),
        }
    }

    async fn attempt(&self, to: &Destination, configure: bool) -> Result<Link, Failure> {
        let stream = self.dialer.dial(&to.url).await?;
        let mut link = Link::new(stream, self.options(configure), self.redirects(to));
        let result = link.until_first_job().await;
        if link.is_answered() {
            self.memory(to.index, |memory| {
                memory.answered(configure, monotonic_ms())
            });
        } else if matches!(result, Err(Failure::Closed { .. } | Failure::Io(_))) {
            self.memory(to.index, |memory| memory.closed_without_a_word(configure));
        }
        result.map(|()| link)
    }

    fn options(&self, configure: bool) -> Options {
        let config = &self.config;
        Options {
            username: config.username.clone(),
            password: config.password.clone(),
            user_agent: config.user_agent.clone(),
            suggest_difficulty: config.suggest_difficulty,
            configure,
            first_job_timeout_ms: millis(config.connect_timeout),
            no_job_timeout_ms: millis(config.no_job_timeout),
        }
    }

    fn redirects(&self, to: &Destination) -> Redirects {
        Redirects::new(to.url.clone(), self.config.allow_reconnect_elsewhere)
    }

    fn memory<R>(&self, index: usize, act: impl FnOnce(&mut ConfigureMemory) -> R) -> Option<R> {
        let mut memories = self
            .configure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        memories.get_mut(index).map(act)
    }
}

/// Whole milliseconds; centuries saturate.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
