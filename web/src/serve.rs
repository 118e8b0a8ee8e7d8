//! What the public listener and the onion service's add to the bounds that all HTTP
//! listeners have: a rate of requests, claims and WebSockets of a household, and measures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use axum::Json;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use listener::{Household, Places, Refused, Service, Visitor};
use pool::config::{HttpLimits, MintSettings};
use prometheus::Registry;
use serde_json::json;

use super::limits::{self, Kind};
use super::measure::{Measure, route};
use super::rate::Rates;
use super::routes::Routes;

/// What all connections share.
pub(crate) struct Server {
    routes: Routes,
    rates: Mutex<Rates>,
    claims: Mutex<Rates>,
    since: Instant,
    websockets: Places,
    /// The mint's work of a household; the mint itself bounds it in all.
    mint_work: Places,
    measure: Measure,
}

impl Server {
    /// # Errors
    /// A metric's name is taken.
    pub(crate) fn new(
        limits: &HttpLimits,
        mint: &MintSettings,
        routes: Routes,
        registry: &Registry,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(Server {
            routes,
            rates: Mutex::new(Rates::new(
                limits.requests_per_minute_per_address,
                limits.request_burst_per_address,
            )),
            claims: Mutex::new(Rates::new(
                limits::CLAIMS_PER_MINUTE,
                limits::CLAIMS_AT_ONCE,
            )),
            since: Instant::now(),
            websockets: Places::new(
                limits::WEBSOCKETS.min(limits.max_connections / 2),
                limits::WEBSOCKETS_PER_HOUSEHOLD,
            ),
            mint_work: Places::new(usize::MAX, limits::mint_work(mint.max_requests)),
            measure: Measure::register(registry)?,
        }))
    }

    /// After how many seconds the household's next one is welcome, if not now.
    fn wait(&self, rates: &Mutex<Rates>, household: Household) -> Option<u64> {
        let now_us = self.since.elapsed().as_micros();
        let now_us = u64::try_from(now_us).unwrap_or(u64::MAX);
        let mut rates = rates.lock().unwrap_or_else(PoisonError::into_inner);
        let wait_us = rates.admit(household, now_us).err()?;
        Some(wait_us.div_ceil(1_000_000))
    }
}

impl Service for Server {
    type Asked = (&'static str, Instant);

    fn asked(&self, head: &Parts) -> Self::Asked {
        // Of the path no more than that: people paste secret keys into it.
        (route(head.uri.path()), Instant::now())
    }

    fn body_limit(&self, _method: &Method, path: &str) -> usize {
        limits::body(path)
    }

    fn refusal(&self, head: &Parts, visitor: &Visitor) -> Option<Response> {
        let kind = limits::kind(&head.method, head.uri.path());
        // Whoever restarts the process asks these, maybe from an address that others use.
        if kind == Kind::Health {
            return None;
        }
        if let Some(wait) = self.wait(&self.rates, visitor.household()) {
            visitor.refuse(Refused::AddressRate);
            return Some(too_many(wait, "too many requests from this address"));
        }
        if kind == Kind::Claim
            && let Some(wait) = self.wait(&self.claims, visitor.household())
        {
            visitor.refuse(Refused::Claims);
            return Some(too_many(wait, "too many claims from this address"));
        }
        None
    }

    async fn answer(&self, request: Request<Body>, visitor: &Visitor) -> Response {
        if let Some(allowed) = preflight(request.method(), request.uri().path()) {
            return allowed;
        }
        let household = visitor.household();
        tracing::trace!(visitor = %household, route = route(request.uri().path()), "asks");
        let (places, refused) = match limits::kind(request.method(), request.uri().path()) {
            Kind::Websocket => (&self.websockets, Refused::Websockets),
            Kind::Claim | Kind::Mint => (&self.mint_work, Refused::AddressRequests),
            Kind::Health | Kind::Other => {
                return self.routes.current().answer(request, visitor).await;
            }
        };
        let Ok((place, _)) = places.enter(household, visitor.ending()) else {
            visitor.refuse(refused);
            return too_many(1, "too many requests under way from this address");
        };
        let response = self.routes.current().answer(request, visitor).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            visitor.keep(place);
        }
        response
    }

    fn answered(&self, (route, begun): Self::Asked, status: StatusCode) {
        self.measure.answered(route, status, begun.elapsed());
        tracing::trace!(route, %status, "asked");
    }
}

/// The answer to a browser that asks whether a page of another origin may ask (CORS). All that
/// is below these paths is for anybody: nothing there trusts a cookie or an address. The words
/// are cdk's, and stay the same while the mint is not open.
fn preflight(method: &Method, path: &str) -> Option<Response> {
    let is_for_programs = path == "/api" || path.starts_with("/api/") || path.starts_with("/v1/");
    if method != Method::OPTIONS || !is_for_programs {
        return None;
    }
    let mut response = StatusCode::OK.into_response();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    Some(response)
}

/// Wallets read it, of any origin.
fn too_many(wait_secs: u64, detail: &str) -> Response {
    let body = json!({ "code": 0, "detail": detail });
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_secs));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}
