//! The binary `axepool`; everything is in the library beside it.

use std::process::ExitCode;

use axepool::Cli;
use basics::output;
use clap::Parser;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::remark(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
