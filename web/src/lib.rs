//! The public HTTP listener: the pages, the pool's JSON under `/api/`, the mint under `/v1`
//! and `/api/miners`.
//!
//! It speaks HTTP/1.1, with TLS when `[http] certificate` and `key` are given. It answers
//! whether or not the mint is open: while the mint is closed, the mint's routes answer 503.
//! Unknown paths get an HTML 404 page, or a JSON 404 below `/api` and `/v1`. A certificate
//! that cannot be used closes the pages, but not the miners' port.
//!
//! The room `listener` enforces the limits that all HTTP listeners share; this module adds
//! rate limits for requests, claims and WebSockets. The visitor is the connection's peer.
//! `X-Forwarded-For` is read only from peers in `trusted_proxies`, from its right end, and
//! never at `onion_listen`.

mod api;
mod balance_sheet;
mod document;
mod facts;
mod figures;
pub mod first_run;
mod gzip;
mod kept;
mod limits;
mod measure;
mod metrics_listener;
mod operator;
mod pages;
mod rate;
mod routes;
mod serve;
mod serving;

pub(crate) use api::{Api, notices};
pub use document::openapi;
pub(crate) use figures::Figures;
pub(crate) use kept::KeptAnswers;
pub(crate) use pages::{FIRST_RUN, Frame, Pages, asset, guarded, page};
pub(crate) use routes::{Facts, Routes};
pub(crate) use serve::Server;
pub use serving::{start, start_with};
