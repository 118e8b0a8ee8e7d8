//! The public HTTP listener: the pages, the pool's JSON under `/api/`, the mint under
//! `/v1`.
//!
//! What strangers can take of it is bounded: by `crate::listener` what they can take of
//! any HTTP listener, here the rate of their requests, claims and WebSockets. It is served whether or not the mint is open.

mod api;
mod figures;
mod kept;
mod limits;
mod measure;
mod pages;
mod rate;
mod routes;
mod serve;

pub(crate) use api::{Api, notices};
pub(crate) use figures::Figures;
pub(crate) use kept::KeptAnswers;
pub(crate) use pages::{Frame, Pages, asset, guarded, page};
pub(crate) use routes::{Facts, Routes};
pub(crate) use serve::Server;
