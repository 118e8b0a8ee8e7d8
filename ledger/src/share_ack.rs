//! The acknowledgement by which a session learns that its shares are durable.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;

/// Where a session learns which of its shares are durable. The writer decides a
/// session's shares in the order of their sequence.
#[derive(Debug, Default)]
pub struct ShareAck {
    /// Every sequence up to this one is decided.
    decided: AtomicU64,
    /// The decided ones that were NOT stored; empty but for a failing disk.
    refused: Mutex<Vec<u64>>,
    waker: AtomicWaker,
}

impl ShareAck {
    /// The highest sequence that is decided.
    pub fn decided(&self) -> u64 {
        self.decided.load(Ordering::Acquire)
    }

    /// True when the share `sequence`, already decided, was not stored and must not be
    /// answered with `true`. It answers once for each refused share.
    pub fn take_refused(&self, sequence: u64) -> bool {
        let mut refused = self
            .refused
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match refused.iter().position(|&number| number == sequence) {
            Some(at) => {
                refused.swap_remove(at);
                true
            }
            None => false,
        }
    }

    /// Ready as soon as something above `seen` is decided; gives the highest.
    pub fn poll_decided(&self, cx: &mut Context<'_>, seen: u64) -> Poll<u64> {
        let decided = self.decided();
        if decided > seen {
            return Poll::Ready(decided);
        }
        self.waker.register(cx.waker());
        // Decided between the look and the registration: nobody would wake us.
        let decided = self.decided();
        if decided > seen {
            Poll::Ready(decided)
        } else {
            Poll::Pending
        }
    }

    /// The writer's side: everything up to `sequence` is on disk.
    pub fn stored(&self, sequence: u64) {
        self.decided.fetch_max(sequence, Ordering::Release);
        self.waker.wake();
    }

    /// The writer's side: `sequence` is not on disk and will not be.
    pub fn refuse(&self, sequence: u64) {
        self.refused
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(sequence);
        self.stored(sequence);
    }
}
