//! The thread: waits for entries, gathers them, and has them stored.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::message::{Message, Reply};
use crate::store::Booking;
use crate::writer::Writer;

/// With nothing to do the thread looks up so often.
const IDLE: Duration = Duration::from_secs(3600);

/// After the stop: how long one who holds a place may take to use it.
const LAST_ENTRIES: Duration = Duration::from_secs(2);

/// Who waits for a booking.
type Told = oneshot::Sender<Result<(), LedgerError>>;

/// The entries of a batch and who waits for them, side by side.
#[derive(Default)]
struct Inbox {
    messages: Vec<Message>,
    entries: Vec<Entry>,
    replies: Vec<Reply>,
    bookings: Vec<(Box<Booking>, Told)>,
    turns: Vec<oneshot::Sender<()>>,
    notes: Vec<(Vec<u8>, Told)>,
    stopped: bool,
}

impl Inbox {
    fn sort(&mut self) {
        for message in self.messages.drain(..) {
            match message {
                Message::Append { entry, reply } => {
                    self.entries.push(entry);
                    self.replies.push(reply);
                }
                Message::Book { booking, reply } => self.bookings.push((booking, reply)),
                Message::Turn(reply) => self.turns.push(reply),
                Message::Note { note, reply } => self.notes.push((note, reply)),
                Message::Stop => self.stopped = true,
            }
        }
    }
}

impl Writer {
    /// Runs until it is told to stop, or nobody is left to tell it anything.
    pub(crate) fn run(mut self, mut channel: mpsc::Receiver<Message>) {
        // For its timer: a blocking receive knows no deadline.
        let runtime = match Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the ledger's thread cannot run");
                return;
            }
        };
        let mut inbox = Inbox::default();
        while !inbox.stopped && self.turn(&runtime, &mut channel, &mut inbox) {}
        channel.close();
        while self.receive(&runtime, &mut channel, &mut inbox, LAST_ENTRIES) == Received::Entries {
            inbox.sort();
            self.append(&mut inbox.entries, &mut inbox.replies);
            self.book_all(&mut inbox);
        }
        if self.failing.is_none() {
            self.checkpoint();
        }
        self.shared.is_closed.store(true, Ordering::Relaxed);
        // The file is let go of before the health's sender: who waits for that may
        // open the file at once.
        let mut database = self
            .shared
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        drop(database.take());
    }

    /// Waits for entries or for something that is due. False when nobody is left.
    fn turn(
        &mut self,
        runtime: &Runtime,
        channel: &mut mpsc::Receiver<Message>,
        inbox: &mut Inbox,
    ) -> bool {
        match self.receive(runtime, channel, inbox, self.due_in()) {
            Received::Entries => (),
            Received::Nothing => {
                self.due();
                return true;
            }
            Received::Closed => return false,
        }
        self.gather(runtime, channel, &mut inbox.messages);
        self.metrics
            .queue_depth
            .set(i64::try_from(channel.len()).unwrap_or(i64::MAX));
        inbox.sort();
        self.due();
        self.append(&mut inbox.entries, &mut inbox.replies);
        self.book_all(inbox);
        true
    }

    /// After the shares: they have waited for less. Last come those who only wait for it.
    fn book_all(&mut self, inbox: &mut Inbox) {
        for (booking, reply) in inbox.bookings.drain(..) {
            self.book(&booking, reply);
        }
        for (note, reply) in inbox.notes.drain(..) {
            // Who does not wait any more need not know.
            drop(reply.send(self.note(&note)));
        }
        for reply in inbox.turns.drain(..) {
            // Who does not wait any more need not know.
            let _ = reply.send(());
        }
    }

    fn receive(
        &self,
        runtime: &Runtime,
        channel: &mut mpsc::Receiver<Message>,
        inbox: &mut Inbox,
        wait: Duration,
    ) -> Received {
        let messages = &mut inbox.messages;
        match runtime
            .block_on(async { timeout(wait, channel.recv_many(messages, self.max_batch)).await })
        {
            Ok(0) => Received::Closed,
            Ok(_) => Received::Entries,
            Err(_) => Received::Nothing,
        }
    }

    /// How long nothing is due.
    fn due_in(&self) -> Duration {
        let checkpoint = self
            .dirty_since
            .map(|since| since + self.checkpoint_interval);
        let packing = self.packing.map(|packing| packing.at());
        let due = self
            .retry_at()
            .or_else(|| checkpoint.into_iter().chain(packing).min());
        due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()))
    }

    /// Does what is due.
    fn due(&mut self) {
        match self.retry_at() {
            Some(at) if at <= Instant::now() => self.probe(),
            Some(_) => (),
            None if self.checkpoint_is_due() => self.checkpoint(),
            None if self.packing_is_due() => self.pack(),
            None => (),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    Entries,
    Nothing,
    Closed,
}
