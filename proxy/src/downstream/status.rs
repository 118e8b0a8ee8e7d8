//! The status of the miners' side, for commands and pages.

use std::sync::Arc;
use std::time::Duration;

use accounting::Identity;

/// The miners' side at a glance.
#[derive(Clone, Debug)]
pub struct DownstreamStatus {
    /// Open connections, whatever their state.
    pub connections: usize,
    /// Sessions with at least one accepted share. A device that only probes whether we
    /// are back never gets that far, and is no worker.
    pub workers: usize,
    /// For how long the ledger has not answered, while that is so long that nobody is
    /// given work.
    pub store_hung_for: Option<Duration>,
    /// The authorized sessions, the oldest first, up to the limit asked for.
    pub sessions: Vec<SessionStatus>,
}

/// One authorized session.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// Its number, never given twice by one process.
    pub connection: u64,
    /// The miner, and which of their devices.
    pub who: Arc<Identity>,
    /// The device's name for itself: printable ASCII, at most 64 characters, else empty.
    pub user_agent: Box<str>,
    /// True when it came over TLS.
    pub tls: bool,
    /// When it connected, milliseconds since 1970.
    pub since_unix_ms: u64,
    /// Its accepted shares in this session.
    pub accepted: u64,
    /// Its submissions that were refused.
    pub rejected: u64,
    /// When the last of them came, milliseconds since 1970.
    pub last_share_unix_ms: Option<u64>,
    /// The difficulty that it was told last.
    pub difficulty: f64,
    /// The device connected anew since its last share here: most likely this connection
    /// is dead, and the system has not noticed yet.
    pub replaced: bool,
    /// The estimate of its hashes a second, now; 0 while it is replaced.
    pub hashrate: f64,
}
