//! The public HTTP listener: the pages, the pool's JSON under `/api/`, the mint under
//! `/v1`.
//!
//! What strangers can take of it is bounded: connections, the time of a request's head,
//! requests per address. It is served whether or not the mint is open.

mod api;
mod client;
mod figures;
mod kept;
mod measure;
mod pages;
mod rate;
mod routes;
mod serve;
mod stream;

pub(crate) use api::{Api, notices};
pub(crate) use figures::Figures;
pub(crate) use kept::KeptAnswers;
pub(crate) use pages::{Frame, Pages, asset, guarded, page};
pub(crate) use routes::{Facts, Routes};
pub(crate) use serve::Server;
