//! The events of a client for its caller.

use std::time::Duration;

use ruint::aliases::U256;

use super::Reason;
use crate::Difficulty;
use crate::wire::upstream::{Notify, Subscribed};

/// A job as it is in force: with the extranonces, the difficulty and the mask that
/// belong to it, fixed when it was received.
#[derive(Clone, Debug)]
pub(crate) struct NewJob {
    pub(crate) notify: Box<Notify>,
    /// From the notify's nbits.
    pub(crate) network_target: U256,
    pub(crate) extranonce1: Box<[u8]>,
    pub(crate) extranonce2_size: usize,
    pub(crate) difficulty: Difficulty,
    pub(crate) version_mask: u32,
}

impl NewJob {
    pub(super) fn new(
        notify: Box<Notify>,
        network_target: U256,
        session: &Subscribed,
        difficulty: Difficulty,
        version_mask: u32,
    ) -> Self {
        NewJob {
            notify,
            network_target,
            extranonce1: session.extranonce1.as_bytes().into(),
            extranonce2_size: session.extranonce2_size,
            difficulty,
            version_mask,
        }
    }
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// A job to mine on. The first one ends the handshake.
    Job(Box<NewJob>),
    /// The version bits that may be rolled changed, for jobs from now on.
    MaskChanged(u32),
    /// A share was answered.
    Answered {
        /// What was given with it.
        token: T,
        /// What the pool said.
        outcome: Outcome,
        /// How long the answer took.
        round_trip: Duration,
    },
    /// A share's answer is overdue.
    Unanswered(T),
    /// The pool wants us to connect again, elsewhere if it says so.
    Reconnect {
        /// The same host when it says none.
        host: Option<String>,
        /// The same port when it says none.
        port: Option<u16>,
        /// How long to wait first; as the pool said it, not bounded.
        wait: Duration,
    },
    /// Words for the operator, cleaned and shortened.
    Message(String),
    /// A line that made no sense, and why.
    Ignored(String),
    /// Our username is refused, in the pool's words (cleaned).
    Unauthorized(String),
    /// The subscription is refused, in the pool's words (cleaned).
    SubscribeRefused(String),
    /// The extranonces leave no room to tell miners apart.
    BadExtranonce {
        /// The size of its extranonce1.
        extranonce1_size: usize,
        /// The size that it grants for extranonce2.
        extranonce2_size: usize,
    },
    /// No job since the connection was made.
    NoFirstJob,
    /// No job for long.
    Stalled,
}

/// What the pool said to a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It took it.
    Taken,
    /// It refused it.
    Refused {
        /// From a closed set.
        reason: Reason,
        /// The pool's words, cleaned.
        message: String,
    },
}
