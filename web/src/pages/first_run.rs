//! The place where a pool without a config is set up (`axepool run --first-run`), once that
//! is done: a home server's icon leads there for ever.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Pages;
use super::message::Message;

/// Where a pool without a config is set up.
pub(crate) const PATH: &str = "/first-run";

/// It is done, and cannot be done again.
pub(super) async fn get(State(pages): State<Arc<Pages>>) -> Response {
    let message = Message {
        frame: pages.frame.clone(),
        title: "This pool is set up",
        text: "The first run is over, and its page changes nothing any more. To change a \
               setting, edit the config file and restart the pool."
            .to_owned(),
        alarming: false,
        back: "/".to_owned(),
        back_text: "To the pool's first page",
    };
    message.answer(StatusCode::OK)
}
