//! The Stratum V1 proxy: many miners downstream, one miner upstream.
//!
//! The pure cores (no socket, clock, random source or disk: they are handed in) are
//! [`wire`], [`check`], [`seen`], [`job`], [`extranonce`], [`forwarded`], [`username`],
//! [`vardiff`] and [`Difficulty`]; `upstream` and `downstream` are the shells around them.

mod certificate;
pub mod check;
mod clock;
pub mod config;
mod difficulty;
mod downstream;
mod estimate;
pub mod extranonce;
pub mod forwarded;
pub mod hex;
pub mod job;
mod proxy;
pub mod seen;
#[cfg(test)]
mod testing;
pub mod upstream;
pub mod username;
pub mod vardiff;
pub mod wire;

pub use certificate::CertificateError;
pub use difficulty::{Difficulty, InvalidDifficulty, InvalidNbits, network_target};
pub use downstream::{
    Certificate, DownstreamStatus, HeaderError, Masked, SessionStatus, peer_behind,
};
pub use proxy::{Proxy, ProxyListeners, ProxyStatus, StartError};

/// What the fuzz targets drive: no part of the library as it is built.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::downstream::{read_proxy_header, run_script};
}
