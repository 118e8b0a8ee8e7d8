//! The operator's page: the state of the pool, on a listener of its own on loopback
//! (`[operator] listen`). The page is read-only: it asks the same questions as the commands
//! at the admin socket, and gives no orders.
//!
//! The token in `data_dir/operator.token` opens the page; `axepool status` prints it with
//! the page's address. The token is exchanged for a cookie of this process. A request must
//! name the machine by address, as localhost or by its name at home (`.local`), since a
//! foreign page could have any name of its own resolve to this machine.
//!
//! If its port is taken, the page waits for it; mining does not.

mod door;
mod page;
mod sections;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use basics::secret_file;
use listener::{Bounds, Naming};
use pool::admin::Answers;
use pool::config::Config;
use pool::data_dir;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{FIRST_RUN, Facts, Frame};
use door::{Door, Verdict};

/// How long it waits before it tries for a port again.
const RETRY: Duration = Duration::from_secs(5);

/// Pages made at once: each asks everything there is. The next one is told to come back.
const PLACES: usize = 4;

/// What a browser or two take at once.
pub(crate) const BOUNDS: Bounds = Bounds {
    connections: 32,
    per_household: 16,
    request_time: Duration::from_secs(20),
};

/// The page, whether or not it can be had.
#[derive(Debug)]
pub(crate) struct Operator {
    listen: Vec<SocketAddr>,
    frame: Frame,
    /// `None`: its token can neither be read nor made.
    keys: Option<Keys>,
    bound: Mutex<Vec<SocketAddr>>,
}

struct Keys {
    token: String,
    door: Door,
}

/// The token is never shown by accident.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// What the routes answer from.
struct Shared<V> {
    view: Arc<V>,
    frame: Frame,
    places: Semaphore,
}

impl Operator {
    /// The page of a pool; makes its token at the first start.
    pub(crate) fn new(config: &Config) -> Arc<Operator> {
        let path = data_dir::operator_token(&config.data_dir);
        let keys = match config.operator.listen.is_empty() {
            true => None,
            false => secret_file::read_or_make(&path, random)
                .inspect_err(|error| {
                    tracing::warn!(
                        error = format_args!("{error:#}"),
                        "there is no operator's page; mining goes on"
                    );
                })
                .ok(),
        };
        Arc::new(Operator {
            listen: config.operator.listen.clone(),
            frame: Frame::new(config.name.clone(), config.network),
            keys: keys.map(|token| Keys {
                door: Door::new(&token, random()),
                token,
            }),
            bound: Mutex::default(),
        })
    }

    /// Where to look, with what opens the door; `None` while it is nowhere.
    pub(crate) fn url(&self) -> Option<String> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.keys.as_ref()?;
        bound
            .first()
            .map(|address| format!("http://{address}/?token={}", keys.token))
    }

    /// Serves `view` until `cancel`.
    pub(crate) async fn run<V>(
        self: Arc<Self>,
        view: Arc<V>,
        shared: listener::Shared,
        cancel: CancellationToken,
    ) where
        V: Answers + Facts,
    {
        let Some(keys) = &self.keys else {
            return;
        };
        let routes = Arc::new(routes(view, self.frame.clone(), keys.door.clone()));
        let bounds = listener::Door::new("operator", &shared, BOUNDS, Naming::Peer, None);
        let each = self.listen.iter();
        let each = each.map(|address| {
            let (bounds, routes) = (Arc::clone(&bounds), Arc::clone(&routes));
            self.keep(*address, bounds, routes, cancel.clone())
        });
        futures::future::join_all(each).await;
    }

    async fn keep(
        &self,
        address: SocketAddr,
        bounds: Arc<listener::Door>,
        routes: Arc<Router>,
        cancel: CancellationToken,
    ) {
        let binding = async {
            let mut told = false;
            loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => return listener,
                    Err(error) if !told => {
                        tracing::warn!(%address, %error, "the operator's page waits for its address");
                        told = true;
                    }
                    Err(_) => {}
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        let Some(listener) = cancel.run_until_cancelled(binding).await else {
            return;
        };
        if let Ok(address) = listener.local_addr() {
            let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
            bound.push(address);
        }
        bounds.serve(listener, routes, cancel).await;
    }
}

/// Where the page of a pool will be and what opens it, before the pool runs; `None` when
/// the page is switched off or gets another port at each start.
///
/// # Errors
/// The token can neither be read nor made.
pub(crate) fn page_of(config: &Config) -> anyhow::Result<Option<(SocketAddr, String)>> {
    let listen = config.operator.listen.first();
    let Some(address) = listen.filter(|address| address.port() != 0) else {
        return Ok(None);
    };
    let path = data_dir::operator_token(&config.data_dir);
    Ok(Some((*address, secret_file::read_or_make(&path, random)?)))
}

/// True for a name that leads to the very machine of the browser, without a port.
pub(crate) fn is_loopback(name: &str) -> bool {
    let name = name.trim_matches(['[', ']']);
    let is_address = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

/// True for a name of this machine by which the page may be asked for.
pub(crate) fn answers_to(host: &str) -> bool {
    door::is_this_machine(host)
}

/// 256 bits: nobody guesses it, however often they may try.
pub(crate) fn random() -> String {
    let bytes = rand::random::<[u8; 32]>();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn routes<V: Answers + Facts>(view: Arc<V>, frame: Frame, door: Door) -> Router {
    let shared = Shared {
        view,
        frame,
        places: Semaphore::new(PLACES),
    };
    Router::new()
        .route("/", get(look::<V>))
        // A browser that set the pool up at this address comes here.
        .route(FIRST_RUN, get(async || Redirect::to("/")))
        .with_state(Arc::new(shared))
        .route("/assets/{name}", get(crate::asset))
        .layer(from_fn_with_state(door, admit))
        .layer(map_response(crate::guarded))
        .layer(map_response(for_nobody_else))
}

/// What is on the page stays on it.
async fn for_nobody_else(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn admit(State(door): State<Door>, request: Request, next: Next) -> Response {
    match door.judge(request.headers(), request.uri().query()) {
        Verdict::In => next.run(request).await,
        Verdict::Welcome => {
            let mut response = Redirect::to("/").into_response();
            if let Ok(cookie) = HeaderValue::from_str(&door.cookie()) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Verdict::Stranger => {
            let how = "this page is the operator's: open the address that `axepool status` tells\n";
            (StatusCode::UNAUTHORIZED, how).into_response()
        }
        Verdict::ForeignName => {
            let how = "ask for it by address, as localhost, or by a name that ends in .local\n";
            (StatusCode::MISDIRECTED_REQUEST, how).into_response()
        }
    }
}

async fn look<V: Answers + Facts>(State(shared): State<Arc<Shared<V>>>) -> Response {
    let Ok(_place) = shared.places.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "try again\n").into_response();
    };
    page::get(shared.view.as_ref(), &shared.frame).await
}
