//! `axepool check-config`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use basics::output;
use bitcoin::Network;
use pool::{backup, chain_source, config, mint_url};

/// Check a config file and print every key with the value in force
///
/// The output is a config file itself, with secrets masked, and gives the origin of each
/// value: the file, the environment or a default. An environment variable such as
/// AXEPOOL__STRATUM__LISTEN overrides a key of the file. All problems are reported at once,
/// each with its remedy; the exit code is 1 if there is any, and also if http.certificate
/// cannot be used: the pool would mine, but serve no page.
///
/// The command asks the chain source for its software and network, and warns if they do not
/// fit; it connects to nothing else.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file
    #[arg(long, value_name = "FILE", default_value = "axepool.toml")]
    config: PathBuf,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let loaded = config::load(&args.config)?;
    output::line(config::render(&loaded.effective).trim_end())?;
    for warning in &loaded.warnings {
        output::remark(format!("warning: {warning}"));
    }
    for warning in chain_source::warnings(&loaded.config) {
        output::remark(format!("warning: {warning}"));
    }
    match backup::read_last(&loaded.config.data_dir) {
        Ok(None) if loaded.config.network == Network::Bitcoin => output::remark(
            "warning: no backup was ever made. Whoever holds ecash depends on this machine's \
             disk alone: axepool backup DIR, from time to time, to another one",
        ),
        Ok(_) => {}
        Err(error) => output::remark(format!(
            "warning: whether there is a backup cannot be told: {error}"
        )),
    }
    match mint_url::warning(&loaded.config) {
        Ok(None) => {}
        Ok(Some(warning)) => output::remark(format!("warning: {warning}")),
        Err(error) => output::remark(format!(
            "warning: whether public_url changed cannot be told: {error}"
        )),
    }
    match loaded.config.http.certificate_trouble() {
        None => Ok(ExitCode::SUCCESS),
        // It is among the warnings already.
        Some(_) => Ok(ExitCode::FAILURE),
    }
}
