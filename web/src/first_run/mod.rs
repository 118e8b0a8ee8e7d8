//! The first run: a pool that has no config yet is set up in a browser, for installations
//! without a terminal (`axepool run --first-run`, docs/operator.md).
//!
//! Until the config is written nothing is served but these pages, on one listener: the
//! operator's, on loopback, unless another address is named. A secret opens them. It is made
//! anew at each start and printed on stderr, or it is the password that a home server shows
//! to its owner (`AXEPOOL_FIRST_RUN_PASSWORD`). The secret is exchanged for a cookie of this
//! process, and each form carries a token of its own, so that no other site can send one.
//!
//! The answers go through the same core as those of `axepool init` (`init/`), the chain
//! source is asked before it is accepted, and the whole config is read as `check-config`
//! reads it. Then the config is written and the seed words are shown, and the pool starts in
//! the same process. A config that exists ends the first run for good.

mod form;
mod found;
mod pages;
mod routes;
mod set_up;

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use basics::output;
use listener::{Bounds, Naming};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::FIRST_RUN as PATH;
use crate::operator::{self, Door, Names};
use pool::config::Environment;
use pool::run::signals::StopSignals;
use pool::service::Manager;

/// The variable with the address of the pages, for installations that give no options.
pub const ADDRESS: &str = "AXEPOOL_FIRST_RUN";

/// The variable with the password that opens the pages.
const PASSWORD: &str = "AXEPOOL_FIRST_RUN_PASSWORD";

/// A password cannot be guessed when it has so many characters at least: those of home
/// servers are random.
const LEAST_PASSWORD: usize = 20;

/// How long a connection to this machine itself may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a browser or two take at once.
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
    let secret = Secret::of(std::env::var(PASSWORD).ok())?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the first-run page cannot listen on {listen}"))?;
    let address = listener.local_addr().context("the first-run page")?;
    let registry = Registry::new();
    let counts = listener::Counts::register(&registry).context("the listener's metrics")?;
    let shared = listener::Shared::new(counts, 2 * BOUNDS.connections, BOUNDS.connections);
    let bounds = listener::Door::new("first-run", &shared, BOUNDS, Naming::Peer, None);
    let (done, cancel) = (CancellationToken::new(), CancellationToken::new());
    let routes = routes::routes(
        (address, secret.door()),
        path,
        Environment::of_process(),
        done.clone(),
    );
    let serving = tokio::spawn(bounds.serve(listener, Arc::new(routes), cancel.clone()));
    secret.tell(address);
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

/// The secret that opens the pages. It has no `Debug`: nothing may print it.
enum Secret {
    /// Made for this process, and printed.
    Made(String),
    /// Given by the environment; the person has it from there.
    Given(String),
}

impl Secret {
    fn of(password: Option<String>) -> Result<Secret> {
        match password.filter(|password| !password.is_empty()) {
            None => Ok(Secret::Made(operator::random())),
            Some(password) if password.chars().count() < LEAST_PASSWORD => bail!(
                "{PASSWORD} has fewer than {LEAST_PASSWORD} characters: give a longer, random \
                 one, or unset it, and the page's address with a secret is printed"
            ),
            Some(password) => Ok(Secret::Given(password)),
        }
    }

    /// Behind a home server's proxy the machine has names that only the proxy knows.
    fn door(&self) -> Door {
        match self {
            Secret::Made(token) => Door::new(token, operator::random()),
            Secret::Given(password) => Door::new(password, operator::random()).under(Names::Any),
        }
    }

    fn tell(&self, address: SocketAddr) {
        tracing::info!(%address, "there is no config yet: the pool is set up in a browser");
        output::remark(match self {
            Secret::Made(token) => {
                format!("Set the pool up in a browser: http://{address}{PATH}?token={token}")
            }
            Secret::Given(_) => format!(
                "Set the pool up in a browser, at {PATH} of this machine's listener {address}, \
                 with the password of {PASSWORD}"
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_or_there_is_none() {
        assert!(matches!(Secret::of(None), Ok(Secret::Made(_))));
        assert!(matches!(
            Secret::of(Some(String::new())),
            Ok(Secret::Made(_))
        ));
        let short = Secret::of(Some("correct horse".to_owned()));
        let error = short.err().expect("too short").to_string();
        assert!(
            error.contains(PASSWORD) && !error.contains("horse"),
            "{error}"
        );
        let long = Secret::of(Some("0123456789abcdef0123".to_owned()));
        assert!(matches!(long, Ok(Secret::Given(_))));
    }
}
