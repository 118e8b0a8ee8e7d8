//! The reasons for which a connection ends.

/// Why a connection ends. A value, not an error: each is the normal end of some peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The peer closed it.
    Peer,
    /// The socket failed.
    Io,
    /// The TLS handshake failed or took too long.
    Tls,
    /// A listed load balancer sent no PROXY protocol header that could be read.
    ProxyHeader,
    /// A username that cannot be paid.
    BadUsername,
    /// There is no work to give.
    NoWork,
    /// No `mining.authorize` in time.
    AuthorizeTimeout,
    /// Nothing received for too long.
    Idle,
    /// A line longer than allowed.
    LineTooLong,
    /// Not Stratum: before authorizing, a line that is not a request.
    Malformed,
    /// More messages than allowed.
    Flood,
    /// Too many rejected shares in a row.
    RejectStorm,
    /// The session before it, of the same name from the same address, ended in a storm
    /// of rejects a short while ago.
    AfterRejectStorm,
    /// The peer does not read what it is sent.
    SlowReader,
    /// The server is full and the connection had no accepted share.
    Evicted,
    /// The process stops.
    Stopping,
    /// The upstream was away for longer than the grace time.
    UpstreamLost,
    /// The upstream's extranonce changed and the device cannot take a new one.
    ExtranonceChanged,
    /// The ledger has been unable to store shares for longer than the grace time.
    StoreFailing,
    /// The operator winds the pool down.
    WindingDown,
    /// The ledger takes no more shares.
    LedgerClosed,
}

impl CloseReason {
    /// All of them, for metrics.
    pub(crate) const ALL: [CloseReason; 21] = [
        CloseReason::Peer,
        CloseReason::Io,
        CloseReason::Tls,
        CloseReason::ProxyHeader,
        CloseReason::BadUsername,
        CloseReason::NoWork,
        CloseReason::AuthorizeTimeout,
        CloseReason::Idle,
        CloseReason::LineTooLong,
        CloseReason::Malformed,
        CloseReason::Flood,
        CloseReason::RejectStorm,
        CloseReason::AfterRejectStorm,
        CloseReason::SlowReader,
        CloseReason::Evicted,
        CloseReason::Stopping,
        CloseReason::UpstreamLost,
        CloseReason::ExtranonceChanged,
        CloseReason::StoreFailing,
        CloseReason::WindingDown,
        CloseReason::LedgerClosed,
    ];

    /// The metric's label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            CloseReason::Peer => "peer",
            CloseReason::Io => "io",
            CloseReason::Tls => "tls",
            CloseReason::ProxyHeader => "proxy_header",
            CloseReason::BadUsername => "bad_username",
            CloseReason::NoWork => "no_work",
            CloseReason::AuthorizeTimeout => "authorize_timeout",
            CloseReason::Idle => "idle",
            CloseReason::LineTooLong => "line_too_long",
            CloseReason::Malformed => "malformed",
            CloseReason::Flood => "flood",
            CloseReason::RejectStorm => "reject_storm",
            CloseReason::AfterRejectStorm => "after_reject_storm",
            CloseReason::SlowReader => "slow_reader",
            CloseReason::Evicted => "evicted",
            CloseReason::Stopping => "stopping",
            CloseReason::UpstreamLost => "upstream_lost",
            CloseReason::ExtranonceChanged => "extranonce_changed",
            CloseReason::StoreFailing => "store_failing",
            CloseReason::WindingDown => "winding_down",
            CloseReason::LedgerClosed => "ledger_closed",
        }
    }
}
