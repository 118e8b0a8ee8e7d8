//! `GET /`: how to mine here, and how the pool does.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Frame, Pages, page};

#[derive(Debug, Template)]
#[template(path = "set_up.html")]
struct SetUp {
    frame: Frame,
    workers: usize,
}

pub(super) async fn get(State(pages): State<Arc<Pages>>) -> Response {
    let shown = SetUp {
        frame: pages.frame.at("set-up"),
        workers: pages.view.workers(),
    };
    page(StatusCode::OK, &shown)
}
