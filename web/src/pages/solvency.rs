//! `GET /solvency`: liabilities and assets, for people; `/api/solvency` is the same for
//! programs.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use basics::{clock, humane};
use serde_json::json;

use super::{Frame, Pages, format, page};
use crate::balance_sheet::{BalanceSheet, Melts};

#[derive(Debug, Template)]
#[template(path = "solvency.html")]
struct SolvencyPage {
    frame: Frame,
    sheet: BalanceSheet,
    as_of: Option<String>,
    /// Its style and its words.
    badge: (&'static str, &'static str),
}

pub(super) async fn get(State(pages): State<Arc<Pages>>) -> Response {
    let sheet = as_pages_have_it(BalanceSheet::of(&json!(pages.figures.view().solvency())));
    let as_of = sheet
        .as_of_ms
        .map(|at_ms| humane::ago(at_ms, clock::now_ms()));
    let badge = match sheet.melts {
        Melts::On => ("good", "covered"),
        Melts::Paused => ("alarm", "liabilities exceed assets"),
        Melts::Off => ("", "no node to compare with"),
    };
    let shown = SolvencyPage {
        frame: pages.frame.at("solvency"),
        sheet,
        as_of,
        badge,
    };
    page(StatusCode::OK, &shown)
}

/// The sheet, with its numbers grouped as on the other pages.
fn as_pages_have_it(mut sheet: BalanceSheet) -> BalanceSheet {
    let lines = sheet.liabilities.iter_mut().chain(&mut sheet.assets);
    let texts = lines.map(|(_, amount)| amount);
    let sums = [&mut sheet.owed, &mut sheet.there];
    for text in texts.chain(sums).chain(sheet.missing.as_mut()) {
        *text = format::thin(text);
    }
    sheet
}
