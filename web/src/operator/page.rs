//! Asks everything, and puts it on one page.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use basics::{clock, humane};
use pool::admin::{Answers, AskError, call};
use serde_json::json;

use super::sections::{Section, Told, sections};
use crate::{Facts, Frame};

#[derive(Debug, Template)]
#[template(path = "operator.html")]
struct Page {
    frame: Frame,
    now: String,
    sections: Vec<Section>,
}

/// The page as it is now.
pub(super) async fn get(view: &(impl Answers + Facts), frame: &Frame) -> Response {
    let told = ask(view).await;
    let now_ms = clock::now_ms();
    let shown = Page {
        frame: frame.clone(),
        now: humane::utc(now_ms),
        sections: sections(&told, now_ms),
    };
    crate::page(StatusCode::OK, &shown)
}

/// Questions alone: nothing that is asked here changes anything.
async fn ask(view: &(impl Answers + Facts)) -> Told {
    let (status, node, suspense, fee, parked, suspects) = futures::join!(
        view.call(call::status()),
        view.call(call::node_status()),
        view.call(call::suspense()),
        view.call(call::fee()),
        view.call(call::mint_parked(false)),
        view.call(call::suspects()),
    );
    let why = |error: AskError| error.to_string();
    Told {
        status: status.map(|status| *status).map_err(why),
        node: node.map(|node| *node).map_err(why),
        suspense: suspense.map(|told| told.payouts).map_err(why),
        fee: fee.map_err(why),
        parked: parked.map(|told| told.parked).map_err(why),
        suspects: suspects.map_err(why),
        solvency: json!(view.solvency()),
    }
}
