//! One upstream connection, again and again: the shell around [`Board`] and [`Link`].

mod course;
mod events;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub(super) use course::Course;

use super::board::Board;
use super::connector::{Connector, Destination, millis};
use super::failover::Ended;
use super::failure::Failure;
use super::link::Link;
use super::refusals::{Lines, Run};
use super::shared::{Forward, LaneShared, Shared};

/// A lane's task.
pub(super) struct Lane {
    shared: Arc<Shared>,
    lane: Arc<LaneShared>,
    queue: mpsc::Receiver<Forward>,
    connector: Arc<Connector>,
    course: Course,
    board: Board,
    /// Of the connection in use.
    refusals: Run,
    refusal_lines: Lines,
}

/// How a connection, or the attempt at one, ended.
struct End {
    failure: Failure,
    how: Ended,
}

impl Lane {
    pub(super) fn new(
        shared: Arc<Shared>,
        lane: Arc<LaneShared>,
        queue: mpsc::Receiver<Forward>,
        connector: Arc<Connector>,
        course: Course,
    ) -> Self {
        let board = Board::new(millis(connector.config().job_max_age));
        let limits = connector.config().refusals;
        Lane {
            shared,
            lane,
            queue,
            connector,
            course,
            board,
            refusals: Run::new(limits),
            refusal_lines: Lines::default(),
        }
    }

    /// Connects, serves and connects again until it is cancelled.
    pub(super) async fn run(mut self) {
        let mut redirection = None;
        loop {
            let index = self.course.url_index();
            let Some(to) = redirection
                .take()
                .or_else(|| self.connector.destination(index))
            else {
                break;
            };
            let end = self.once(&to).await;
            let mut wait = match end.failure {
                Failure::Stopping => break,
                Failure::UrlChanged => Duration::ZERO,
                _ => self.course.ended(end.how),
            };
            self.tell_left(&to, &end.failure);
            if let Failure::Reconnect {
                to: url,
                wait: asked,
            } = end.failure
            {
                wait = wait.max(asked);
                redirection = Some(Destination {
                    index: to.index,
                    url,
                })
                .filter(|_| self.course.url_index() == to.index);
            }
            match self.idle_until(tokio::time::sleep(wait)).await {
                Err(Failure::Stopping) => break,
                Err(_) => redirection = None,
                Ok(()) => {}
            }
        }
        self.queue.close();
        while let Some(forward) = self.queue.recv().await {
            self.not_sent(forward);
        }
    }

    /// One connection, from the attempt to its end.
    async fn once(&mut self, to: &Destination) -> End {
        let connector = Arc::clone(&self.connector);
        let attempt = self.idle_until(connector.establish(to)).await;
        let mut link = match attempt.and_then(|established| established) {
            Ok(link) => link,
            Err(failure) => {
                self.tell_end(to, &failure);
                let how = if failure.is_fatal() {
                    Ended::Fatal
                } else {
                    Ended::Failed
                };
                return End { failure, how };
            }
        };
        let mut to = to.clone();
        let failure = self.serve(&mut link, &mut to).await;
        self.lost(&mut link, &to, &failure);
        let how = match failure {
            _ if failure.is_fatal() => Ended::Fatal,
            Failure::RefusesShares(_) => Ended::Refused,
            _ => Ended::Lost {
                lived: link.lived(),
                stalled: matches!(failure, Failure::Stalled { .. }),
            },
        };
        End { failure, how }
    }

    /// Waits for something while there is no connection. Shares that are still queued
    /// are of a connection that is gone.
    async fn idle_until<F: Future>(&mut self, something: F) -> Result<F::Output, Failure> {
        tokio::pin!(something);
        loop {
            tokio::select! {
                biased;
                () = self.lane.cancel.cancelled() => return Err(Failure::Stopping),
                () = self.course.changed() => return Err(Failure::UrlChanged),
                output = &mut something => return Ok(output),
                Some(forward) = self.queue.recv() => self.not_sent(forward),
            }
        }
    }

    /// The connection is gone: no share of its jobs counts from this moment on.
    fn lost(&mut self, link: &mut Link, to: &Destination, failure: &Failure) {
        self.board.begin_connection();
        self.publish();
        for sent in link.take_unanswered() {
            self.unanswered(sent);
        }
        self.connector.ended(to.index, link, failure);
        if self.course.is_lead() {
            self.set_connected(to, false);
        }
        self.tell_end(to, failure);
    }

    fn publish(&self) {
        self.lane
            .publish(self.board.view(), self.board.newest_sequence());
    }
}
