//! The messages to the writer.

use std::sync::Arc;

use accounting::Epoch;
use tokio::sync::oneshot;

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::share_ack::ShareAck;
use crate::store::Booking;

/// What comes through the channel.
#[derive(Debug)]
pub(crate) enum Message {
    /// Something that happened, and who waits for it to be on disk.
    Append { entry: Entry, reply: Reply },
    /// Rows of the books to write, and who waits for them to be on disk.
    Book {
        booking: Box<Booking>,
        reply: oneshot::Sender<Result<(), LedgerError>>,
    },
    /// Somebody wants to know when all that was sent before is done.
    Turn(oneshot::Sender<()>),
    /// What somebody keeps in the store, and who waits for it to be on disk.
    Note {
        note: Vec<u8>,
        reply: oneshot::Sender<Result<(), LedgerError>>,
    },
    /// Nothing more comes.
    Stop,
}

/// Who waits.
#[derive(Debug)]
pub(crate) enum Reply {
    None,
    Share(Arc<ShareAck>),
    Closed(oneshot::Sender<Result<Epoch, LedgerError>>),
    Done(oneshot::Sender<Result<(), LedgerError>>),
}
