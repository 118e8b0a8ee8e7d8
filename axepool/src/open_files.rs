//! How many files the process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open besides the miners: listeners, the store, the upstream's lanes, the
/// admin socket, scrapes of the metrics.
const RESERVED: u64 = 128;

/// Raises the limit of open files as far as the process may, and warns when so many
/// connections do not fit; `advice` says what to lower.
pub(crate) fn raise_for(connections: usize, advice: &str) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    let Some(most) = getrlimit(Resource::Nofile).current else {
        return;
    };
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(RESERVED);
    if most < wanted {
        tracing::warn!(
            open_files = most,
            connections,
            "the connections do not fit into the limit of open files: raise it (ulimit -n, or LimitNOFILE of the service), or lower {advice} to {}",
            most.saturating_sub(RESERVED)
        );
    }
}
