//! The task of one connection: it reads, lets the session decide, writes, and waits.
//!
//! One task, one timer, no buffer while idle. A submission is read, checked, handed on
//! and later answered without the task's other futures being made anew.

mod deliver;
mod end;
mod poll;
mod unsent;

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::admission::Admitted;
use super::close::CloseReason;
use super::registry::Entered;
use super::scratch;
use super::seats::LeaseSeats;
use super::session::{Outgoing, Session, Turn};
use super::shared::Shared;
use super::state::{Counted, State};
use crate::clock::{Now, instant_of, monotonic_ms};
use crate::upstream::{LaneView, Lease};
use crate::wire::LineDecoder;

use deliver::deliver;
use unsent::Unsent;

/// How long a stopping server waits for the disk and the peer of one connection.
const DRAIN_MS: u64 = 3_000;

/// One connection, plain or TLS.
pub(crate) struct Conn<S> {
    stream: S,
    shared: Arc<Shared>,
    entered: Entered,
    admitted: Admitted,
    counted: Counted,
    decoder: LineDecoder,
    session: Session,
    lease: Option<Lease>,
    outgoing: VecDeque<Outgoing>,
    unsent: Unsent,
    /// Every share up to this one is answered.
    decided: u64,
    /// When the timer wakes the task, milliseconds of the monotonic clock.
    armed_ms: u64,
    /// The lane is watched: there is a lease, and the task knows.
    watched: bool,
    /// Set when the server stops: nothing is read any more, and this is the latest end.
    drain_until_ms: Option<u64>,
}

/// Why the task's futures have to be made anew.
enum Event {
    /// The lane's view changed; false when the lane is gone.
    View(bool),
    /// What was handed on is on its way.
    Delivered(Result<(), CloseReason>),
    /// Somebody asked the connection to leave.
    Asked(CloseReason),
    /// It is over.
    Close(CloseReason),
    /// There is a lease, an earlier deadline, or something that must be waited for.
    Rearm,
    /// The timer.
    Tick,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conn<S> {
    /// A connection that has said nothing yet.
    pub(crate) fn new(
        stream: S,
        entered: Entered,
        admitted: Admitted,
        shared: Arc<Shared>,
    ) -> Self {
        Conn {
            stream,
            counted: Counted::new(shared.metrics.clone()),
            decoder: LineDecoder::new(shared.rules.limits.max_line_bytes),
            session: Session::new(&shared.rules, monotonic_ms()),
            entered,
            admitted,
            lease: None,
            outgoing: VecDeque::new(),
            unsent: Unsent::default(),
            decided: 0,
            armed_ms: u64::MAX,
            watched: false,
            drain_until_ms: None,
            shared,
        }
    }

    /// Serves it to its end.
    pub(crate) async fn run(mut self) {
        let reason = self.serve().await;
        self.end(reason).await;
    }

    async fn serve(&mut self) -> CloseReason {
        let mut view = None;
        let mut timer = pin!(sleep_until(Instant::now()));
        loop {
            if view.is_none() {
                view = self.lease.as_ref().map(watched);
            }
            let due_ms = self.due_ms();
            if due_ms < self.armed_ms || timer.is_elapsed() {
                self.armed_ms = due_ms;
                timer.as_mut().reset(instant_of(due_ms).into());
            }
            let event = if self.outgoing.is_empty() {
                tokio::select! {
                    biased;
                    there = changed(&mut view) => Event::View(there),
                    event = poll_fn(|cx| self.poll_io(cx)) => event,
                    () = &mut timer => Event::Tick,
                }
            } else {
                // The socket is not read while somebody must be waited for; jobs go out.
                let connection = self.entered.connection().clone();
                tokio::select! {
                    biased;
                    there = changed(&mut view) => Event::View(there),
                    reason = poll_fn(|cx| connection.poll_asked(cx)), if self.drain_until_ms.is_none() =>
                        Event::Asked(reason),
                    done = deliver(&mut self.outgoing, &self.session, self.lease.as_ref(), &self.shared) =>
                        Event::Delivered(done),
                    () = &mut timer => Event::Tick,
                }
            };
            let done = match event {
                Event::View(true) => {
                    let Some(receiver) = &mut view else { continue };
                    let fresh = receiver.borrow_and_update().clone();
                    self.turn(|session, turn| session.on_view(fresh, turn))
                        .await
                }
                Event::View(false) => Err(self.session.on_lane_gone()),
                Event::Delivered(done) => done,
                Event::Asked(reason) => self.on_asked(reason),
                Event::Close(reason) => Err(reason),
                Event::Rearm => Ok(()),
                Event::Tick => self.on_tick().await,
            };
            if let Err(reason) = done {
                return reason;
            }
        }
    }

    fn due_ms(&self) -> u64 {
        let tick_ms = self.session.next_tick_ms(&self.shared.rules);
        self.drain_until_ms
            .map_or(tick_ms, |until| until.min(tick_ms))
    }

    async fn on_tick(&mut self) -> Result<(), CloseReason> {
        if self
            .drain_until_ms
            .is_some_and(|until| until <= monotonic_ms())
        {
            return Err(CloseReason::Stopping);
        }
        self.turn(|session, turn| session.on_tick(turn)).await
    }

    fn on_asked(&mut self, reason: CloseReason) -> Result<(), CloseReason> {
        if reason != CloseReason::Stopping {
            return Err(reason);
        }
        // Shares that wait for the disk are answered first.
        self.drain_until_ms = Some(monotonic_ms().saturating_add(DRAIN_MS));
        Ok(())
    }

    /// Hands the session an event, and its answer to the socket, without waiting.
    async fn turn(
        &mut self,
        event: impl FnOnce(&mut Session, &mut Turn<'_>) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut event = Some(event);
        poll_fn(|cx| match event.take() {
            Some(event) => Poll::Ready(self.turn_now(cx, event)),
            None => Poll::Pending,
        })
        .await
    }

    fn turn_now(
        &mut self,
        cx: &mut Context<'_>,
        event: impl FnOnce(&mut Session, &mut Turn<'_>) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        scratch::with(|scratch| {
            self.turn_into(cx, &mut scratch.out, |session, _, turn| {
                event(session, turn)
            })
        })
    }

    /// As [`Self::turn_now`], with the buffer for the answer and the lines in hand.
    fn turn_into(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        event: impl FnOnce(&mut Session, &mut LineDecoder, &mut Turn<'_>) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut seats = LeaseSeats {
            upstream: &self.shared.upstream,
            lease: &mut self.lease,
        };
        let mut turn = Turn {
            now: Now::read(),
            clock: Now::read,
            rules: &self.shared.rules,
            refusal: self.shared.store.refusal(),
            seats: &mut seats,
            address: self.admitted.address(),
            storms: &self.shared.storms,
            metrics: &self.shared.metrics,
            entered: &self.entered,
            out,
            outgoing: &mut self.outgoing,
        };
        let done = event(&mut self.session, &mut self.decoder, &mut turn);
        let sent = self.send(cx, out);
        done.and(sent)
    }

    fn send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<(), CloseReason> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.shared.metrics.bytes_out.inc_by(bytes.len() as u64);
        self.unsent
            .send(&mut self.stream, cx, bytes)
            .map_err(|_| CloseReason::Io)?;
        match self.unsent.len() > self.shared.rules.limits.max_unsent_bytes {
            true => Err(CloseReason::SlowReader),
            false => Ok(()),
        }
    }

    fn count_state(&mut self) {
        self.counted.set(match self.session.authorized() {
            None => State::Handshake,
            Some(_) if self.entered.connection().is_proven() => State::Mining,
            Some(_) => State::Authorized,
        });
    }
}

/// The lane's view; the first look is at what it is now, so that no change between the
/// grant and here is missed.
fn watched(lease: &Lease) -> watch::Receiver<Arc<LaneView>> {
    let mut view = lease.view();
    view.mark_changed();
    view
}

async fn changed(view: &mut Option<watch::Receiver<Arc<LaneView>>>) -> bool {
    match view {
        Some(view) => view.changed().await.is_ok(),
        None => pending().await,
    }
}
