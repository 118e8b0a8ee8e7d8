//! The program `axepool`: the operator's commands and the dialogue that writes the config
//! file. What they run is in the rooms `pool` (the pool itself) and `web` (its listeners).

mod cli;
mod init;

pub use cli::Cli;
