//! The shape of answers and refusals.

use std::io;
use std::sync::Arc;

use accounting::{MinerId, MinerKeyError};
use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::LedgerError;
use openapi::Refused;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::super::routes::for_anybody;

/// Why there is no answer; `{"code", "detail"}` as the mint's errors.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// What was asked cannot be.
    #[error("{0}")]
    Bad(String),
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// Too many ask at once.
    #[error("too many requests at once: try again")]
    Busy,
    /// The one who asks did so a moment ago.
    #[error("{why}")]
    Soon {
        /// Why, and how long to wait.
        why: String,
        /// How long to wait, in seconds.
        wait_secs: u64,
    },
    /// It cannot be had now.
    #[error("{0}")]
    Unavailable(&'static str),
    /// The ledger.
    #[error("the books cannot be read now: try again later")]
    Ledger(#[from] LedgerError),
    /// The disk.
    #[error("the file cannot be made now: try again later")]
    Disk(#[from] io::Error),
    /// The books made another file than they made before.
    #[error("audit file {0} differs from its recorded hash: tell the pool's operator")]
    Changed(u64),
    /// Why there is none for others who asked for the same at the same time.
    #[error(transparent)]
    Same(#[from] Arc<Refusal>),
}

impl Refusal {
    /// What it is, whoever was told first.
    pub(crate) fn cause(&self) -> &Refusal {
        match self {
            Refusal::Same(refusal) => refusal.cause(),
            own => own,
        }
    }
}

impl Refusal {
    /// What it is over HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        match self.cause() {
            Refusal::Bad(_) => StatusCode::BAD_REQUEST,
            Refusal::Missing(_) => StatusCode::NOT_FOUND,
            Refusal::Soon { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Busy | Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Ledger(_) | Refusal::Disk(_) | Refusal::Changed(_) | Refusal::Same(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let refusal = self.cause();
        // What went wrong inside is for the log.
        match refusal {
            Refusal::Ledger(error) => tracing::error!(%error, "the books cannot be shown"),
            Refusal::Disk(error) => tracing::error!(%error, "an audit file cannot be kept"),
            Refusal::Changed(number) => {
                tracing::error!(
                    number,
                    "the books give a different audit file than before: this needs an operator"
                );
            }
            _ => {}
        }
        let body = Json(Refused {
            code: Some(0),
            detail: refusal.to_string(),
        });
        let mut response = for_anybody((status, body));
        let wait_secs = match refusal {
            Refusal::Busy => Some(1),
            Refusal::Soon { wait_secs, .. } => Some(*wait_secs),
            _ => None,
        };
        if let Some(wait_secs) = wait_secs {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_secs));
        }
        response
    }
}

/// An answer of this moment.
pub(crate) fn json(value: &impl Serialize) -> Response {
    let mut response = for_anybody(Json(value));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// How many of a list: `?newest=N`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Newest {
    /// The number of entries, the newest first.
    #[schemars(range(max = Self::MOST), extend("default" = Self::USUAL))]
    newest: Option<usize>,
}

impl Newest {
    /// What a list has unless more are asked for.
    const USUAL: usize = 50;

    /// What a list has at most.
    const MOST: usize = 500;

    pub(super) fn read(query: Result<Query<Newest>, QueryRejection>) -> Result<usize, Refusal> {
        let Query(Newest { newest }) = parsed(query)?;
        Ok(newest.unwrap_or(Self::USUAL).min(Self::MOST))
    }
}

/// The key in a path. Its error never repeats what may be a secret.
pub(crate) fn miner_in(path: &str) -> Result<MinerId, Refusal> {
    path.parse()
        .map_err(|error: MinerKeyError| Refusal::Bad(error.to_string()))
}

/// What comes after the question mark.
pub(crate) fn parsed<T>(query: Result<Query<T>, QueryRejection>) -> Result<Query<T>, Refusal> {
    query.map_err(|error| Refusal::Bad(error.body_text()))
}
