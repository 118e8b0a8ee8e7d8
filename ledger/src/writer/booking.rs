//! Books go to disk: the rows, and in the same transaction the journal's batch that
//! tells of them.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use tokio::sync::oneshot;

use crate::entry::{self, Entry};
use crate::error::{LedgerError, StoreError};
use crate::message::Reply;
use crate::store::{Booking, Snapshot, write_booking, write_note};
use crate::writer::Writer;

impl Writer {
    /// Writes a booking and answers it, as a batch of its own.
    pub(crate) fn book(
        &mut self,
        booking: &Booking,
        reply: oneshot::Sender<Result<(), LedgerError>>,
    ) {
        let mut entries = vec![Entry::Booked {
            outbox: booking.outbox_rows(),
            dissolved: booking.dissolved.clone(),
        }];
        let mut replies = vec![Reply::Done(reply)];
        // Its rows go to the store, so all that came before must be there as well: then the
        // store tells by itself what it is of, whatever becomes of the journal.
        if self.failing.is_none() && !self.journal.is_empty() {
            self.checkpoint();
        }
        if self.failing.is_some() {
            self.refuse(&mut entries, &mut replies);
            return;
        }
        let number = self.shared.state().batch().saturating_add(1);
        match self.write_booking(number, &entries, booking) {
            Ok(()) => {
                if booking.has_accounts() {
                    self.pack_anew();
                }
                self.applied(number, &entries, &mut replies);
            }
            // Nothing was written, and the disk is not to blame.
            Err(error @ LedgerError::Store(StoreError::Stale)) => {
                for reply in replies {
                    if let Reply::Done(reply) = reply {
                        drop(reply.send(Err(error)));
                        break;
                    }
                }
            }
            Err(error) => self.failed(number, error, &mut entries, &mut replies),
        }
    }

    /// The same, for who has the writer itself.
    pub(crate) fn book_now(&mut self, booking: &Booking) -> Result<(), LedgerError> {
        let (reply, mut answer) = oneshot::channel();
        self.book(booking, reply);
        answer.try_recv().map_err(|_| LedgerError::Closed)?
    }

    /// Keeps a note. After an error it may be kept all the same.
    pub(crate) fn note(&mut self, note: &[u8]) -> Result<(), LedgerError> {
        if self.failing.is_some() {
            return Err(self.refusal());
        }
        let shared = self.shared.clone();
        let written = shared.with_database(|database| write_note(database, note));
        written.map_err(|error| {
            self.note_failed(&error);
            self.refusal()
        })
    }

    fn write_booking(
        &mut self,
        number: u64,
        entries: &[Entry],
        booking: &Booking,
    ) -> Result<(), LedgerError> {
        self.row.clear();
        entries
            .iter()
            .for_each(|entry| entry::put(&mut self.row, entry));
        let first = self.shared.state().next_outbox();
        let shared = self.shared.clone();
        shared.with_database(|database| {
            let written = Snapshot::begin(database)?.books()?.bookings()?;
            if written.checked_add(1) != Some(booking.number) {
                return Err(StoreError::Stale);
            }
            let timer = self.metrics.booking_write_seconds.start_timer();
            write_booking(database, (number, &self.row), first, booking)?;
            timer.observe_duration();
            Ok(())
        })
    }
}
