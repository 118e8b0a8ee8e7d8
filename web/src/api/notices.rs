//! Being told: `GET /miners/{key}/feed.atom`, and `/api/miners/{key}/notices` to see and
//! to change where notices are sent.

use std::sync::Arc;

use accounting::{MinerId, schema};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use basics::clock;
use bitcoin::secp256k1::XOnlyPublicKey;
use notices::{Desk, DeskError, Setting};
use openapi::Endpoint;
use schemars::JsonSchema;
use serde::Serialize;
use signed::Wish;

use super::super::routes::for_anybody;
use super::answer::{self, Refusal, miner_in};
use super::operations;
use crate::gzip::is_known;

/// A wish is short.
const MAX_BODY_BYTES: usize = 4096;

/// The routes.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/miners/{key}/feed.atom", get(feed))
        .merge(openapi::router(endpoints()))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(desk)
}

/// The routes below `/api/`.
pub(super) fn endpoints() -> [Endpoint<Arc<Desk>>; 1] {
    [Endpoint::at("/api/miners/{key}/notices")
        .get(show, operations::notices())
        .post(set, operations::set_notices())]
}

/// A miner's notices: what there is to know before a wish is signed, and what is set.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Notices")]
pub(super) struct Shown<'a> {
    /// The pool's key that wishes are signed for.
    #[schemars(with = "Option<schema::XOnlyKey>")]
    pool: Option<XOnlyPublicKey>,
    /// The feed's URL.
    feed: String,
    /// The servers of ntfy that the pool sends to.
    ntfy_servers: &'a [String],
    /// Whether it sends to webhooks.
    webhooks: bool,
    /// What is set, without the place.
    setting: Option<Setting>,
}

impl<'a> Shown<'a> {
    fn new(desk: &'a Desk, miner: &MinerId, setting: Option<Setting>) -> Self {
        Shown {
            pool: desk.pool(),
            feed: desk.about().feed_url(miner),
            ntfy_servers: &desk.policy().ntfy_servers,
            webhooks: desk.policy().webhooks,
            setting,
        }
    }
}

async fn show(State(desk): State<Arc<Desk>>, Path(key): Path<String>) -> Result<Response, Refusal> {
    let miner = miner_in(&key)?;
    let setting = desk.setting(&miner);
    Ok(answer::json(&Shown::new(&desk, &miner, setting)))
}

async fn set(
    State(desk): State<Arc<Desk>>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let miner = miner_in(&key)?;
    let wish: Wish = serde_json::from_slice(&body)
        .map_err(|error| Refusal::Bad(format!("not a wish for notices: {error}")))?;
    let setting = desk.grant(&miner, &wish, clock::now_ms()).await?;
    Ok(answer::json(&Shown::new(&desk, &miner, setting)))
}

async fn feed(
    State(desk): State<Arc<Desk>>,
    Path(key): Path<String>,
    asked: HeaderMap,
) -> Result<Response, Refusal> {
    let (xml, version) = desk.feed(&miner_in(&key)?, clock::now_ms()).await?;
    let tag = format!("\"{version}\"");
    let mut response = if is_known(&asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        xml.into_response()
    };
    let headers = response.headers_mut();
    let is = |text| HeaderValue::from_static(text);
    headers.insert(
        header::CONTENT_TYPE,
        is("application/atom+xml; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, is("public, max-age=60"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, is("nosniff"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(for_anybody(response))
}

impl From<DeskError> for Refusal {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Unknown(_) => Refusal::Missing(error.to_string()),
            DeskError::Full => Refusal::Unavailable(
                "this pool already has its maximum of subscribed miners, and all of them have more work here",
            ),
            DeskError::Soon { wait_ms } => Refusal::Soon {
                why: error.to_string(),
                wait_secs: wait_ms.div_ceil(1000),
            },
            DeskError::Signed(_) | DeskError::Target(_) | DeskError::Shared => {
                Refusal::Bad(error.to_string())
            }
            DeskError::NoKey => Refusal::Unavailable("this pool takes no signed requests now"),
            DeskError::Ledger(error) => Refusal::Ledger(error),
            DeskError::Disk(error) => Refusal::Disk(error),
        }
    }
}
