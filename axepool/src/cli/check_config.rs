//! `axepool check-config`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use proxy::config::DownstreamConfig;

use crate::{config, mint_url, output};

/// Check a config file and print every key with the value in force
///
/// The output is a config file itself. All problems are told at once, each with what
/// to do about it; the exit code is 1 if there is any.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file
    #[arg(long, value_name = "FILE", default_value = "axepool.toml")]
    config: PathBuf,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let loaded = config::load(&args.config)?;
    output::line(config::render(&loaded.effective).trim_end())?;
    let config = &loaded.config;
    if config.mint.enabled && config.http.no_tokens(config.network).is_some() {
        output::remark(
            "warning: http.public_url is not set: the pool makes no tokens to scan, and owners \
             can only sweep. Set it to the address under which their wallets reach this machine",
        );
    }
    if config.terms.max_share_quotes > 0 && is_public(&config.downstream) {
        output::remark(
            "warning: mint.quote_per = \"share\" keeps a quote for every share, for ever, of \
             whoever reaches stratum.listen. It is for private pools and demonstrations: use \
             \"epoch\", or listen on a private address",
        );
    }
    match mint_url::warning(&loaded.config) {
        Ok(None) => {}
        Ok(Some(warning)) => output::remark(format!("warning: {warning}")),
        Err(error) => output::remark(format!(
            "warning: whether public_url changed cannot be told: {error}"
        )),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether others than this machine and its own network may reach the stratum listeners.
fn is_public(downstream: &DownstreamConfig) -> bool {
    let private = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    let tls = downstream.tls.iter().flat_map(|tls| &tls.listen);
    let mut listen = downstream.listen.iter().chain(tls);
    listen.any(|address| !private(address.ip()))
}
