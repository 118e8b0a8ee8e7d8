//! The interface to a service manager (systemd, or one that speaks its protocols): the
//! manager hands in listening sockets, and hears when the pool is ready, alive and
//! stopping.
//!
//! Inherited sockets stay open during a restart, so that no connection is refused
//! (docs/decisions/0015-restarts-by-inherited-sockets.md).

mod notify;
mod sockets;

pub use notify::Manager;
pub use sockets::listeners;
pub use sockets::{Inherited, InheritedError};
