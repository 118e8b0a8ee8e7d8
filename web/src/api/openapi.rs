//! `GET /api/openapi.json`: all of `/api/` described, in OpenAPI 3.1. A test compares it
//! with the routes, others compare the answers of a running pool with its schemas.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bitcoin::hashes::{Hash as _, sha256};

use super::super::gzip;
use super::super::pages::embedded;
use super::super::routes::for_anybody;

/// The document.
const TEXT: &str = include_str!("../../assets/openapi.json");

/// Its hash, and the document compressed.
static EMBEDDED: LazyLock<(String, Option<Bytes>)> = LazyLock::new(|| {
    let hash = sha256::Hash::hash(TEXT.as_bytes()).to_string();
    (hash, gzip::packed_once(TEXT.as_bytes()))
});

pub(super) async fn get(headers: HeaderMap) -> Response {
    let (hash, packed) = &*EMBEDDED;
    let mut response = embedded(&headers, hash, TEXT, packed);
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    // The next version of the pool has another one.
    let fresh = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, fresh);
    for_anybody(response)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_route_is_in_it_and_nothing_else() {
        let document: Value = serde_json::from_str(TEXT).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let documented: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
        let books = super::super::often().into_iter();
        let books = books.chain(super::super::rarely()).map(|(path, _)| path);
        let facts = crate::routes::API_PATHS.into_iter();
        let figures = crate::figures::API_PATHS;
        let beside = facts.chain(figures).chain(mint::API_PATHS);
        let beside = beside.chain([super::super::notices::API_PATH]);
        let routes: BTreeSet<&str> = books.chain(beside).collect();
        assert_eq!(documented, routes);
    }
}
