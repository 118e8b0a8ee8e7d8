//! The shares that were sent and not answered yet.

use std::collections::BTreeMap;

/// So many shares may wait for their answers; more are not taken from the queue, and
/// in the end the sessions wait.
pub(crate) const MAX_PENDING: usize = 1024;

/// An answer that takes longer does not come: pools answer within a second or two.
pub(crate) const ANSWER_TIMEOUT_MS: u64 = 30_000;

/// Shares by the id of their request. Ids grow, so the first is the oldest.
#[derive(Debug)]
pub(super) struct Submits<T> {
    pending: BTreeMap<u64, Sent<T>>,
}

#[derive(Debug)]
struct Sent<T> {
    token: T,
    at_ms: u64,
}

impl<T> Default for Submits<T> {
    fn default() -> Self {
        Submits {
            pending: BTreeMap::new(),
        }
    }
}

impl<T> Submits<T> {
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn sent(&mut self, id: u64, token: T, now_ms: u64) {
        self.pending.insert(
            id,
            Sent {
                token,
                at_ms: now_ms,
            },
        );
    }

    /// The share that `id` answers, and how long it took in milliseconds.
    pub(super) fn answered(&mut self, id: u64, now_ms: u64) -> Option<(T, u64)> {
        let sent = self.pending.remove(&id)?;
        Some((sent.token, now_ms.saturating_sub(sent.at_ms)))
    }

    /// The oldest share, if its answer is overdue.
    pub(super) fn take_overdue(&mut self, now_ms: u64) -> Option<T> {
        let due_ms = self.next_due_ms()?;
        if now_ms < due_ms {
            return None;
        }
        self.pending.pop_first().map(|(_, sent)| sent.token)
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let (_, oldest) = self.pending.first_key_value()?;
        Some(oldest.at_ms.saturating_add(ANSWER_TIMEOUT_MS))
    }

    /// Everything that is still unanswered, at the connection's end.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.pending)
            .into_values()
            .map(|sent| sent.token)
    }
}
