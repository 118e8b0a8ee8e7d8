//! The name of the running program, for advice that names one of its commands.

use std::path::Path;

/// The command line of one of this program's commands: `axepool-wallet sweep`, or `axepool
/// sweep` where the pool's own binary runs it.
pub(crate) fn command(words: &str) -> String {
    let started = std::env::args_os().next();
    let name = started
        .as_ref()
        .and_then(|path| Path::new(path).file_name());
    let name = name.and_then(|name| name.to_str());
    format!("{} {words}", name.unwrap_or("axepool-wallet"))
}
