//! Accepts connections and speaks HTTP/1.1 on them.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use proxy::Masked;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body::{self, Answer};
use super::counts::Refused;
use super::door::{Door, Visitor};
use super::household::Household;
use super::io::{Connection, Io, Socket};

/// The head of a request at most: as much as cdk's own limits leave room for.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A body at most, unless its route says otherwise: a form, or a signed request.
pub const FORM_BYTES: usize = 4096;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request under way may take once its connection's place is another's.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long requests under way may take once the pool stops.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(700);

/// What answers at a listener.
pub trait Service: Send + Sync + 'static {
    /// What is remembered of a request until it is answered.
    type Asked: Send;

    /// A request came.
    fn asked(&self, head: &Parts) -> Self::Asked;

    /// How many bytes its body may have.
    fn body_limit(&self, _method: &Method, _path: &str) -> usize {
        FORM_BYTES
    }

    /// A refusal, decided by the head alone.
    fn refusal(&self, _head: &Parts, _visitor: &Visitor) -> Option<Response> {
        None
    }

    /// The answer to a request that is there as a whole.
    fn answer(
        &self,
        request: Request<Body>,
        visitor: &Visitor,
    ) -> impl Future<Output = Response> + Send;

    /// It was answered, or refused.
    fn answered(&self, _asked: Self::Asked, _status: StatusCode) {}
}

impl Service for Router {
    type Asked = ();

    fn asked(&self, _head: &Parts) {}

    async fn answer(&self, request: Request<Body>, _visitor: &Visitor) -> Response {
        match TowerToHyperService::new(self.clone()).call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl Door {
    /// Serves `service` at `listener` until `cancel`, then finishes what is under way.
    pub async fn serve<S: Service>(
        self: Arc<Self>,
        listener: TcpListener,
        service: Arc<S>,
        cancel: CancellationToken,
    ) {
        let tasks = TaskTracker::new();
        tasks.spawn(self.refused.clone().tell(cancel.clone()));
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => self.greet(stream, peer, &service, &tasks, &cancel),
                    Err(error) => {
                        // Out of file descriptors, mostly: it passes.
                        tracing::warn!(%error, "an HTTP listener cannot accept connections");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        };
        cancel.run_until_cancelled(accepting).await;
        drop(listener);
        tasks.close();
        if timeout(DRAIN_TIMEOUT, tasks.wait()).await.is_err() {
            tracing::debug!("requests were still under way when the time was up");
        }
    }

    /// Whoever has no descriptor is closed before anything is kept of them.
    fn greet<S: Service>(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        service: &Arc<S>,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) {
        let Some(descriptor) = self.descriptor() else {
            return;
        };
        let attending = Arc::clone(self).attend(
            stream,
            peer.ip(),
            descriptor,
            Arc::clone(service),
            cancel.clone(),
        );
        tasks.spawn(attending);
    }

    async fn attend<S: Service>(
        self: Arc<Self>,
        mut stream: TcpStream,
        peer: IpAddr,
        descriptor: OwnedSemaphorePermit,
        service: Arc<S>,
        cancel: CancellationToken,
    ) {
        let named = self.household(&mut stream, peer);
        let Some(Some(household)) = cancel.run_until_cancelled(named).await else {
            return;
        };
        let Some(connection) = self.enter(peer, household, descriptor) else {
            return;
        };
        let handshake = self.handshake(stream, peer);
        let handshake = connection.ending.run_until_cancelled(handshake);
        let handshake = cancel.run_until_cancelled(handshake);
        let Some(Some(Some(socket))) = handshake.await else {
            return;
        };
        let io = Io::new(socket, Arc::clone(&connection));
        let ended = self.speak(io, peer, household, &connection, service, cancel);
        if let Err(error) = ended.await {
            if connection.is_in_head() {
                self.refused.count(Refused::Head);
            }
            tracing::debug!(peer = %Masked(peer), %error, "a connection ended");
        }
    }

    async fn handshake(&self, stream: TcpStream, peer: IpAddr) -> Option<Socket> {
        let Some(tls) = &self.tls else {
            return Some(Either::Left(stream));
        };
        let Some(acceptor) = tls.acceptor() else {
            self.refused.count(Refused::Certificate);
            return None;
        };
        match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => return Some(Either::Right(Box::new(stream))),
            Ok(Err(error)) => tracing::debug!(peer = %Masked(peer), %error, "no TLS"),
            Err(_) => {}
        }
        self.refused.count(Refused::Handshake);
        None
    }

    async fn speak<S: Service>(
        self: &Arc<Self>,
        io: Io,
        peer: IpAddr,
        household: Household,
        connection: &Arc<Connection>,
        service: Arc<S>,
        cancel: CancellationToken,
    ) -> hyper::Result<()> {
        let respond = service_fn(|request| {
            let (door, service) = (Arc::clone(self), Arc::clone(&service));
            let connection = Arc::clone(connection);
            async move {
                let response = door.respond(request, peer, household, connection, &*service);
                Ok::<_, Infallible>(response.await)
            }
        });
        let speaking = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.request_time)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(io), respond)
            .with_upgrades();
        let mut speaking = pin!(speaking);
        tokio::select! {
            ended = speaking.as_mut() => ended,
            () = cancel.cancelled() => {
                speaking.as_mut().graceful_shutdown();
                speaking.await
            }
            () = connection.ending.cancelled() => {
                if !connection.is_answering() {
                    return Ok(());
                }
                speaking.as_mut().graceful_shutdown();
                timeout(LEAVE_TIMEOUT, speaking).await.unwrap_or(Ok(()))
            }
        }
    }

    async fn respond<S: Service>(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        household: Household,
        connection: Arc<Connection>,
        service: &S,
    ) -> Response {
        let deadline = connection.asked() + self.bounds.request_time;
        let (head, body) = request.into_parts();
        let visitor = Visitor {
            household: self.asks(peer, household, &head.headers),
            refused: self.refused.clone(),
            connection: Arc::clone(&connection),
        };
        let asked = service.asked(&head);
        let place = self.request(visitor.household, &connection);
        let mut response = match (&place, service.refusal(&head, &visitor)) {
            (None, _) => refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests under way"),
            (Some(_), Some(refused)) => refused,
            (Some(_), None) => {
                let limit = service.body_limit(&head.method, head.uri.path());
                let mut bytes = self.shared.memory.of(visitor.household);
                match body::whole(body, limit, deadline, &mut bytes).await {
                    Ok(body) => {
                        let mut request = Request::from_parts(head, Body::from(body));
                        request.extensions_mut().insert(visitor.clone());
                        service.answer(request, &visitor).await
                    }
                    Err(why) => {
                        why.inspect(|why| visitor.refuse(*why));
                        no_body(why)
                    }
                }
            }
        };
        service.answered(asked, response.status());
        // A browser shall not take an answer for something that it does not say it is.
        response.headers_mut().insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            connection.upgraded();
            if let Some(place) = place {
                connection.keep(place);
            }
            return response;
        }
        response.map(|body| Body::new(Answer::new(body, connection, place)))
    }
}

/// What a body that was not read is answered with; the connection ends with it.
fn no_body(why: Option<Refused>) -> Response {
    let (status, detail) = match why {
        Some(Refused::BodyTooLong) => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"),
        Some(Refused::BodyMemory) => (StatusCode::SERVICE_UNAVAILABLE, "too many long bodies"),
        _ => (StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    };
    let mut response = refusal(status, detail);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A refusal as the mint's errors are; pages of any origin may read it.
fn refusal(status: StatusCode, detail: &str) -> Response {
    // With a code cdk's wallet reads a refusal for good, and a 429 without one as the promise
    // that nothing of the request was ever done, which the listener cannot give: it may be the
    // repetition of one whose answer was lost.
    let body = match status {
        StatusCode::SERVICE_UNAVAILABLE => json!({ "detail": detail }),
        _ => json!({ "code": 0, "detail": detail }),
    };
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}
