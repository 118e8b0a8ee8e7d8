//! The input of a session with every event, and its output: the actions to perform.

use std::collections::VecDeque;

use accounting::ShareRecord;

use super::rules::Rules;
use super::seat::Seats;
use crate::clock::Now;
use crate::downstream::address::AddressKey;
use crate::downstream::close::CloseReason;
use crate::downstream::metrics::Metrics;
use crate::downstream::registry::Entered;
use crate::downstream::storms::Storms;
use crate::upstream::UpstreamSubmit;

/// One event's worth of the world: the session itself has no clock and no socket.
pub(crate) struct Turn<'a> {
    /// When it is.
    pub(crate) now: Now,
    /// For what it took until now: a histogram's, nothing is decided by it.
    pub(crate) clock: fn() -> Now,
    /// The bounds.
    pub(crate) rules: &'a Rules,
    /// Why nobody is given work, while that is so: the ledger has been unable to store
    /// shares for longer than the grace time, or the pool winds down.
    pub(crate) refusal: Option<CloseReason>,
    /// Where places at the upstream come from.
    pub(crate) seats: &'a mut dyn Seats,
    /// Where the device connects from.
    pub(crate) address: AddressKey,
    /// Who is refused after a storm of rejects.
    pub(crate) storms: &'a Storms,
    /// The counters.
    pub(crate) metrics: &'a Metrics,
    /// What others see of the connection.
    pub(crate) entered: &'a Entered,
    /// Whole lines for the device.
    pub(crate) out: &'a mut Vec<u8>,
    /// What has to wait for somebody, in order.
    pub(crate) outgoing: &'a mut VecDeque<Outgoing>,
}

/// What a session hands over. Both ways are bounded and may have to be waited for;
/// neither ever drops one.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    /// A share for the upstream. It goes before any disk.
    Forward(UpstreamSubmit),
    /// A share for the ledger.
    Record(ShareRecord),
}
