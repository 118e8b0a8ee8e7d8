//! The door to the books. The binary adapts it to the ledger's writer; the arrows of
//! the house end here.

use accounting::settle::{Block, Event};
use async_trait::async_trait;
use thiserror::Error;

/// Where money that arrived, and what is seen of OCEAN's blocks, is written down.
#[async_trait]
pub trait Booking: Send + Sync + 'static {
    /// Books `event`. It returns only when what the event did is durable; the same event
    /// may be told any number of times.
    ///
    /// # Errors
    /// See [`BookError`]. After any of them nothing of the event is booked, as far as is
    /// known, and it is told again.
    async fn book(&self, event: Event) -> Result<Booked, BookError>;

    /// Closes the open epoch with a confirmed OCEAN block. (An event of its own: which
    /// work the epoch has only the ledger's writer knows.) A block that has closed an
    /// epoch already is [`Booked::Known`].
    ///
    /// # Errors
    /// As [`Self::book`].
    async fn close_epoch(&self, block: Block) -> Result<Booked, BookError>;
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// It changed the books.
    New,
    /// The books had it already.
    Known,
}

/// Why an event is not booked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BookError {
    /// It may be booked later: the writer is gone or busy, the disk is full. Ask again.
    #[error("the books are unavailable: {0}")]
    Unavailable(String),
    /// The books' rules do not take it as it is. A person should look; it is asked
    /// again, seldom.
    #[error("the books refuse it: {0}")]
    Refused(String),
}
