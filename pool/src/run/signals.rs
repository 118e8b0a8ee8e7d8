//! The signals that end the process.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

/// SIGTERM and SIGINT (Ctrl-C), caught from [`Self::listen`] on: a signal that comes while
/// nobody waits is kept for the next [`Self::next`].
#[derive(Debug)]
pub struct StopSignals(Mutex<Caught>);

#[derive(Debug)]
struct Caught {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Installs the handlers. From then on no signal kills the process by itself.
    ///
    /// # Errors
    /// When the process may not listen for signals.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn listen() -> Result<StopSignals> {
        Ok(StopSignals(Mutex::new(Caught {
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?,
        })))
    }

    /// Waits for the next one, and gives its name. A wait that is given up loses none.
    pub async fn next(&self) -> &'static str {
        let mut caught = self.0.lock().await;
        let Caught {
            terminate,
            interrupt,
        } = &mut *caught;
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    }
}
