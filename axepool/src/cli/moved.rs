//! Commands that are programs of their own now: old guides lead on from here.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;

/// What `axepool` no longer does itself.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Is `axepool-demo` now
    #[command(hide = true)]
    Demo(Rest),
    /// Is `axepool-demo sim` now
    #[command(hide = true)]
    Sim(Rest),
    /// Is `axepool-demo load` now
    #[command(hide = true)]
    Load(Rest),
}

/// Whatever follows.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Rest {
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    rest: Vec<OsString>,
}

impl Command {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (command, rest) = match self {
            Command::Demo(rest) => ("", rest),
            Command::Sim(rest) => (" sim", rest),
            Command::Load(rest) => (" load", rest),
        };
        let rest = rest.rest.iter().map(|word| word.to_string_lossy());
        let rest: String = rest.flat_map(|word| [" ".into(), word]).collect();
        bail!("this is a program of its own now: axepool-demo{command}{rest}")
    }
}
