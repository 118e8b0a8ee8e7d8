//! The miners' side: listeners, the limits at the door, and one task per connection
//! around a [`session`] that knows neither sockets nor clocks.

mod accept;
mod address;
mod admission;
mod close;
mod conn;
mod listener;
mod method;
mod metrics;
mod proxy_header;
mod rate;
mod registry;
mod scratch;
mod seats;
mod session;
mod shared;
mod state;
mod status;
mod store_gate;
mod store_watchdog;
mod storms;
#[cfg(test)]
mod tests;
mod tls;

pub use address::Masked;
pub use proxy_header::{HeaderError, peer_behind};
pub use status::{DownstreamStatus, SessionStatus};
pub use tls::Certificate;

pub(crate) use admission::Admission;
pub(crate) use listener::run as listen;
pub(crate) use metrics::Metrics;
pub(crate) use registry::Registry;
pub(crate) use session::Rules;
pub(crate) use shared::Shared;
pub(crate) use store_gate::{keep as keep_store_gate, wind_down};
pub(crate) use storms::Storms;

#[cfg(fuzzing)]
pub use {proxy_header::fuzz as read_proxy_header, session::run_script};
