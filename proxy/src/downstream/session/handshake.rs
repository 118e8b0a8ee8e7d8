//! Before `mining.authorize` is served.
//!
//! Any answer to authorize, a rejection too, makes a Bitaxe believe that the pool is
//! well: it would come back for ever instead of mining at its fallback. It sends
//! configure, subscribe and authorize in one breath. So replies are held back for a
//! moment: when an authorize that cannot be served is among what came, the connection
//! is closed without a word. A client that waits for each reply has got earlier ones by
//! then; that is no Bitaxe, and it is told why.

/// Replies held back are let go when there are more bytes than this: no device sends so
/// much before it authorizes.
const MAX_HELD_BYTES: usize = 8 * 1024;

/// The replies before authorize.
#[derive(Debug)]
pub(crate) struct Handshake {
    early: Early,
    /// Answers to submissions, which go out behind the one to authorize: cpuminer, closed
    /// while it mined, sends what it had left between subscribe and authorize, and takes
    /// the next answer of whatever id for that to authorize.
    late: Vec<u8>,
}

/// The answers to what comes before authorize.
#[derive(Debug)]
enum Early {
    /// They are held back: the device was told nothing yet.
    Held {
        replies: Vec<u8>,
        /// When they are let go, milliseconds of the monotonic clock; `None` while there
        /// are none.
        until_ms: Option<u64>,
    },
    /// They were let go: each reply goes out at once.
    LetGo,
}

impl Default for Handshake {
    fn default() -> Self {
        let (replies, late) = (Vec::new(), Vec::new());
        let early = Early::Held {
            replies,
            until_ms: None,
        };
        Handshake { early, late }
    }
}

impl Handshake {
    /// Where replies go now: behind what is held back, or straight out.
    pub(crate) fn replies<'a>(&'a mut self, out: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
        match &mut self.early {
            Early::Held { replies, .. } => replies,
            Early::LetGo => out,
        }
    }

    /// Where the answer to a submission goes: behind the one to authorize, unless there
    /// are more of them than any device has left over.
    pub(crate) fn late<'a>(&'a mut self, out: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
        match self.late.len() > MAX_HELD_BYTES {
            true => self.replies(out),
            false => &mut self.late,
        }
    }

    /// Takes the answers to submissions.
    pub(crate) fn take_late(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.late)
    }

    /// Starts the clock for what is held back; lets it go when it is too much.
    pub(crate) fn after_line(&mut self, now_ms: u64, hold_ms: u64, out: &mut Vec<u8>) {
        let Early::Held { replies, until_ms } = &mut self.early else {
            return;
        };
        if replies.len() > MAX_HELD_BYTES {
            self.release(out);
        } else if !replies.is_empty() {
            until_ms.get_or_insert(now_ms.saturating_add(hold_ms));
        }
    }

    /// Lets go what has been held back for long enough.
    pub(crate) fn tick(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        if self.due_ms().is_some_and(|until| until <= now_ms) {
            self.release(out);
        }
    }

    /// When [`Self::tick`] has something to do.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        match &self.early {
            Early::Held { until_ms, .. } => *until_ms,
            Early::LetGo => None,
        }
    }

    /// True when nothing was said yet: the connection can be closed without a word.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.early, Early::Held { .. })
    }

    /// Lets everything go.
    pub(crate) fn release(&mut self, out: &mut Vec<u8>) {
        if let Early::Held { mut replies, .. } = std::mem::replace(&mut self.early, Early::LetGo) {
            out.append(&mut replies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_wait_for_their_time_once() {
        let mut out = Vec::new();
        let mut handshake = Handshake::default();
        handshake.replies(&mut out).extend(b"one");
        handshake.after_line(1_000, 200, &mut out);
        handshake.replies(&mut out).extend(b"two");
        handshake.after_line(1_150, 200, &mut out);
        assert_eq!(handshake.due_ms(), Some(1_200));
        handshake.tick(1_199, &mut out);
        assert!(handshake.is_silent() && out.is_empty());
        handshake.tick(1_200, &mut out);
        assert_eq!(
            (out.as_slice(), handshake.is_silent()),
            (b"onetwo".as_slice(), false)
        );
        handshake.replies(&mut out).extend(b"three");
        assert_eq!(
            (out.as_slice(), handshake.due_ms()),
            (b"onetwothree".as_slice(), None)
        );
    }

    fn held(handshake: &Handshake) -> usize {
        match &handshake.early {
            Early::Held { replies, .. } => replies.len(),
            Early::LetGo => 0,
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut out = Vec::new();
        let mut handshake = Handshake::default();
        for _ in 0..100 {
            handshake.replies(&mut out).extend([b'x'; 100]);
            handshake.after_line(0, 200, &mut out);
            assert!(held(&handshake) <= MAX_HELD_BYTES + 100);
        }
        assert_eq!(out.len() + held(&handshake), 10_000);
    }
}
