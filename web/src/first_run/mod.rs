//! The first run: a pool that has no config yet is set up in a browser, for installations
//! without a terminal (`axepool run --first-run`, docs/operator.md).
//!
//! Until the config is written nothing is served but these pages, on one listener: the
//! operator's, on loopback, unless another address is named. A secret opens them. It is made
//! anew at each start and printed on stderr, or it is the password that a home server shows
//! to its owner (`AXEPOOL_FIRST_RUN_PASSWORD`). The secret is exchanged for a session that
//! stands in the forms alone (`gate`): there is no cookie. Every page but the one that asks
//! for the secret is the answer to a form.
//!
//! The answers go through the same core as those of `axepool init` (`init/`), the chain
//! source is asked before it is accepted, and the whole config is read as `check-config`
//! reads it. Then the config is written, and its answer shows the seed words, once; and the
//! pool starts in the same process. A config that exists ends the first run for good, and a
//! pool that lost its config is not set up again (`refusal`).

mod again;
mod form;
mod found;
mod gate;
mod pages;
mod routes;

use std::convert::Infallible;
use std::env::VarError;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use basics::output;
use listener::{Bounds, Naming};
use pool::config::Environment;
use pool::init::{Draft, can_be_set_up};
use pool::run::signals::StopSignals;
use pool::service::Manager;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::FIRST_RUN as PATH;
use crate::operator;
use gate::{Gate, Secret};

/// The variable with the address of the pages, for installations that give no options.
pub const ADDRESS: &str = "AXEPOOL_FIRST_RUN";

/// The variable with the password that opens the pages.
const PASSWORD: &str = "AXEPOOL_FIRST_RUN_PASSWORD";

/// How long a connection to this machine itself may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connections that a browser or two take at once.
const BOUNDS: Bounds = operator::BOUNDS;

/// How the first run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There is a config now.
    SetUp,
    /// The process was told to end.
    Stopped,
}

/// Serves the pages at `listen` until the config `path` is written, or a signal ends the
/// process.
///
/// # Errors
/// The listener cannot be had, or the password is too short.
pub fn run(listen: SocketAddr, path: &Path, manager: &Manager) -> Result<Ended> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the first run's threads")?;
    runtime.block_on(serve(listen, path.to_owned(), manager))
}

/// Why the config `path` is not to be made in a browser: the pool ran before and lost its
/// config, or the file could not be written. `None` when it may be.
pub fn refusal(path: &Path) -> Option<String> {
    let draft = Draft::within(Environment::of_process());
    let refused = can_be_set_up(path, &draft).err();
    refused.map(|error| format!("{error:#}"))
}

/// True while a process of this installation waits to be set up: there is no config `path`,
/// and the address that the environment names takes connections.
pub fn is_waiting(path: &Path) -> bool {
    let address = std::env::var(ADDRESS).ok();
    let address = address.and_then(|address| address.parse::<SocketAddr>().ok());
    let Some(mut address) = address.filter(|_| !path.exists()) else {
        return false;
    };
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    TcpStream::connect_timeout(&address, PATIENCE).is_ok()
}

async fn serve(listen: SocketAddr, path: PathBuf, manager: &Manager) -> Result<Ended> {
    let signals = StopSignals::listen()?;
    let password = match std::env::var(PASSWORD) {
        Err(VarError::NotPresent) => None,
        given => Some(given.with_context(|| format!("{PASSWORD} cannot be read"))?),
    };
    let secret = Secret::of(password)?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the first-run page cannot listen on {listen}"))?;
    let address = listener.local_addr().context("the first-run page")?;
    let registry = Registry::new();
    let counts = listener::Counts::register(&registry).context("the listener's metrics")?;
    let shared = listener::Shared::new(counts, 2 * BOUNDS.connections, BOUNDS.connections);
    let bounds = listener::Door::new("first-run", &shared, BOUNDS, Naming::Peer, None);
    let (done, cancel) = (CancellationToken::new(), CancellationToken::new());
    let told = told(&secret, address);
    let routes = routes::routes(
        (address, Gate::new(secret)),
        path,
        Environment::of_process(),
        done.clone(),
    );
    let serving = tokio::spawn(bounds.serve(listener, Arc::new(routes), cancel.clone()));
    tracing::info!(%address, "there is no config yet: the pool is set up in a browser");
    output::remark(told);
    manager.ready();
    let ended = tokio::select! {
        () = done.cancelled() => Ended::SetUp,
        name = signals.next() => {
            tracing::info!(signal = name, "stopping before the pool was set up");
            Ended::Stopped
        }
        never = keep_alive(manager) => match never {},
    };
    cancel.cancel();
    serving.await.context("the first-run page")?;
    Ok(ended)
}

/// Waiting for a person is no fault that a restart mends.
async fn keep_alive(manager: &Manager) -> Infallible {
    let Some(every) = manager.alive_every() else {
        return std::future::pending().await;
    };
    loop {
        manager.alive();
        tokio::time::sleep(every).await;
    }
}

/// Where the pages are, for the person at this machine.
fn told(secret: &Secret, address: SocketAddr) -> String {
    match secret {
        Secret::Made(token) => format!(
            "Set the pool up in a browser: http://{address}{PATH}?token={token} (this address \
             opens the page once)"
        ),
        Secret::Given(_) => format!(
            "Set the pool up in a browser, at {PATH} of this machine's listener {address}, with \
             the password of {PASSWORD}"
        ),
    }
}
