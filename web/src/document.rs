//! `GET /api/openapi.json`: all of `/api/` described, in OpenAPI 3.1. The document is made from
//! the endpoints that the routers are made from, and from the types that are serialised.
//! Tests compare the answers of a running pool with its schemas.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bitcoin::hashes::{Hash as _, sha256};
use openapi::{Document, Endpoint, Finished, Operation};
use pool::run::View;
use serde_json::{Map, Value, json};

use super::pages::embedded;
use super::routes::for_anybody;
use super::{api, figures, gzip, routes};

/// What the document says of all operations together.
const DESCRIPTION: &str = "All of it is read by anybody, of any origin, without accounts: a \
    miner is a public key. Amounts are integers in the unit that their name says; work is a \
    decimal string; times are milliseconds since 1970, UTC. The Cashu mint's own protocol, under \
    /v1/, is described by the NUTs; here are the routes beside it. Answers may be a second old \
    and have an ETag. The number of requests of each address is limited.";

/// The document as it is served.
struct Served {
    text: String,
    hash: String,
    packed: Option<Bytes>,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let text = text(&finished());
    let hash = sha256::Hash::hash(text.as_bytes()).to_string();
    let packed = gzip::packed_once(text.as_bytes());
    Served { text, hash, packed }
});

/// The OpenAPI document of the pool's JSON, as it is served.
pub fn openapi() -> &'static str {
    &SERVED.text
}

fn finished() -> Finished {
    let mut document = Document::default();
    document.extend(api::described());
    document.extend(figures::described());
    document.extend(routes::endpoints::<View>().map(Endpoint::described));
    document.extend(mint::described());
    document.extend([endpoint().described()]);
    document.finish(json!({
        "title": "Axepool",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "The data that a pool publishes, and the requests of miners.",
        "description": DESCRIPTION,
        "license": {
            "name": env!("CARGO_PKG_LICENSE"),
            "identifier": env!("CARGO_PKG_LICENSE"),
        },
    }))
}

fn text(finished: &Finished) -> String {
    format!("{:#}\n", finished.document)
}

fn endpoint() -> Endpoint<()> {
    let operation = Operation::new("openapi", "This document")
        .json::<Map<String, Value>>("An OpenAPI document.");
    Endpoint::at("/api/openapi.json").get(get, operation)
}

/// The route.
pub(crate) fn router() -> Router {
    openapi::router([endpoint()])
}

async fn get(headers: HeaderMap) -> Response {
    let Served { text, hash, packed } = &*SERVED;
    let mut response = embedded(&headers, hash, text, packed);
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    // The next version of the pool has another one.
    let fresh = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, fresh);
    for_anybody(response)
}

#[cfg(test)]
mod tests;
