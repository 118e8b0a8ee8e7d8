//! A page with one message: the requested thing does not exist, or is impossible.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::frame::{Frame, page};

/// A page that says one thing.
#[derive(Debug, Template)]
#[template(path = "message.html")]
pub(crate) struct Message {
    /// What stands around it.
    pub(crate) frame: Frame,
    /// The heading.
    pub(crate) title: &'static str,
    /// The sentence. Never what a visitor typed: it may be a secret.
    pub(crate) text: String,
    /// It must not be overlooked.
    pub(crate) alarming: bool,
    /// Where to go from here.
    pub(crate) back: String,
    /// What is there.
    pub(crate) back_text: &'static str,
}

impl Message {
    /// There is no such page.
    pub(crate) fn missing(frame: &Frame) -> Self {
        Message {
            frame: frame.clone(),
            title: "There is no such page",
            text: "The address may be mistyped, or the page has moved.".to_owned(),
            alarming: false,
            back: "/".to_owned(),
            back_text: "To the first page",
        }
    }

    /// The page as an answer.
    pub(crate) fn answer(&self, status: StatusCode) -> Response {
        page(status, self)
    }
}
