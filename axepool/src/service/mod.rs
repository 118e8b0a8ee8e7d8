//! What a service manager (systemd, or one that speaks as it does) hands in and wants to
//! hear: listening sockets, and how the process is.

mod notify;
mod sockets;

pub(crate) use notify::Manager;
pub(crate) use sockets::listeners;
pub use sockets::{Inherited, InheritedError};
