//! The binary `axepool`; everything is in the library beside it.

use std::process::ExitCode;

use axepool::Cli;
use basics::output;
use clap::Parser;

fn main() -> ExitCode {
    output::exit(Cli::parse().run())
}
