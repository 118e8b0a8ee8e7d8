//! `GET /epochs`: all of them, page by page, the newest first.

use std::sync::Arc;

use accounting::settle::Stage;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use basics::humane;

use super::super::super::api::Refusal;
use super::super::super::api::epochs::{Asked, Entry};
use super::super::{Frame, Pages, format, page};
use super::refused;
use super::words::Badge;

/// Epochs of one page.
const PER_PAGE: usize = 25;

#[derive(Debug, Template)]
#[template(path = "epochs.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    /// Where the older ones begin, if there are any.
    before: Option<u64>,
    is_first: bool,
}

#[derive(Debug)]
struct Row {
    id: u64,
    badge: Badge,
    /// The height of its block, or how else it ended.
    block: String,
    closed: String,
    work: String,
    miners: String,
    received: Option<String>,
    /// The epoch that its work counts in now.
    into: Option<u64>,
}

impl Row {
    fn of(entry: &Entry) -> Row {
        let account = entry.account.as_ref();
        let stage = account.map(|account| account.stage);
        let (block, into) = match stage {
            Some(Stage::Closed { block: Some(block) }) => {
                (format::count(u64::from(block.height)), None)
            }
            Some(Stage::Closed { block: None }) => ("by command".to_owned(), None),
            Some(Stage::Merged { into, block }) => {
                let height = format::count(u64::from(block.height));
                (format!("{height} (orphaned)"), Some(into.get()))
            }
            Some(Stage::Open) | None => ("-".to_owned(), None),
        };
        let received = account.map(|account| account.received);
        let received = received.filter(|received| !received.is_zero());
        let totals = &entry.epoch.totals;
        Row {
            id: entry.epoch.id.get(),
            badge: Badge::of(account),
            block,
            closed: entry.epoch.closed_ms().map_or("-".to_owned(), humane::utc),
            work: format::work(totals.work),
            miners: format::count(totals.miners),
            received: received.map(format::msat),
            into,
        }
    }
}

pub(in super::super) async fn get(
    State(pages): State<Arc<Pages>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let before = match query {
        Ok(Query(Asked { before, .. })) => before,
        Err(error) => return refused(&pages.frame, Refusal::Bad(error.body_text())),
    };
    let asked = Asked {
        newest: Some(PER_PAGE),
        before,
    };
    let epochs = match pages.api.epochs(asked).await {
        Ok(epochs) => epochs,
        Err(refusal) => return refused(&pages.frame, refusal),
    };
    let last = epochs.last().map(|entry| entry.epoch.id.get());
    let shown = List {
        frame: pages.frame.at("epochs"),
        rows: epochs.iter().map(Row::of).collect(),
        before: last.filter(|last| *last > 1),
        is_first: before.is_none(),
    };
    page(StatusCode::OK, &shown)
}
