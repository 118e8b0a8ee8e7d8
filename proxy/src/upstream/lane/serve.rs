//! A lane with a connection.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tokio::time::Instant;

use super::Lane;
use crate::clock::monotonic_ms;
use crate::upstream::connector::{Connector, Destination};
use crate::upstream::failure::Failure;
use crate::upstream::link::Link;
use crate::upstream::shared::Forward;

/// How long a proxy that stops waits for the answers to shares that it sent: a found
/// block's answer is worth it.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// A probe of the preferred URLs, giving the first connection that works.
type Probe = BoxFuture<'static, (Destination, Link)>;

impl Lane {
    /// Serves a connection that has its first job to its end. When a probe finds a
    /// preferred URL healthy, `link` and `to` become the probe's, without a gap.
    pub(super) async fn serve(&mut self, link: &mut Link, to: &mut Destination) -> Failure {
        self.begin_connection();
        self.take_events(link, to);
        self.tell_connected(to);
        let mut probe = self.probe();
        loop {
            let due = [self.board.next_expiry_ms(), self.refusal_lines.due_ms()];
            let due_ms = due.into_iter().flatten().min().unwrap_or(u64::MAX);
            let due = Duration::from_millis(due_ms.saturating_sub(monotonic_ms()));
            tokio::select! {
                () = self.lane.cancel.cancelled() => {
                    self.last_answers(link, to).await;
                    return Failure::Stopping;
                }
                () = self.course.changed() => return Failure::UrlChanged,
                (better, found) = &mut probe => {
                    self.change_over(link, to, found, better);
                    probe = self.probe();
                }
                Some(forward) = self.queue.recv(), if link.can_submit() => self.send(link, forward),
                result = link.step() => {
                    self.take_events(link, to);
                    if let Err(failure) = result {
                        return failure;
                    }
                    if let Some(refused) = self.refusals.verdict() {
                        return Failure::RefusesShares(refused.clone());
                    }
                }
                () = tokio::time::sleep(due) => {
                    if self.board.expire(monotonic_ms()) {
                        self.publish();
                    }
                    self.tell_refusals(to);
                }
            }
        }
    }

    /// What is known of the connection before does not count any more.
    fn begin_connection(&mut self) {
        self.board.begin_connection();
        self.refusals.taken();
    }

    /// Sends a share, unless the connection that it is for is gone. One whose job was
    /// replaced meanwhile is sent: whether it is stale is the upstream's to say.
    fn send(&mut self, link: &mut Link, forward: Forward) {
        if !self.board.is_of_connection(&forward.submit.job) {
            self.not_sent(forward);
            return;
        }
        let job = &forward.submit.job;
        tracing::debug!(lane = self.lane.index, job = %job.upstream_id, "share forwarded");
        self.shared.metrics().submitted();
        link.submit(forward);
    }

    /// Goes over to a connection to a preferred URL.
    fn change_over(
        &mut self,
        link: &mut Link,
        to: &mut Destination,
        found: Link,
        better: Destination,
    ) {
        tracing::info!(url = %better.url, before = %to.url, "a preferred upstream is back");
        self.set_connected(to, false);
        self.shared
            .metrics()
            .disconnected(Failure::UrlChanged.label());
        let mut old = std::mem::replace(link, found);
        self.connector.ended(to.index, &old, &Failure::UrlChanged);
        for sent in old.take_unanswered() {
            self.unanswered(sent);
        }
        *to = better;
        self.course.return_to(to.index);
        self.begin_connection();
        self.take_events(link, to);
        self.tell_connected(to);
    }

    /// Looks for a preferred URL that works; for ever when none is preferred.
    fn probe(&self) -> Probe {
        let preferred = self.course.preferred();
        if preferred.is_empty() {
            return std::future::pending().boxed();
        }
        probe(Arc::clone(&self.connector), preferred).boxed()
    }

    /// Sends what is queued and waits a moment for the answers.
    async fn last_answers(&mut self, link: &mut Link, to: &Destination) {
        self.queue.close();
        while let Ok(forward) = self.queue.try_recv() {
            if link.can_submit() {
                self.send(link, forward)
            } else {
                self.not_sent(forward)
            }
        }
        let deadline = Instant::now() + LAST_ANSWERS;
        while link.has_unanswered() {
            let step = tokio::time::timeout_at(deadline, link.step()).await;
            self.take_events(link, to);
            if !matches!(step, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// Looks at the first URLs, at each in its own interval, the most preferred first.
async fn probe(connector: Arc<Connector>, intervals: Vec<Duration>) -> (Destination, Link) {
    // Up to a tenth more, so that the proxies of a pool's outage do not knock in step.
    let stretch = 1.0 + rand::random::<f64>() / 10.0;
    let next_look = |interval: &Duration| Instant::now() + interval.mul_f64(stretch);
    let mut due: Vec<Instant> = intervals.iter().map(next_look).collect();
    loop {
        let Some(&next) = due.iter().min() else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(next).await;
        for (index, (due, interval)) in due.iter_mut().zip(&intervals).enumerate() {
            let Some(to) = connector
                .destination(index)
                .filter(|_| *due <= Instant::now())
            else {
                continue;
            };
            match connector.establish(&to).await {
                Ok(link) => return (to, link),
                Err(failure) => {
                    tracing::debug!(url = %to.url, %failure, "the preferred upstream is not back")
                }
            }
            *due = next_look(interval);
        }
    }
}
