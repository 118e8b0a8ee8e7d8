//! The options by which a command finds its pool.

use std::path::{Path, PathBuf};

use anyhow::Result;
use pool::admin::{self, AskError, Reply, Request};
use pool::config::{self, Config};
use pool::{control, data_dir};

/// An answer of another kind than what was asked for.
pub(super) const OTHER_VERSION: &str =
    "the running axepool answered something else: is it of another version?";

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
    pub(super) fn ask(&self, request: Request) -> Result<Reply> {
        let (data_dir, config) = self.find()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            match admin::ask(&data_dir::admin_socket(&data_dir), &request).await {
                Err(AskError::NotRunning(_)) => {
                    control::ask_the_store(&data_dir, config.map(|config| config.terms), request)
                        .await
                }
                reply => Ok(reply?),
            }
        })
    }

    /// Asks the running process, and nobody else.
    pub(super) fn ask_running(&self, request: Request) -> Result<Reply> {
        let (data_dir, _) = self.find()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(runtime.block_on(admin::ask(&data_dir::admin_socket(&data_dir), &request))?)
    }

    /// Asks the running process; `None` when nothing runs.
    pub(super) fn ask_if_running(&self, request: Request) -> Result<Option<Reply>> {
        let (data_dir, _) = self.find()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        match runtime.block_on(admin::ask(&data_dir::admin_socket(&data_dir), &request)) {
            Err(AskError::NotRunning(_)) => Ok(None),
            reply => Ok(Some(reply?)),
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
