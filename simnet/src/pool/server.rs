//! The pool's tasks: listening, and a job now and then.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

use super::connection;
use super::shared::Shared;
use super::{SimPoolHandle, SimPoolOptions, SyntheticChain, TemplateSource};
use crate::stratum::Target;

/// How long after a failed bind or accept it is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// Why a pool does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A difficulty must be a finite number above 0.
    #[error("difficulty {given} is not a finite number above 0")]
    Difficulty {
        /// What was given.
        given: f64,
    },
    /// The extranonces do not have a size that fits.
    #[error(
        "extranonce1 of {extranonce1} (1 to 8) and extranonce2 of {extranonce2} bytes (2 to 16)"
    )]
    Extranonce {
        /// Bytes of extranonce1.
        extranonce1: usize,
        /// Bytes of extranonce2.
        extranonce2: usize,
    },
}

/// A simulated pool. Started, it is its [`SimPoolHandle`].
#[derive(Debug)]
pub struct SimPool;

impl SimPool {
    /// Starts a pool on a [`SyntheticChain`] whose network difficulty is a real one's.
    ///
    /// # Errors
    /// [`StartError`] if the options make no sense or the address is taken.
    pub async fn start(options: SimPoolOptions) -> Result<SimPoolHandle, StartError> {
        Self::start_on(options, SyntheticChain::new(1, 126e12)).await
    }

    /// Starts a pool that takes its templates from `source`.
    ///
    /// # Errors
    /// [`StartError`] if the options make no sense or the address is taken.
    pub async fn start_on(
        options: SimPoolOptions,
        source: impl TemplateSource + 'static,
    ) -> Result<SimPoolHandle, StartError> {
        check(&options)?;
        let bind_error = |source| StartError::Bind {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let shared = Arc::new(Shared::new(options, Box::new(source)));
        tokio::spawn(listen(Arc::clone(&shared), listener, address));
        if let Some(interval) = shared.options.job_interval {
            tokio::spawn(make_jobs(Arc::clone(&shared), interval));
        }
        Ok(SimPoolHandle::new(shared, address))
    }
}

fn check(options: &SimPoolOptions) -> Result<(), StartError> {
    let given = options.difficulty;
    Target::of_difficulty(given).ok_or(StartError::Difficulty { given })?;
    let (extranonce1, extranonce2) = (options.extranonce1_size, options.extranonce2_size);
    if !(1..=8).contains(&extranonce1) || !(2..=16).contains(&extranonce2) {
        return Err(StartError::Extranonce {
            extranonce1,
            extranonce2,
        });
    }
    Ok(())
}

async fn make_jobs(shared: Arc<Shared>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = shared.cancel.cancelled() => return,
            _ = ticks.tick() => drop(shared.new_job(false)),
        }
    }
}

/// Accepts connections; closes the listener while the pool is told not to listen, so
/// that connecting is refused and not just slow.
async fn listen(shared: Arc<Shared>, listener: TcpListener, address: SocketAddr) {
    let mut wanted = shared.listen.subscribe();
    let mut listener = Some(listener);
    loop {
        let want = *wanted.borrow_and_update();
        if want && listener.is_none() {
            match TcpListener::bind(address).await {
                Ok(bound) => listener = Some(bound),
                Err(error) => {
                    tracing::debug!(%error, %address, "cannot listen yet");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
        } else if !want {
            listener = None;
        }
        shared.listening.send_replace(listener.is_some());
        tokio::select! {
            () = shared.cancel.cancelled() => return,
            changed = wanted.changed() => if changed.is_err() { return },
            stream = accept(listener.as_ref()) => {
                tokio::spawn(connection::serve(Arc::clone(&shared), stream));
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::debug!(%error, "accept failed");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
