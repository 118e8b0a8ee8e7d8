//! The pool itself: its config, the supervisor that runs the rooms together, the admin
//! socket, the operator's questions and their answers, backup and logs.
//!
//! The room `web` shows a running pool to people and programs, and the room `axepool` has
//! the operator's commands. The pool knows neither: it tells its listeners what
//! [`run::faces`] says.

pub mod admin;
pub mod amounts;
pub mod backup;
pub mod chain_source;
pub mod config;
pub mod control;
pub mod data_dir;
pub mod init;
pub mod logs;
pub mod mint_url;
pub mod open_files;
pub mod run;
pub mod service;
mod stores;
pub mod wind_down;
