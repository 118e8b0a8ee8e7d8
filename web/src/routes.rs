//! The public listener's own routes, and the mint's routes while it is open.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use openapi::{ANSWER, Endpoint, Operation, Refused};
use pool::run::SolvencyReport;
use pool::wind_down::WindDownStatus;

use super::kept::{self, KeptAnswers};
use super::pages::Pages;

/// What the routes tell of the pool.
pub(crate) trait Facts: Send + Sync + 'static {
    /// `GET /api/solvency`: what is owed and what is there.
    fn solvency(&self) -> SolvencyReport;
    /// `GET /healthz`: whether the process can go on.
    fn can_go_on(&self) -> bool;
    /// `GET /readyz`: whether miners are served.
    fn is_ready(&self) -> bool;
    /// `GET /api/wind-down`: whether the pool winds down, and what is left then; `None`
    /// when that cannot be told now.
    fn wind_down(&self) -> impl Future<Output = Option<WindDownStatus>> + Send;
}

/// The routes below `/api/` that are answered from [`Facts`].
pub(super) fn endpoints<F: Facts>() -> [Endpoint<Arc<F>>; 2] {
    [
        Endpoint::at("/api/solvency").get(
            solvency::<F>,
            Operation::new("solvency", "Liabilities and assets").json::<SolvencyReport>(ANSWER),
        ),
        Endpoint::at("/api/wind-down").get(
            wind_down::<F>,
            Operation::new(
                "windDown",
                "Whether the pool winds down, and the remaining liabilities",
            )
            .json::<WindDownStatus>(ANSWER),
        ),
    ]
}

/// The routes in force; clones share them.
#[derive(Clone)]
pub(crate) struct Routes {
    own: Router,
    pages: Arc<Pages>,
    kept: KeptAnswers,
    current: Arc<RwLock<Router>>,
}

impl Routes {
    /// The pool's own routes, those of its books and its pages, without a mint.
    pub(crate) fn new(
        facts: Arc<impl Facts>,
        books: Router,
        pages: &Arc<Pages>,
        kept: KeptAnswers,
    ) -> Self {
        let own = Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .merge(openapi::router(endpoints()))
            .with_state(facts)
            .merge(books)
            .merge(Arc::clone(pages).router());
        // What the mint will answer below our own paths: a wildcard there would be in
        // the way of the routes that are ours.
        let until_open = Arc::clone(pages);
        let closed = own.clone().fallback(async move |uri: Uri| {
            let is_the_mints = ["/v1/", "/api/miners/"];
            if is_the_mints.iter().any(|path| uri.path().starts_with(path)) {
                closed()
            } else {
                missing(&until_open, &uri).await
            }
        });
        Routes {
            own,
            pages: Arc::clone(pages),
            kept,
            current: Arc::new(RwLock::new(closed)),
        }
    }

    /// From now on the mint answers, too.
    pub(crate) fn open_mint(&self, mint: Router) {
        let pages = Arc::clone(&self.pages);
        let kept = from_fn_with_state(self.kept.clone(), kept::kept_of_mint);
        let open = self.own.clone().merge(mint.layer(kept));
        let open = open.fallback(async move |uri: Uri| missing(&pages, &uri).await);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = open;
    }

    pub(super) fn current(&self) -> Router {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn solvency<F: Facts>(State(facts): State<Arc<F>>) -> Response {
    for_anybody(Json(facts.solvency()))
}

/// For whoever watches from outside; why not is told to the operator alone, at the
/// metrics' listener.
async fn healthz<F: Facts>(State(facts): State<Arc<F>>) -> Response {
    yes_or_no(facts.can_go_on(), "ok\n", "broken\n")
}

async fn readyz<F: Facts>(State(facts): State<Arc<F>>) -> Response {
    yes_or_no(facts.is_ready(), "ready\n", "not ready\n")
}

fn yes_or_no(is_well: bool, yes: &'static str, no: &'static str) -> Response {
    if is_well {
        yes.into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, no).into_response()
    }
}

async fn wind_down<F: Facts>(State(facts): State<Arc<F>>) -> Response {
    match facts.wind_down().await {
        Some(said) => for_anybody(Json(said)),
        None => for_anybody(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// Where nothing is: JSON for programs, a page for people.
async fn missing(pages: &Pages, uri: &Uri) -> Response {
    let is_for_programs = matches!(uri.path().split('/').nth(1), Some("api" | "v1"));
    if !is_for_programs {
        return pages.missing().await;
    }
    let detail = "there is nothing at this path: GET /api/ lists what there is";
    for_anybody((
        StatusCode::NOT_FOUND,
        Json(Refused {
            code: Some(0),
            detail: detail.to_owned(),
        }),
    ))
}

/// Wallets ask again; nothing is lost by it. Without a `code`, which cdk's wallet would read
/// as a refusal for good.
fn closed() -> Response {
    let detail = "the mint is not open now: your work is counted all the same; try again later";
    let mut response = for_anybody((
        StatusCode::SERVICE_UNAVAILABLE,
        Json(Refused {
            code: None,
            detail: detail.to_owned(),
        }),
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
