//! The routes of the first run, and who may use them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use pool::config::Environment;
use pool::init::Draft;
use pool::init::set_up::{self, Made, Written};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::again;
use super::form::Form as Answered;
use super::found::{self, Found};
use super::gate::{self, Entered, Gate};
use super::pages::{self, Asked};
use crate::FIRST_RUN as PATH;
use crate::operator;

const ENTER: &str = "/first-run/enter";
const START: &str = "/first-run/start";

/// The state behind the routes.
struct Shared {
    gate: Gate,
    listen: SocketAddr,
    path: PathBuf,
    environment: Environment,
    stage: Mutex<Stage>,
    done: CancellationToken,
}

/// How far it is. One request at a time moves it.
enum Stage {
    /// The form is to be filled in.
    Asking(Asking),
    /// The config is written, and the words were shown.
    Written(Box<Written>),
    /// The pool starts.
    Started,
}

/// The part that is kept between two forms.
#[derive(Default)]
struct Asking {
    /// The URL with a secret that was typed before.
    url: Option<String>,
    /// Words that were made for a config that could not be written.
    made: Made,
}

/// All routes at `listen`. `done` ends the first run.
pub(super) fn routes(
    (listen, gate): (SocketAddr, Gate),
    path: PathBuf,
    environment: Environment,
    done: CancellationToken,
) -> Router {
    let shared = Arc::new(Shared {
        gate,
        listen,
        path,
        environment,
        stage: Mutex::new(Stage::Asking(Asking::default())),
        done,
    });
    Router::new()
        .route(PATH, get(ask).post(set_up))
        .route(START, post(start))
        .route(ENTER, post(enter))
        .layer(from_fn_with_state(Arc::clone(&shared), admit))
        .with_state(shared)
        .layer(map_response(for_nobody_else))
        // These are kept: the last page is shown when nobody answers here any more.
        .route("/assets/{name}", get(crate::asset))
        .fallback(async || Redirect::to(PATH))
        .layer(map_response(crate::guarded))
        .layer(map_response(names_itself))
}

/// Words and secrets are on these pages.
async fn for_nobody_else(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Under `no-referrer` a browser would send `Origin: null` with our own forms.
async fn names_itself(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static("same-origin");
    headers.insert(header::REFERRER_POLICY, policy);
    response
}

/// Refuses what a page elsewhere sends. Whether the sender has the secret or the session is
/// seen in the body.
async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !shared.gate.answers_to(headers) {
        let how = "ask for this page by address, as localhost, or by a name that ends in .local\n";
        return (StatusCode::MISDIRECTED_REQUEST, how).into_response();
    }
    if request.method() == Method::POST && gate::comes_from_elsewhere(headers) {
        let how = "another site sent this: open the first-run page itself. A proxy before the \
                   pool has to leave the header Host as it is\n";
        return (StatusCode::FORBIDDEN, how).into_response();
    }
    next.run(request).await
}

/// Asks for the secret. The address that was printed has it already, and the page a button:
/// browsers open addresses ahead of the person, which may not use the secret up.
async fn ask(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let can_be_read = gate::can_be_read(&headers);
    match shared.gate.printed(query.as_deref()) {
        Some(token) => pages::printed(token, can_be_read),
        None => pages::closed(None, can_be_read),
    }
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
    let password = form.map(|Form(form)| form.password).unwrap_or_default();
    match shared.gate.enter(password.trim()) {
        Entered::In => shared.show(StatusCode::OK, &headers).await,
        Entered::Wrong => pages::closed(
            Some("This is not the password."),
            gate::can_be_read(&headers),
        ),
        Entered::Used => pages::closed(
            Some(
                "This address was used before, and opens the page once: restart the pool, which \
                 prints another one.",
            ),
            gate::can_be_read(&headers),
        ),
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
    if !shared.gate.knows(&form.proof) {
        return pages::closed(None, gate::can_be_read(&headers));
    }
    let mut stage = shared.stage.lock().await;
    let Stage::Asking(Asking { url: kept, made }) = &mut *stage else {
        drop(stage);
        // Nobody may take the config for what this form says.
        return shared.show(StatusCode::CONFLICT, &headers).await;
    };
    if let Some(typed) = form.secret_chain_url() {
        *kept = Some(typed);
    }
    let found = shared.found();
    let mut asked = shared.asked(&form, kept.is_some(), &headers);
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
    match checked.write(&shared.path, made) {
        Ok(mut written) => {
            let page = pages::words(&written, shared.gate.session());
            written.forget_words();
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
    if !shared.gate.knows(&proof) {
        return pages::closed(None, gate::can_be_read(&headers));
    }
    let mut stage = shared.stage.lock().await;
    match &*stage {
        Stage::Asking(_) => {
            drop(stage);
            shared.show(StatusCode::CONFLICT, &headers).await
        }
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
        let config = written.map(|written| &written.config);
        // Without it the page says which command prints the address.
        let operator = config.and_then(|config| {
            operator::page_of(config)
                .inspect_err(|error| tracing::warn!(%error, "the operator's page is not linked"))
                .ok()?
        });
        let at = (gate::host_of(headers), self.listen.port());
        pages::started(at, config, operator)
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

    /// How far it is: the form, what was written, or the end.
    async fn show(&self, status: StatusCode, headers: &HeaderMap) -> Response {
        match &*self.stage.lock().await {
            Stage::Asking(asking) => {
                let form = Answered {
                    network: found::network(variable).unwrap_or("mainnet").to_owned(),
                    ..Answered::default()
                };
                pages::form(status, self.asked(&form, asking.url.is_some(), headers))
            }
            Stage::Written(written) => again::page(status, written, self.gate.session()),
            Stage::Started => self.started(headers, None),
        }
    }

    fn asked(&self, form: &Answered, has_kept: bool, headers: &HeaderMap) -> Asked {
        let draft = self.draft();
        let onion = variable("APP_HIDDEN_SERVICE").map(|host| format!("http://{host}"));
        let mut asked = Asked::new(
            form,
            self.gate.session(),
            self.found(),
            &draft,
            (onion, has_kept),
        );
        asked.can_be_read = gate::can_be_read(headers);
        asked
    }
}
