//! What all HTTP listeners of the process share: the public one, the onion service's, the
//! operator's page and the metrics. One set of bounds on what strangers can take, see
//! docs/decisions/0021-bounds-of-the-http-listeners.md and docs/limits.md.
//!
//! - A connection has a place of its household at its listener and a file descriptor of
//!   those that mining leaves over; without either it is closed at once.
//! - A request has one clock for its head and its body. The body is read whole before the
//!   request gets to anything that others wait for.
//! - A request has a place of the household that it comes from, which a trusted proxy may
//!   name.
//! - What is refused is counted by listener and reason, and summed up in the log.
//!
//! It knows of `proxy` only what miners' connections have as well: trusted proxies, the
//! PROXY protocol, certificates and how an address is shown. What is answered, and who
//! answers, it does not know.

mod body;
mod circuit;
mod counts;
mod door;
mod household;
mod io;
mod memory;
mod places;
mod serve;
mod tls;

pub use counts::{Counts, Refused};
pub use door::{Bounds, Door, Naming, Shared, Visitor};
pub use household::Household;
pub use places::{Full, Place, Places};
pub use serve::{FORM_BYTES, Service};
pub use tls::Tls;
