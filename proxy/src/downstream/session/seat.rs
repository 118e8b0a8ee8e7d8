//! A session's place at the upstream, as plain values. The shell holds the lease.

use std::sync::Arc;

use crate::extranonce::Extranonce1;
use crate::upstream::{LaneView, Unavailable};

/// Where places come from: the shell, asking the upstream. Neither call waits.
pub(crate) trait Seats {
    /// Takes a place, or gives the one that was taken before.
    fn take(&mut self) -> Result<Grant, Unavailable>;

    /// Takes a prefix of the lane's current generation in place of the one held.
    fn renew(&mut self) -> Result<Grant, Unavailable>;
}

/// What comes with a place.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// The generation that `extranonce1` belongs to.
    pub(crate) generation: u64,
    /// What the miner is told: the upstream's extranonce1 and the session's prefix.
    pub(crate) extranonce1: Extranonce1,
    /// The lane as it is now, up and of that generation.
    pub(crate) view: Arc<LaneView>,
}

impl Grant {
    /// The version bits that may be rolled on the current job. The upstream's mask can
    /// widen between jobs, and holds for the jobs after it: a device is told a wider one
    /// with the next job, and a narrower one at once.
    pub(crate) fn version_mask(&self) -> u32 {
        let of_job = self.view.current().map_or(u32::MAX, |job| job.version_mask);
        self.view.version_mask & of_job
    }

    /// How many bytes of extranonce2 are the miner's.
    pub(crate) fn extranonce2_size(&self) -> usize {
        self.view
            .extranonce2_size
            .saturating_sub(self.view.prefix_size)
    }
}

/// How far a session is with its place.
#[derive(Debug, Default)]
pub(crate) enum Place {
    /// None was needed yet.
    #[default]
    None,
    /// It has one, and the device does not know its extranonce1 yet.
    Granted(Seat),
    /// The device subscribed: it knows the extranonce1 and mines with it.
    Subscribed(Seat),
}

impl Place {
    /// The place, whether or not the device subscribed.
    pub(crate) fn seat(&self) -> Option<&Seat> {
        match self {
            Self::None => None,
            Self::Granted(seat) | Self::Subscribed(seat) => Some(seat),
        }
    }

    /// As [`Self::seat`].
    pub(crate) fn seat_mut(&mut self) -> Option<&mut Seat> {
        match self {
            Self::None => None,
            Self::Granted(seat) | Self::Subscribed(seat) => Some(seat),
        }
    }

    /// The place of a device that subscribed.
    pub(crate) fn subscribed(&self) -> Option<&Seat> {
        match self {
            Self::None | Self::Granted(_) => None,
            Self::Subscribed(seat) => Some(seat),
        }
    }

    /// The device is told its extranonce1.
    pub(crate) fn subscribe(&mut self) {
        *self = match std::mem::take(self) {
            Self::Granted(seat) => Self::Subscribed(seat),
            other => other,
        };
    }
}

/// A session's place, with the lane as it was seen last.
#[derive(Debug)]
pub(crate) struct Seat {
    /// What was granted. Its view is replaced as the lane changes.
    pub(crate) grant: Grant,
    /// What was before the last change: shares of jobs that are still alive may come
    /// with it.
    pub(crate) previous: Option<Box<Previous>>,
}

/// What was in force before an extranonce change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Previous {
    /// Its generation.
    pub(crate) generation: u64,
    /// Its extranonce1.
    pub(crate) extranonce1: Extranonce1,
    /// When it was replaced, milliseconds of the monotonic clock.
    pub(crate) replaced_ms: u64,
}

impl Seat {
    /// A place that was just granted.
    pub(crate) fn new(grant: Grant) -> Self {
        Seat {
            grant,
            previous: None,
        }
    }

    /// Replaces the grant by one of another generation.
    pub(crate) fn replace(&mut self, grant: Grant, now_ms: u64) {
        let old = std::mem::replace(&mut self.grant, grant);
        self.previous = Some(Box::new(Previous {
            generation: old.generation,
            extranonce1: old.extranonce1,
            replaced_ms: now_ms,
        }));
    }
}
