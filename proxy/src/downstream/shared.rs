//! State shared by all connections.

use std::sync::Arc;

use ledger::{Health, ShareSender};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::metrics::Metrics;
use super::registry::Registry;
use super::session::Rules;
use super::store_gate::StoreGate;
use super::storms::Storms;
use crate::config::IpNetwork;
use crate::upstream::Upstream;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The bounds and the difficulties.
    pub(crate) rules: Rules,
    /// Whose connections begin with a PROXY protocol header.
    pub(crate) proxy_protocol_from: Vec<IpNetwork>,
    /// Where leases come from.
    pub(crate) upstream: Upstream,
    /// Where shares go.
    pub(crate) shares: ShareSender,
    /// Why the ledger stores nothing, when it does not.
    pub(crate) health: watch::Receiver<Health>,
    /// Whether miners are served at all while it does not.
    pub(crate) store: Arc<StoreGate>,
    /// The counters.
    pub(crate) metrics: Arc<Metrics>,
    /// The connections.
    pub(crate) registry: Arc<Registry>,
    /// The counts per address.
    pub(crate) admission: Arc<Admission>,
    /// Who is refused after a storm of rejects.
    pub(crate) storms: Storms,
    /// The tasks, for an orderly end.
    pub(crate) tracker: TaskTracker,
}
