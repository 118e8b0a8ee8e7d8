//! Logs go to stderr, for people; `--log` or `AXEPOOL_LOG` says how many.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Starts logging with `filter`, such as `debug` or `info,proxy=trace`.
///
/// # Errors
/// When the filter cannot be read.
pub(crate) fn start(filter: &str) -> Result<()> {
    let parsed = EnvFilter::try_new(filter).with_context(|| {
        format!(
            "--log {filter:?}: give a level (error, warn, info, debug, trace) or info,proxy=trace"
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging was started twice: {error}"))
}
