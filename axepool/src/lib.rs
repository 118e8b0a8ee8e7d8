//! The binary's inside: command line, config, the supervisor that runs the rooms
//! together, the admin socket, the metrics' listener and the demonstration.
//!
//! This is the only room that knows all the others.

pub mod admin;
mod audit;
pub mod backup;
mod books;
mod chain_source;
mod cli;
mod clock;
pub mod config;
mod data_dir;
mod demo;
mod http;
mod humane;
mod init;
mod json_file;
mod listener;
mod logs;
mod mint_url;
mod money;
mod notices;
mod open_files;
mod operator;
pub mod output;
pub mod pool;
mod receipt;
mod secret_file;
pub mod service;
mod stores;
mod web;
pub mod wind_down;

pub use cli::Cli;
