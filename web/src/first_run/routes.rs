//! The routes of the first run, and who may use them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use bitcoin::hashes::{Hash as _, sha256};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::form::Form as Answered;
use super::found::{self, Found};
use super::pages::{self, Asked};
use super::set_up::{self, Written};
use crate::FIRST_RUN as PATH;
use crate::operator::{self, Door, Verdict};
use pool::config::Environment;
use pool::init::Draft;

const ENTER: &str = "/first-run/enter";
const START: &str = "/first-run/start";

/// What the routes answer from.
struct Shared {
    door: Door,
    listen: SocketAddr,
    path: PathBuf,
    environment: Environment,
    /// What every form carries, as no other site can.
    proof: String,
    stage: Mutex<Stage>,
    done: CancellationToken,
}

/// How far it is. One request at a time moves it.
enum Stage {
    /// The form is to be filled in; with the secret URL that was typed before.
    Asking(Option<String>),
    /// The config is written, and the words are shown.
    Written(Box<Written>),
    /// The pool starts.
    Started,
}

/// All routes at `listen`. `done` ends the first run.
pub(super) fn routes(
    (listen, door): (SocketAddr, Door),
    path: PathBuf,
    environment: Environment,
    done: CancellationToken,
) -> Router {
    let shared = Arc::new(Shared {
        door,
        listen,
        path,
        environment,
        proof: operator::random(),
        stage: Mutex::new(Stage::Asking(None)),
        done,
    });
    Router::new()
        .route(PATH, get(show).post(set_up))
        .route(START, post(start))
        .layer(from_fn_with_state(Arc::clone(&shared), admit))
        .route(ENTER, post(enter))
        .with_state(shared)
        .layer(map_response(for_nobody_else))
        // These are kept: the last page is shown when nobody answers here any more.
        .route("/assets/{name}", get(crate::asset))
        .fallback(async || Redirect::to(PATH))
        .layer(map_response(crate::guarded))
}

/// Words and secrets are on these pages.
async fn for_nobody_else(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match shared.door.judge(request.headers(), request.uri().query()) {
        Verdict::In if comes_from_elsewhere(request.headers()) => elsewhere(),
        Verdict::In => next.run(request).await,
        Verdict::Welcome => welcome(&shared.door),
        Verdict::Stranger => pages::closed(false),
        Verdict::ForeignName => foreign_name(),
    }
}

fn welcome(door: &Door) -> Response {
    let mut response = Redirect::to(PATH).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&door.cookie()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn foreign_name() -> Response {
    let how = "ask for this page by address, as localhost, or by a name that ends in .local\n";
    (StatusCode::MISDIRECTED_REQUEST, how).into_response()
}

/// What browsers say of a request that another site made.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn elsewhere() -> Response {
    let how = "another site sent this; open the first-run page itself\n";
    (StatusCode::FORBIDDEN, how).into_response()
}

/// The password of a home server.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Password {
    password: String,
}

async fn enter(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    form: Result<Form<Password>, FormRejection>,
) -> Response {
    if shared.door.judge(&headers, None) == Verdict::ForeignName {
        return foreign_name();
    }
    let password = form.map(|Form(form)| form.password).unwrap_or_default();
    if shared.door.opens(password.trim()) {
        welcome(&shared.door)
    } else {
        pages::closed(true)
    }
}

async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let stage = shared.stage.lock().await;
    match &*stage {
        Stage::Asking(kept) => {
            let form = Answered {
                network: found::network(variable).unwrap_or("mainnet").to_owned(),
                ..Answered::default()
            };
            pages::form(StatusCode::OK, shared.asked(&form, kept.is_some()))
        }
        Stage::Written(written) => pages::words(written, &shared.proof),
        Stage::Started => shared.started(&headers, None),
    }
}

/// Checks what was answered; when all is well, writes the config.
async fn set_up(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    form: Result<Form<Answered>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return (StatusCode::BAD_REQUEST, "this is not the page's form\n").into_response();
    };
    if !shared.is_ours(&form.proof) {
        return elsewhere();
    }
    let mut stage = shared.stage.lock().await;
    let kept = match &mut *stage {
        Stage::Asking(kept) => kept,
        Stage::Written(written) => return pages::words(written, &shared.proof),
        Stage::Started => return shared.started(&headers, None),
    };
    if let Some(typed) = form.secret_chain_url() {
        *kept = Some(typed);
    }
    let found = shared.found();
    let mut asked = shared.asked(&form, kept.is_some());
    let answers = form.answers(&found, kept.as_deref());
    let mut checked = set_up::check(shared.draft(), answers, &shared.path).await;
    if form.lacks_chain_url(kept.as_deref()) {
        checked.problems.push(pages::chain_url_is_needed());
    }
    asked.heard = checked.heard.clone();
    if form.action == "try" {
        checked
            .problems
            .retain(|problem| problem.key.starts_with("chain."));
        asked.problems = checked.problems;
        return pages::form(StatusCode::OK, asked);
    }
    match checked.write(&shared.path) {
        Ok(written) => {
            let page = pages::words(&written, &shared.proof);
            *stage = Stage::Written(Box::new(written));
            page
        }
        Err(problems) => {
            asked.problems = problems;
            pages::form(StatusCode::BAD_REQUEST, asked)
        }
    }
}

/// The words are copied: the pool may start.
async fn start(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    form: Result<Form<Answered>, FormRejection>,
) -> Response {
    let proof = form.map(|Form(form)| form.proof).unwrap_or_default();
    if !shared.is_ours(&proof) {
        return elsewhere();
    }
    let mut stage = shared.stage.lock().await;
    match &*stage {
        Stage::Asking(_) => Redirect::to(PATH).into_response(),
        Stage::Started => shared.started(&headers, None),
        Stage::Written(written) => {
            let page = shared.started(&headers, Some(written));
            *stage = Stage::Started;
            // This answer is under way, and the listener finishes it.
            shared.done.cancel();
            page
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Shared {
    fn started(&self, headers: &HeaderMap, written: Option<&Written>) -> Response {
        let host = headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        pages::started(host, self.listen.port(), written)
    }

    fn draft(&self) -> Draft {
        Draft::within(self.environment.clone())
    }

    fn found(&self) -> Vec<Found> {
        found::all(&self.draft(), variable, |url| {
            let source = url.parse::<payout::ChainSource>();
            let source = source.ok();
            source
                .as_ref()
                .and_then(payout::ChainSource::cookie)
                .is_some_and(payout::settings::Cookie::is_there)
        })
    }

    /// Compared by its hash: how long that takes says nothing.
    fn is_ours(&self, proof: &str) -> bool {
        let hash = |text: &str| sha256::Hash::hash(text.as_bytes());
        hash(proof) == hash(&self.proof)
    }

    fn asked(&self, form: &Answered, has_kept: bool) -> Asked {
        let draft = self.draft();
        let onion = variable("APP_HIDDEN_SERVICE").map(|host| format!("http://{host}"));
        Asked::new(form, &self.proof, self.found(), &draft, (onion, has_kept))
    }
}
