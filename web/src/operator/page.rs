//! Asks everything, and puts it on one page.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use basics::{clock, humane};
use pool::admin::{Answers, MoneyReply, MoneyRequest, NodeReply, NodeRequest, Reply, Request};

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
    let node = Request::Node(NodeRequest::Status);
    let suspense = Request::Money(MoneyRequest::Suspense);
    let fee = Request::Money(MoneyRequest::Fee);
    let parked = Request::MintParked { retry: false };
    let (status, node, suspense, fee, parked, suspects) = futures::join!(
        view.answer(Request::Status),
        view.answer(node),
        view.answer(suspense),
        view.answer(fee),
        view.answer(parked),
        view.answer(Request::Suspects),
    );
    Told {
        status: match status {
            Reply::Status(status) => Ok(*status),
            other => Err(why(other)),
        },
        node: match node {
            Reply::Node(NodeReply::Status(node)) => Ok(*node),
            other => Err(why(other)),
        },
        suspense: match suspense {
            Reply::Money(MoneyReply::Payouts { payouts, .. }) => Ok(payouts),
            other => Err(why(other)),
        },
        fee: match fee {
            Reply::Money(MoneyReply::Fee(fee)) => Ok(fee),
            other => Err(why(other)),
        },
        parked: match parked {
            Reply::MintParked { parked, .. } => Ok(parked),
            other => Err(why(other)),
        },
        suspects: match suspects {
            Reply::Suspects { suspects } => Ok(suspects),
            other => Err(why(other)),
        },
        solvency: view.solvency(),
    }
}

fn why(reply: Reply) -> String {
    match reply {
        Reply::Error { why } => why,
        other => format!("something else was answered: {other:?}"),
    }
}
