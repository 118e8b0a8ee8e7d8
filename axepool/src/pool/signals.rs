//! The signals that end the process.

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or SIGINT (Ctrl-C), and gives its name.
///
/// # Errors
/// When the process may not listen for signals.
pub(crate) async fn stop_signal() -> Result<&'static str> {
    let mut terminate =
        signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
