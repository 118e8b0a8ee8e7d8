//! The ledger as the other rooms hold it: a handle to one writer.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use accounting::settle::{Effect, Event, Held};
use accounting::{CloseCause, Epoch, EpochTerms, OutboxId, ShareRecord, UpstreamResult};
use prometheus::Registry;
use tokio::sync::{mpsc, oneshot, watch};

use crate::entry::Entry;
use crate::error::{LedgerClosed, LedgerError, OpenError};
use crate::health::Health;
use crate::message::{Message, Reply};
use crate::metrics::Metrics;
use crate::options::LedgerOptions;
use crate::reader::Reader;
use crate::settler::{Ask, Request, Settler};
use crate::share_ack::ShareAck;
use crate::store::{FileOpener, Opener};
use crate::writer::Writer;

/// So many events may wait to be booked; then who sends one waits.
const EVENTS_WAITING: usize = 64;

/// The accounting of the pool. Cheap to clone. What can be looked at is in [`Reader`],
/// to which this dereferences.
#[derive(Clone, Debug)]
pub struct Ledger {
    reader: Reader,
    sender: mpsc::Sender<Message>,
    health: watch::Receiver<Health>,
    terms: EpochTerms,
    stop: Arc<AtomicBool>,
    settler: mpsc::Sender<Request>,
    held: Arc<Mutex<Option<Held>>>,
}

impl Ledger {
    /// Opens the ledger, or makes it, replays its journal and starts its writer.
    pub fn open(options: LedgerOptions, registry: &Registry) -> Result<Self, OpenError> {
        let (path, cache_bytes) = (options.path.clone(), options.cache_bytes);
        Self::open_with(
            Arc::new(FileOpener { path, cache_bytes }),
            options,
            registry,
        )
    }

    pub(crate) fn open_with(
        opener: Arc<dyn Opener>,
        options: LedgerOptions,
        registry: &Registry,
    ) -> Result<Self, OpenError> {
        let metrics = Metrics::register(registry)?;
        let terms = options.terms;
        let (sender, inbox) = mpsc::channel(options.channel_capacity.max(1));
        let (health_sender, health) = watch::channel(Health::Ok);
        let stop = Arc::new(AtomicBool::new(false));
        let policy = options.policy;
        let writer = Writer::open(
            opener,
            options,
            metrics.clone(),
            health_sender,
            stop.clone(),
        )?;
        let reader = Reader(writer.shared().clone());
        let (settler, asked) = mpsc::channel(EVENTS_WAITING);
        let held = Arc::new(Mutex::new(policy.held));
        let books = Settler {
            reader: reader.clone(),
            policy,
            held: Arc::clone(&held),
            writer: sender.clone(),
            metrics,
        };
        // Ends when the last handle of the ledger is dropped.
        std::thread::Builder::new()
            .name("ledger books".to_owned())
            .spawn(move || books.run(asked))
            .map_err(OpenError::Thread)?;
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.run(inbox))
            .map_err(OpenError::Thread)?;
        Ok(Ledger {
            reader,
            sender,
            health,
            terms,
            stop,
            settler,
            held,
        })
    }

    /// For looking only.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Counts the starts of this ledger from 1: the first half of every session's id.
    pub fn boot(&self) -> u32 {
        self.reader.0.boot
    }

    /// Where shares go in.
    pub fn shares(&self) -> ShareSender {
        ShareSender(self.sender.clone())
    }

    /// Whether shares can be stored. The sender is dropped when the ledger is closed.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Closes the open epoch and opens the next on the terms that the ledger was
    /// opened with. Shares sent before are in the one, shares sent after in the other.
    /// Gives the closed epoch, when that is on disk. The same block closes once: again
    /// it gives the epoch that it closed then.
    ///
    /// # Errors
    /// [`LedgerError::Failing`]: nothing is closed. [`LedgerError::Closed`]: the ledger
    /// ended; whether the epoch is closed is for the next start to see.
    pub async fn close_epoch(&self, cause: CloseCause, now_ms: u64) -> Result<Epoch, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let entry = Entry::Close {
            cause,
            at_ms: now_ms,
            next: self.terms,
        };
        self.command(entry, Reply::Closed(reply)).await?;
        let epoch = answer.await.map_err(|_| LedgerError::Closed)??;
        // The close stands, whatever becomes of this: the books catch up with it before
        // their next event, and at the next start.
        if let Err(error) = self.ask(Ask::CatchUp).await {
            tracing::warn!(%error, epoch = %epoch.id, "the close of an epoch is not booked yet; will retry");
        }
        Ok(epoch)
    }

    /// Books an event: decided over everything that was booked before, written in one
    /// transaction, and back only when that is on disk. Events are booked one after the
    /// other, whoever sends them. The same event again changes nothing and gives
    /// nothing. What is to be done for it elsewhere is in the outbox then.
    ///
    /// # Errors
    /// [`LedgerError::Refused`]: the rules do not take it, now or ever; nothing is
    /// booked. [`LedgerError::ClosesItself`] for the two events that
    /// [`Self::close_epoch`] causes. All others: it is not known to be booked, to be
    /// sent again.
    pub async fn settle(&self, event: Event) -> Result<Vec<Effect>, LedgerError> {
        self.ask(Ask::Book(Box::new(event))).await
    }

    /// From the next event on, payments up to `held` wait in suspense; `None`: none do.
    /// Those that wait go on to. Not kept: told again at every start, by
    /// [`Policy::held`](accounting::settle::Policy).
    pub fn hold_payments(&self, held: Option<Held>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    async fn ask(&self, ask: Ask) -> Result<Vec<Effect>, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { ask, reply };
        let sent = self.settler.send(request).await;
        sent.map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Takes rows out of the outbox, when what they ask for is done and durable there.
    /// Unknown and done ones do no harm.
    pub async fn outbox_done(&self, ids: Vec<OutboxId>) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.command(Entry::OutboxDone(ids), Reply::Done(reply))
            .await?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Keeps `note` for who [examines](crate::Examiner) this ledger at its next opening, instead
    /// of the last one. On disk when this returns.
    ///
    /// # Errors
    /// It is not kept: the disk fails, or the ledger is closed.
    pub async fn note(&self, note: Vec<u8>) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Note { note, reply };
        let sent = self.sender.send(message).await;
        sent.map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Decides everything that was sent, writes a checkpoint and lets go of the file.
    /// Other handles are told that it is closed.
    pub async fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        // What is being booked first: it looks at the file. Already closed is as good.
        let _ = self.ask(Ask::Stop).await;
        let _ = self.sender.send(Message::Stop).await;
        let mut health = self.health.clone();
        // The writer drops its end when the file is let go.
        while health.changed().await.is_ok() {}
    }

    async fn command(&self, entry: Entry, reply: Reply) -> Result<(), LedgerError> {
        let message = Message::Append { entry, reply };
        self.sender
            .send(message)
            .await
            .map_err(|_| LedgerError::Closed)
    }
}

impl Deref for Ledger {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

/// Where shares go in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ShareSender(mpsc::Sender<Message>);

impl ShareSender {
    /// A place for one share; waits while the ledger has no room. Reserve when the
    /// share is at hand, not before: a place held is one less for the others.
    pub async fn reserve(&self) -> Result<SharePermit, LedgerClosed> {
        let permit = self
            .0
            .clone()
            .reserve_owned()
            .await
            .map_err(|_| LedgerClosed)?;
        Ok(SharePermit(permit))
    }

    /// Waits until the writer has done all that was sent before, on disk or refused. It
    /// writes nothing by itself. A writer that hangs in its disk never comes to it.
    ///
    /// # Errors
    /// The ledger is closed.
    pub async fn turn(&self) -> Result<(), LedgerClosed> {
        let (reply, answer) = oneshot::channel();
        let sent = self.0.send(Message::Turn(reply)).await;
        sent.map_err(|_| LedgerClosed)?;
        answer.await.map_err(|_| LedgerClosed)
    }

    /// Writes an entry that changes nothing, and waits until that is decided: true when it
    /// is on disk.
    ///
    /// # Errors
    /// The ledger is closed.
    pub async fn tries_the_disk(&self) -> Result<bool, LedgerClosed> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Append {
            entry: Entry::OutboxDone(Vec::new()),
            reply: Reply::Done(reply),
        };
        self.0.send(message).await.map_err(|_| LedgerClosed)?;
        let written = answer.await.map_err(|_| LedgerClosed)?;
        Ok(written.is_ok())
    }

    /// Tells what the upstream said to a share; waits while the ledger has no room.
    pub async fn upstream_result(&self, result: UpstreamResult) -> Result<(), LedgerClosed> {
        let message = Message::Append {
            entry: Entry::Upstream(result),
            reply: Reply::None,
        };
        self.0.send(message).await.map_err(|_| LedgerClosed)
    }
}

/// A place for one share.
#[derive(Debug)]
pub struct SharePermit(mpsc::OwnedPermit<Message>);

impl SharePermit {
    /// Hands the share over. `ack` is told when it is decided; of one session always
    /// the same `ack`, and the shares in the order of their sequence.
    pub fn send(self, record: ShareRecord, ack: Arc<ShareAck>) {
        let message = Message::Append {
            entry: Entry::Share(record),
            reply: Reply::Share(ack),
        };
        self.0.send(message);
    }
}
