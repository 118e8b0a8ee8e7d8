//! A batch gathers: for the window that the disk wants, and where it has but few shares for
//! as long as owners do not mind.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::entry::Entry;
use crate::message::Message;
use crate::writer::Writer;

/// So many shares fill a block of the journal, which is the least that a disk writes.
const FULL: usize = 26;

/// A batch of few shares is looked at so often at most, for what does not wait.
const STEP: Duration = Duration::from_millis(20);

impl Writer {
    /// Waits while the batch gathers.
    pub(super) fn gather(
        &self,
        runtime: &Runtime,
        channel: &mut mpsc::Receiver<Message>,
        messages: &mut Vec<Message>,
    ) {
        let end = Instant::now() + self.pace.quiet();
        // Asleep for the window rather than receiving: else each share of a thousand
        // miners would wake this thread.
        std::thread::sleep(self.pace.window());
        self.take(runtime, channel, messages);
        while messages.len() < FULL && messages.iter().all(can_wait) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(STEP));
            self.take(runtime, channel, messages);
        }
    }

    /// Takes what waits, as far as the batch has room.
    fn take(
        &self,
        runtime: &Runtime,
        channel: &mut mpsc::Receiver<Message>,
        messages: &mut Vec<Message>,
    ) {
        let room = self.max_batch.saturating_sub(messages.len());
        if room > 0 && !channel.is_empty() {
            runtime.block_on(channel.recv_many(messages, room));
        }
    }
}

/// Whether nothing but a device or a figure waits for it.
fn can_wait(message: &Message) -> bool {
    match message {
        Message::Append { entry, .. } => matches!(entry, Entry::Share(_) | Entry::Upstream(_)),
        Message::Book { .. } | Message::Turn(_) | Message::Note { .. } | Message::Stop => false,
    }
}
