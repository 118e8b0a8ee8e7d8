//! What the public listener answers by itself, and the mint's routes while it is open.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// What the routes tell of the pool.
pub(crate) trait Facts: Send + Sync + 'static {
    /// `GET /`: what this is and where its parts are.
    fn index(&self) -> Value;
    /// `GET /api/solvency`: what is owed and what is there.
    fn solvency(&self) -> Value;
}

/// The routes in force; clones share them.
#[derive(Clone)]
pub(crate) struct Routes {
    own: Router,
    current: Arc<RwLock<Router>>,
}

impl Routes {
    /// The pool's own routes and those of its books, without a mint.
    pub(crate) fn new(facts: Arc<impl Facts>, api: Router) -> Self {
        let own = Router::new()
            .route("/", get(index))
            .route("/api/solvency", get(solvency))
            .with_state(facts)
            .merge(api);
        // What the mint will answer below our own paths: a wildcard there would be in
        // the way of the routes that are ours.
        let closed = own.clone().fallback(closed);
        Routes {
            own,
            current: Arc::new(RwLock::new(closed)),
        }
    }

    /// From now on the mint answers, too.
    pub(crate) fn open_mint(&self, mint: Router) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) =
            self.own.clone().merge(mint);
    }

    pub(super) fn current(&self) -> Router {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn index<F: Facts>(State(facts): State<Arc<F>>) -> Response {
    for_anybody(Json(facts.index()))
}

async fn solvency<F: Facts>(State(facts): State<Arc<F>>) -> Response {
    for_anybody(Json(facts.solvency()))
}

/// Wallets ask again; nothing is lost by it.
async fn closed(uri: Uri) -> Response {
    let is_the_mints = ["/v1/", "/api/miners/"];
    if !is_the_mints.iter().any(|path| uri.path().starts_with(path)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let detail = "the mint is not open now: your work is counted all the same; try again later";
    let mut response = for_anybody((
        StatusCode::SERVICE_UNAVAILABLE,
        Json(json!({ "code": 0, "detail": detail })),
    ));
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
    response
}

/// Pages of any origin may read it: it is public, and there are no cookies.
pub(super) fn for_anybody(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}
