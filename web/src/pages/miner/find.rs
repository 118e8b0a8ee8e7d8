//! The way from a typed key to its page.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::super::{Frame, Pages, key_check, page};

#[derive(Deserialize)]
pub(in super::super) struct Typed {
    key: Option<String>,
}

/// The way there; a form that asks for a key where none is given.
pub(in super::super) async fn find(
    State(pages): State<Arc<Pages>>,
    query: Result<Query<Typed>, QueryRejection>,
) -> Response {
    match query.ok().and_then(|Query(typed)| typed.key) {
        Some(key) => way(&pages, &key),
        None => page(
            StatusCode::OK,
            &Find {
                frame: pages.frame.at("miner"),
                problem: None,
            },
        ),
    }
}

/// The same by a form whose content is in nobody's log.
pub(in super::super) async fn find_typed(
    State(pages): State<Arc<Pages>>,
    form: Result<Form<Typed>, FormRejection>,
) -> Response {
    let key = form.ok().and_then(|Form(typed)| typed.key);
    way(&pages, &key.unwrap_or_default())
}

/// A form that asks for a key.
#[derive(Debug, Template)]
#[template(path = "find.html")]
struct Find {
    frame: Frame,
    problem: Option<Problem>,
}

#[derive(Debug)]
struct Problem {
    words: String,
    alarming: bool,
}

fn way(pages: &Pages, typed: &str) -> Response {
    match key_check::read(typed) {
        Ok(miner) => Redirect::to(&format!("/miners/{miner}")).into_response(),
        Err(no_key) => {
            let problem = Problem {
                words: no_key.words(),
                alarming: no_key.alarming(),
            };
            let find = Find {
                frame: pages.frame.at("miner"),
                problem: Some(problem),
            };
            page(StatusCode::BAD_REQUEST, &find)
        }
    }
}
