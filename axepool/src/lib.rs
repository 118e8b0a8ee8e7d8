//! The binary's inside: command line, config, the supervisor that runs the rooms
//! together, the admin socket, the metrics' listener and the demonstration.
//!
//! This is the only room that knows all the others.

pub mod admin;
mod amounts;
mod audit;
pub mod backup;
mod books;
mod chain_source;
mod cli;
pub mod config;
mod data_dir;
mod demo;
mod http;
mod init;
mod logs;
mod mint_url;
mod money;
mod open_files;
mod operator;
pub mod pool;
pub mod service;
mod stores;
mod web;
pub mod wind_down;

pub use cli::Cli;
