//! The binary `axepool-demo`; everything is in the library beside it.

use std::process::ExitCode;

use basics::output;
use clap::Parser;
use demo::Cli;

fn main() -> ExitCode {
    output::exit(Cli::parse().run())
}
