//! How many files the process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open besides the miners: listeners, the store, the upstream's lanes, the
/// admin socket, scrapes of the metrics.
const RESERVED: u64 = 128;

/// Raises the limit of open files as far as the process may, and warns when so many
/// connections do not fit; `advice` says what to lower.
pub fn raise_for(connections: usize, advice: &str) {
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

/// How many of the process's file descriptors all HTTP listeners together may take for
/// connections, when `miners` connections are mining's: what is left of the limit, but an
/// eighth of it at least. Each connection may have a second file open, of which it sends.
pub fn left_for_http(miners: usize) -> usize {
    let Some(most) = getrlimit(Resource::Nofile).current else {
        return usize::MAX >> 3;
    };
    let miners = u64::try_from(miners).unwrap_or(u64::MAX);
    usize::try_from(left(most, miners)).unwrap_or(usize::MAX >> 3)
}

fn left(most: u64, miners: u64) -> u64 {
    let beside = most.saturating_sub(RESERVED).saturating_sub(miners);
    beside.max(most / 8) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_takes_what_mining_leaves() {
        assert_eq!(left(65_536, 10_000), (65_536 - 10_000 - RESERVED) / 2);
        // Too few for all: most of them are for mining.
        assert_eq!(left(1024, 10_000), 64);
        assert_eq!(left(256, 10_000), 16);
        assert_eq!(left(0, 1), 0);
    }
}
