//! The thread that books: one event at a time, whoever asks.

use std::sync::{Arc, Mutex, PoisonError};

use accounting::settle::{Effect, Event, Held, Policy};
use tokio::sync::{mpsc, oneshot};

use crate::error::LedgerError;
use crate::message::Message;
use crate::metrics::Metrics;
use crate::reader::Reader;
use crate::settler::{book, catch_up, hash_files};
use crate::store::Booking;

/// What is asked of it.
#[derive(Debug)]
pub(crate) enum Ask {
    /// To book an event.
    Book(Box<Event>),
    /// To book the closes.
    CatchUp,
    /// To end. When it is answered nothing of the store is held any more.
    Stop,
}

/// What is asked, and who waits for it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) ask: Ask,
    pub(crate) reply: oneshot::Sender<Result<Vec<Effect>, LedgerError>>,
}

/// The thread's own.
#[derive(Debug)]
pub(crate) struct Settler {
    pub(crate) reader: Reader,
    pub(crate) policy: Policy,
    /// Overrides the policy's while it runs.
    pub(crate) held: Arc<Mutex<Option<Held>>>,
    pub(crate) writer: mpsc::Sender<Message>,
    pub(crate) metrics: Metrics,
}

impl Settler {
    /// Runs until it is stopped, or nobody can ask any more.
    pub(crate) fn run(self, mut asked: mpsc::Receiver<Request>) {
        let mut commit = |booking| self.commit(booking);
        self.hash(&mut commit);
        while let Some(Request { ask, reply }) = asked.blocking_recv() {
            let timer = self.metrics.booking_seconds.start_timer();
            let (reader, policy) = (&self.reader, &self.policy());
            let done = match ask {
                Ask::Book(event) => book(reader, policy, *event, &mut commit),
                Ask::CatchUp => catch_up(reader, policy, &mut commit),
                Ask::Stop => break,
            };
            timer.observe_duration();
            match &done {
                Ok(effects) => self.count(effects),
                // Who asked is told, and asks again or tells a person.
                Err(error) => tracing::debug!(%error, "an event is not booked"),
            }
            let settled = done.as_ref().is_ok_and(|effects| !effects.is_empty());
            // Who does not wait any more need not know.
            drop(reply.send(done));
            if settled {
                self.hash(&mut commit);
            }
        }
    }

    fn policy(&self) -> Policy {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Policy {
            held,
            ..self.policy
        }
    }

    /// Nobody waits for it, and the next time makes it as well.
    fn hash(&self, commit: &mut dyn FnMut(Booking) -> Result<(), LedgerError>) {
        if let Err(error) = hash_files(&self.reader, commit) {
            tracing::warn!(%error, "the hashes of audit files are not stored yet");
        }
    }

    fn commit(&self, booking: Booking) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        let booking = Box::new(booking);
        self.writer
            .blocking_send(Message::Book { booking, reply })
            .map_err(|_| LedgerError::Closed)?;
        answer.blocking_recv().map_err(|_| LedgerError::Closed)?
    }

    fn count(&self, effects: &[Effect]) {
        self.metrics.count_alarms(effects);
        match self.reader.totals() {
            Ok(totals) => self.metrics.show_totals(&totals),
            Err(error) => tracing::warn!(%error, "the totals cannot be read"),
        }
    }
}
