//! Drives the writer by hand, on a disk in memory, and remembers what it answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use accounting::settle::{Effect, Event, Policy};
use accounting::{EpochTerms, Work};
use prometheus::Registry;
use tokio::sync::{oneshot, watch};

use super::disk::Disk;
use super::model::Model;
use crate::entry::Entry;
use crate::message::Reply;
use crate::metrics::Metrics;
use crate::reader::Reader;
use crate::store::Opener;
use crate::writer::Writer;
use crate::{Health, LedgerError, LedgerOptions, OpenError, ShareAck, settler};

/// When the first epoch opens.
pub(super) const NOW_MS: u64 = 1_700_000_000_000;

pub(super) fn terms() -> EpochTerms {
    EpochTerms {
        quote_min_work: Work::from_hashes(30),
        ..EpochTerms::default()
    }
}

pub(super) fn options() -> LedgerOptions {
    let mut options = LedgerOptions::new("on no disk".into(), terms(), NOW_MS);
    options.window = Duration::ZERO;
    options.max_window = Duration::ZERO;
    options.quiet_window = Duration::ZERO;
    // So few that a history sees the file grow.
    options.journal_growth = 2;
    // Few, so that a history sees epochs that are half packed.
    options.pack_rows = 3;
    options
}

/// What the writer said to one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Stored,
    Refused,
    /// It ended before it could know.
    Nothing,
}

pub(super) struct Driver {
    pub(super) disk: Disk,
    pub(super) writer: Writer,
    /// All that was answered as stored.
    pub(super) model: Model,
    health: watch::Receiver<Health>,
}

impl Driver {
    pub(super) fn open(disk: &Disk) -> Result<Self, OpenError> {
        Self::open_with(disk, options())
    }

    pub(super) fn open_with(disk: &Disk, options: LedgerOptions) -> Result<Self, OpenError> {
        let (writer, health) = open(disk, options)?;
        Ok(Driver {
            disk: disk.clone(),
            writer,
            model: Model::default(),
            health,
        })
    }

    /// A writer over the files of a real ledger.
    pub(super) fn open_real(opener: Arc<dyn Opener>) -> Result<Writer, OpenError> {
        Ok(open_over(opener, options())?.0)
    }

    /// As [`Self::reopen`], where it may fail.
    pub(super) fn try_reopen(&mut self) -> Result<(), OpenError> {
        (self.writer, self.health) = open(&self.disk, options())?;
        Ok(())
    }

    /// Whether the writer has the disk, and can go on.
    pub(super) fn is_open(&self) -> bool {
        let has_store = self
            .writer
            .shared()
            .database
            .read()
            .expect("no panic")
            .is_some();
        has_store && !self.writer.lost
    }

    /// Opens it again, after a loss of power or a [`Self::close`].
    pub(super) fn reopen(&mut self) {
        let (writer, health) = open(&self.disk, options()).expect("opens again");
        (self.writer, self.health) = (writer, health);
    }

    /// Lets go of the disk, with a checkpoint.
    pub(super) fn close(&mut self) {
        self.writer.checkpoint();
        drop(
            self.writer
                .shared()
                .database
                .write()
                .expect("no panic")
                .take(),
        );
    }

    /// Hands entries over. The model has what was answered as stored. Gives the answer
    /// to the first of them that were not.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Answer {
        let mut waiting = Vec::new();
        let mut replies = Vec::new();
        for entry in entries {
            let (reply, wait) = reply(entry);
            replies.push(reply);
            waiting.push(wait);
        }
        self.writer.append(&mut entries.to_vec(), &mut replies);
        let answers: Vec<Option<Answer>> = waiting.into_iter().map(Wait::answer).collect();
        // Each close ends a batch of its own, which is stored or not as a whole.
        let mut worst = Answer::Stored;
        let mut at = 0;
        while at < entries.len() {
            let is_close = |entry: &Entry| matches!(entry, Entry::Close { .. });
            let rest = &entries[at..];
            let end = at
                + rest
                    .iter()
                    .position(is_close)
                    .map_or(rest.len(), |at| at + 1);
            let mut told = answers[at..end].iter().flatten().copied();
            let by_health = || match self.health() {
                Health::Ok => Answer::Stored,
                Health::Failing { .. } => Answer::Refused,
            };
            let answer = told.next().unwrap_or_else(by_health);
            assert!(
                told.all(|other| other == answer),
                "half a batch: {answers:?}"
            );
            match answer {
                Answer::Stored => {
                    assert_eq!(worst, Answer::Stored, "later ones before earlier ones");
                    self.model.stored(&entries[at..end]);
                }
                _ if worst == Answer::Stored => worst = answer,
                // Of a session's shares the later answer decides the earlier ones.
                _ => assert_eq!(worst, answer, "an answer after none"),
            }
            at = end;
        }
        worst
    }

    /// Books an event, as the thread for it does.
    pub(super) fn settle(&mut self, event: Event) -> Result<Vec<Effect>, LedgerError> {
        let (reader, policy) = (self.reader(), Policy::default());
        let writer = &mut self.writer;
        settler::book(&reader, &policy, event, &mut |booking| {
            writer.book_now(&booking)
        })
    }

    /// Books the closes.
    pub(super) fn catch_up(&mut self) -> Result<Vec<Effect>, LedgerError> {
        let (reader, policy) = (self.reader(), Policy::default());
        let writer = &mut self.writer;
        settler::catch_up(&reader, &policy, &mut |booking| writer.book_now(&booking))
    }

    /// Keeps the hashes of the audit files.
    pub(super) fn hash_files(&mut self) -> Result<(), LedgerError> {
        let reader = self.reader();
        let writer = &mut self.writer;
        settler::hash_files(&reader, &mut |booking| writer.book_now(&booking))
    }

    pub(super) fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    pub(super) fn reader(&self) -> Reader {
        Reader(self.writer.shared().clone())
    }

    #[track_caller]
    pub(super) fn check(&self) {
        self.model.check(&self.reader(), terms());
    }
}

fn open(
    disk: &Disk,
    options: LedgerOptions,
) -> Result<(Writer, watch::Receiver<Health>), OpenError> {
    open_over(Arc::new(disk.clone()), options)
}

fn open_over(
    opener: Arc<dyn Opener>,
    options: LedgerOptions,
) -> Result<(Writer, watch::Receiver<Health>), OpenError> {
    let metrics = Metrics::register(&Registry::new())?;
    let (sender, health) = watch::channel(Health::Ok);
    // Already stopped: an outcome that cannot be learnt is not waited for.
    let stop = Arc::new(AtomicBool::new(false));
    stop.store(true, Ordering::Relaxed);
    let writer = Writer::open(opener, options, metrics, sender, stop)?;
    Ok((writer, health))
}

enum Wait {
    Share(Arc<ShareAck>, u64),
    Closed(oneshot::Receiver<Result<accounting::Epoch, crate::LedgerError>>),
    Done(oneshot::Receiver<Result<(), crate::LedgerError>>),
    /// Nobody is told: taken for stored when its neighbours are.
    Nothing,
}

fn reply(entry: &Entry) -> (Reply, Wait) {
    match entry {
        Entry::Share(share) => {
            let ack = Arc::<ShareAck>::default();
            (
                Reply::Share(ack.clone()),
                Wait::Share(ack, share.id.sequence),
            )
        }
        Entry::Upstream(_) => (Reply::None, Wait::Nothing),
        Entry::Close { .. } => {
            let (sender, receiver) = oneshot::channel();
            (Reply::Closed(sender), Wait::Closed(receiver))
        }
        Entry::OutboxDone(_) | Entry::Booked { .. } => {
            let (sender, receiver) = oneshot::channel();
            (Reply::Done(sender), Wait::Done(receiver))
        }
    }
}

impl Wait {
    fn answer(self) -> Option<Answer> {
        let of = |result: Result<bool, oneshot::error::TryRecvError>| match result {
            Ok(true) => Answer::Stored,
            Ok(false) => Answer::Refused,
            Err(_) => Answer::Nothing,
        };
        match self {
            Wait::Share(ack, sequence) if ack.decided() < sequence => Some(Answer::Nothing),
            Wait::Share(ack, sequence) if ack.take_refused(sequence) => Some(Answer::Refused),
            Wait::Share(..) => Some(Answer::Stored),
            Wait::Closed(mut wait) => Some(of(wait.try_recv().map(|result| result.is_ok()))),
            Wait::Done(mut wait) => Some(of(wait.try_recv().map(|result| result.is_ok()))),
            Wait::Nothing => None,
        }
    }
}
