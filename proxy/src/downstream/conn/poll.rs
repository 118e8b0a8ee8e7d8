//! The inner loop: everything that needs no waiting.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Conn, Event, deliver};
use crate::downstream::close::CloseReason;
use crate::downstream::scratch;
use ledger::Health;

impl<S: AsyncRead + AsyncWrite + Unpin> Conn<S> {
    /// Answers, hands on and reads until there is nothing to do.
    pub(super) fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if self.drain_until_ms.is_none()
                && let Poll::Ready(reason) = self.entered.connection().poll_asked(cx)
            {
                return Poll::Ready(Event::Asked(reason));
            }
            if !self.unsent.is_clear() && self.unsent.resume(&mut self.stream, cx).is_err() {
                return Poll::Ready(Event::Close(CloseReason::Io));
            }
            if let Err(reason) = self.answer_decided(cx).and_then(|()| self.hand_on(cx)) {
                return Poll::Ready(Event::Close(reason));
            }
            if !self.outgoing.is_empty() || self.must_rearm() {
                return Poll::Ready(Event::Rearm);
            }
            if self.drain_until_ms.is_some()
                && self.session.pending() == 0
                && self.unsent.is_clear()
            {
                return Poll::Ready(Event::Close(CloseReason::Stopping));
            }
            if !self.may_read() {
                return Poll::Pending;
            }
            if let Err(reason) = ready!(self.poll_read(cx)) {
                return Poll::Ready(Event::Close(reason));
            }
            self.count_state();
        }
    }

    /// A peer that does not read its answers, or whose shares wait for the disk, is not
    /// read from.
    fn may_read(&self) -> bool {
        self.drain_until_ms.is_none()
            && self.unsent.is_clear()
            && self.session.pending() < self.shared.rules.limits.max_pending_shares
    }

    fn must_rearm(&mut self) -> bool {
        let watched = std::mem::replace(&mut self.watched, self.lease.is_some());
        watched != self.watched || self.due_ms() < self.armed_ms
    }

    fn answer_decided(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if self.session.pending() == 0 {
            return Ok(());
        }
        while let Some(authorized) = self.session.authorized()
            && let Poll::Ready(decided) = authorized.ack.poll_decided(cx, self.decided)
        {
            self.decided = decided;
            let shared = self.shared.clone();
            // Asked for a share that is refused only: looking costs a lock that all
            // connections share.
            let why = || match &*shared.health.borrow() {
                Health::Ok => "try again".to_owned(),
                Health::Failing { reason } => reason.clone(),
            };
            self.turn_now(cx, |session, turn| {
                session.on_decided(decided, why, turn);
                Ok(())
            })?;
            self.count_state();
        }
        Ok(())
    }

    /// Hands on what can be handed on without waiting.
    fn hand_on(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        while !self.outgoing.is_empty() {
            let delivery = deliver(
                &mut self.outgoing,
                &self.session,
                self.lease.as_ref(),
                &self.shared,
            );
            match pin!(delivery).poll(cx) {
                Poll::Ready(done) => done?,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        scratch::with(|scratch| {
            let mut buffer = ReadBuf::new(&mut scratch.read);
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)).is_err() {
                return Poll::Ready(Err(CloseReason::Io));
            }
            let mut segment: &[u8] = buffer.filled();
            if segment.is_empty() {
                return Poll::Ready(Err(CloseReason::Peer));
            }
            self.shared.metrics.bytes_in.inc_by(segment.len() as u64);
            Poll::Ready(
                self.turn_into(cx, &mut scratch.out, |session, decoder, turn| {
                    loop {
                        match decoder.next_line(&mut segment) {
                            Ok(None) => break Ok(()),
                            Ok(Some(line)) => session.on_line(line, turn)?,
                            Err(error) => break Err(session.on_too_long(error, turn)),
                        }
                    }
                }),
            )
        })
    }
}
