//! `axepool run`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use basics::output;
use pool::config;
use pool::data_dir;
use pool::logs::{self, Logs};
use pool::run::{View, end_in_time};
use pool::service::{Inherited, Manager};
use web::first_run::{self, Ended};

/// The exit status for a config that cannot be used: `EX_CONFIG` of sysexits.h. The unit's
/// `RestartPreventExitStatus=` names it, since starting again does not mend a config.
const UNUSABLE_CONFIG: u8 = 78;

/// Run the pool
///
/// SIGTERM or Ctrl-C stops the pool within ten seconds: it stops accepting, answers
/// requests under way, makes all shares durable and closes. A second signal ends the
/// process at once; this loses no acknowledged share.
///
/// A service manager may hand in listening sockets named stratum, stratum-tls, http and
/// metrics: then a restart refuses no connection. The pool notifies it of readiness and of
/// a stop, and feeds its watchdog.
///
/// Exit status: 0 after a requested stop; 78 if the config file cannot be used, or is missing
/// though the pool ran before, or names a data_dir that the pool may not use, so that a
/// service manager does not restart it; 1 for every other failure.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file; [upstream] address is its only required key
    #[arg(long, value_name = "FILE", default_value = "axepool.toml")]
    config: PathBuf,
    /// Without a config file, set the pool up in a browser first, at this address
    ///
    /// The page asks what `axepool init` asks, tries the chain source, writes the config and
    /// shows the seed words; then the pool starts. With a config file the option does
    /// nothing. A secret opens the page. It is printed with the page's address, unless the
    /// environment variable AXEPOOL_FIRST_RUN_PASSWORD gives one. A pool that ran before and
    /// lost its config is not set up anew: the command ends with status 78.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = first_run::ADDRESS,
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:8081"
    )]
    first_run: Option<SocketAddr>,
}

pub(super) fn run(args: Args, logs: &mut Logs, has_levels: bool) -> Result<ExitCode> {
    // Before any thread: whoever reads the environment then finds it settled.
    let inherited = Inherited::take()?;
    let manager = Manager::of_process();
    if let Some(listen) = args.first_run
        && !args.config.try_exists().unwrap_or(true)
    {
        if let Some(why) = first_run::refusal(&args.config) {
            output::remark(format!("error: no first run: {why}"));
            return Ok(ExitCode::from(UNUSABLE_CONFIG));
        }
        let ended = first_run::run(listen, &args.config, &manager).context("the first run")?;
        if ended == Ended::Stopped {
            manager.stopping();
            return Ok(ExitCode::SUCCESS);
        }
    }
    let loaded = match config::load(&args.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            output::remark(format!("error: {problems:#}"));
            return Ok(ExitCode::from(UNUSABLE_CONFIG));
        }
    };
    logs.write_files(&loaded.config.log)?;
    if !has_levels {
        logs::set_levels(&loaded.config.log.levels)?;
    }
    for warning in &loaded.warnings {
        tracing::warn!(key = warning.key, "{}; {}", warning.why, warning.fix);
    }
    let config = loaded.config;
    if let Err(error) = data_dir::prepare(&config.data_dir) {
        if !error.is_settled() {
            return Err(error.into());
        }
        output::remark(format!("error: {error}"));
        return Ok(ExitCode::from(UNUSABLE_CONFIG));
    }
    let pool = web::start_with(config, inherited).context("the pool did not start")?;
    manager.ready();
    let ended = pool.block_on(async {
        tokio::select! {
            name = pool.stop_signal() => {
                tracing::info!(signal = name, "stopping");
                Ok(())
            }
            failure = pool.failed() => Err(failure),
            never = keep_telling(&manager, pool.view()) => match never {},
        }
    });
    manager.stopping();
    end_in_time();
    let stopped = pool.stop();
    ended?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}

/// Tells the service manager, as often as it wants to hear, that the process can go on.
/// It hears nothing while a restart would mend what is wrong.
async fn keep_telling(manager: &Manager, view: &View) -> Infallible {
    let Some(every) = manager.alive_every() else {
        return std::future::pending().await;
    };
    loop {
        match view.broken() {
            None => manager.alive(),
            Some(why) => tracing::error!(why, "the service manager is not told to wait"),
        }
        tokio::time::sleep(every).await;
    }
}
