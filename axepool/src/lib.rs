//! The binary's inside: command line, config, the supervisor that runs the rooms
//! together, the admin socket and the metrics' listener.
//!
//! This is the only room that knows all the others.

pub mod admin;
mod amounts;
pub mod backup;
mod balance_sheet;
mod chain_source;
mod cli;
pub mod config;
mod control;
pub mod data_dir;
mod http;
mod init;
pub mod logs;
mod mint_url;
pub mod open_files;
mod operator;
pub mod pool;
pub mod service;
pub mod serving;
mod stores;
mod web;
pub mod wind_down;

pub use cli::Cli;
