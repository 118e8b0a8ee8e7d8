//! The options by which a command finds its pool.

use std::path::{Path, PathBuf};

use anyhow::Result;
use pool::admin::{self, AskError, Call};
use pool::config::{self, Config};
use pool::{control, data_dir};
use tokio::runtime::Runtime;

/// Which pool is meant
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The config file
    #[arg(long, value_name = "FILE", default_value = "axepool.toml")]
    config: PathBuf,
    /// The pool's data directory; by default the one that the config file names
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    /// Asks the running process; when nothing runs, the store itself.
    pub(super) fn ask<A>(&self, call: Call<A>) -> Result<A> {
        let (data_dir, config) = self.find()?;
        let request = call.request().clone();
        let reply = runtime()?.block_on(async {
            match admin::ask(&data_dir::admin_socket(&data_dir), &request).await {
                Err(AskError::NotRunning(_)) => {
                    control::ask_the_store(&data_dir, config.map(|config| config.terms), request)
                        .await
                }
                reply => Ok(reply?),
            }
        })?;
        Ok(call.read(reply)?)
    }

    /// Asks the running process, and nobody else.
    pub(super) fn ask_running<A>(&self, call: Call<A>) -> Result<A> {
        let (data_dir, _) = self.find()?;
        let at = data_dir::admin_socket(&data_dir);
        Ok(runtime()?.block_on(admin::call_at(&at, call))?)
    }

    /// Asks the running process; `None` when nothing runs.
    pub(super) fn ask_if_running<A>(&self, call: Call<A>) -> Result<Option<A>> {
        let (data_dir, _) = self.find()?;
        let at = data_dir::admin_socket(&data_dir);
        match runtime()?.block_on(admin::call_at(&at, call)) {
            Err(AskError::NotRunning(_)) => Ok(None),
            answer => Ok(Some(answer?)),
        }
    }

    /// All of the config, for the data directory that is meant.
    pub(super) fn full_config(&self) -> Result<Config> {
        let mut config = config::load(&self.config)?.config;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        Ok(config)
    }

    /// The config file.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// The data directory, and the config unless the directory was named without it.
    fn find(&self) -> Result<(PathBuf, Option<Config>)> {
        match &self.data_dir {
            Some(data_dir) => Ok((data_dir.clone(), None)),
            None => {
                let config = config::load(&self.config)?.config;
                Ok((config.data_dir.clone(), Some(config)))
            }
        }
    }
}

/// For one question.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
