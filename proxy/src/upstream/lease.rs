//! A downstream session's lease of the upstream: a lane, a prefix of its extranonce2, and
//! the way to forward a share.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::watch;

use super::backlog::Slot;
use super::shared::{Forward, LaneShared, Shared};
use super::{LaneView, UpstreamSubmit};
use crate::extranonce::PrefixGuard;

/// Why there is no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// No lane has a job.
    #[error("the upstream has no work")]
    NoWork,
    /// Every prefix of every lane that is up is held or in quarantine. Another lane is
    /// on its way unless there are `max_lanes` already: ask again in a moment.
    #[error("every extranonce prefix is taken")]
    Full,
}

/// The lane is gone for good: the proxy is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the upstream connection is closed for good")]
pub struct LaneClosed;

/// A session's place at the upstream. Dropping it releases the prefix, which stays in
/// quarantine while a job lives on which it may have been used; see [`Self::unused`].
#[derive(Debug)]
pub struct Lease {
    lane: Arc<LaneShared>,
    held: Held,
    shared: Arc<Shared>,
}

/// A prefix and the generation of the lane that it belongs to.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) generation: u64,
    pub(super) prefix: PrefixGuard,
}

impl Lease {
    pub(super) fn new(shared: Arc<Shared>, lane: Arc<LaneShared>, held: Held) -> Self {
        lane.lease_begins();
        Lease { lane, held, shared }
    }

    /// What the lane knows of its upstream; changes are seen by this receiver.
    pub fn view(&self) -> watch::Receiver<Arc<LaneView>> {
        self.lane.view()
    }

    /// The first bytes of the upstream's extranonce2 that are this session's alone.
    pub fn prefix(&self) -> &[u8] {
        self.held.prefix.as_bytes()
    }

    /// The [`LaneView::generation`] that the prefix belongs to. When the view's is
    /// another, the prefix says nothing any more: [`Self::renew`].
    pub fn generation(&self) -> u64 {
        self.held.generation
    }

    /// Takes a prefix of the lane's current generation in place of the one held. When
    /// it fails the lease is as it was.
    ///
    /// # Errors
    /// [`Unavailable::NoWork`] while the lane is down; [`Unavailable::Full`] when the
    /// lane's new extranonce2 has fewer prefixes than it has sessions: drop this lease
    /// and ask [`Upstream::lease`](super::Upstream::lease), which may give another lane.
    pub fn renew(&mut self) -> Result<(), Unavailable> {
        self.held = self.lane.take_prefix()?;
        Ok(())
    }

    /// No hash was credited with the prefix: when the lease is dropped it is free at once,
    /// without the quarantine. Strangers and probes that come, look and leave would
    /// otherwise keep the few prefixes of a small extranonce2 from those who mine.
    pub fn unused(&mut self) {
        self.held.prefix.unused();
    }

    /// Sends a share to the upstream. It returns as soon as the share is queued for
    /// the lane's socket, which is at once unless the lane is far behind.
    ///
    /// A share of a job of an earlier upstream session is counted and not sent. Its
    /// result goes to the ledger by itself.
    ///
    /// # Errors
    /// [`LaneClosed`] when the proxy is stopping.
    pub async fn forward(&self, submit: UpstreamSubmit) -> Result<(), LaneClosed> {
        let slot = self.result_slot(submit.meets_network).await?;
        let forward = Forward { submit, slot };
        self.lane
            .submits()
            .send(forward)
            .await
            .map_err(|_| LaneClosed)
    }

    /// A place in the queue of results, taken before the share is sent: the lane can
    /// then hand over an answer without waiting, so that a stalled ledger holds up
    /// shares but never the reading of jobs. A found block waits for nothing: when the
    /// ledger is stalled it goes without.
    async fn result_slot(&self, meets_network: bool) -> Result<Option<Slot>, LaneClosed> {
        let results = self.shared.results().clone();
        if !meets_network {
            return results
                .reserve_owned()
                .await
                .map(Some)
                .map_err(|_| LaneClosed);
        }
        let slot = results.try_reserve_owned().ok();
        if slot.is_none() {
            self.shared.metrics().unrecorded();
        }
        Ok(slot)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lane.lease_ends();
    }
}
