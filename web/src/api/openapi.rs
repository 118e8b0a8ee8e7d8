//! `GET /api/openapi.json`: all of `/api/` described, in OpenAPI 3.1. A test compares it
//! with the routes, others compare the answers of a running pool with its schemas.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bitcoin::hashes::{Hash as _, sha256};

use super::super::kept::is_known;
use super::super::routes::for_anybody;

/// The document.
const TEXT: &str = include_str!("../../assets/openapi.json");

pub(super) async fn get(headers: HeaderMap) -> Response {
    let tag = format!("\"{}\"", sha256::Hash::hash(TEXT.as_bytes()));
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    let mut response = match is_known(&headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => (content_type, TEXT).into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
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
