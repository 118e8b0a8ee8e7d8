//! `/epochs` and `/epochs/{id}`: the work of an epoch, its payouts, and the commands that
//! check their split. The same readers answer `/api/epochs`.

mod check;
mod list;
mod one;
mod words;

use axum::response::{IntoResponse as _, Response};

pub(super) use list::get as list;
pub(super) use one::get as one;

use super::super::api::Refusal;
use super::{Frame, Message};

/// A refusal as a page, with the status and the headers that programs get.
fn refused(frame: &Frame, refusal: Refusal) -> Response {
    let text = match refusal.cause() {
        Refusal::Missing(_) => "The pool has no such epoch, or no such page of it.".to_owned(),
        other => format!("The pool says: {other}."),
    };
    let told = refusal.into_response();
    let message = Message {
        frame: frame.at("epochs"),
        title: "This cannot be shown",
        text,
        alarming: false,
        back: "/epochs".to_owned(),
        back_text: "To the epochs",
    };
    let mut response = message.answer(told.status());
    let retry = told.headers().get(axum::http::header::RETRY_AFTER);
    if let Some(after) = retry {
        let headers = response.headers_mut();
        headers.insert(axum::http::header::RETRY_AFTER, after.clone());
    }
    response
}
