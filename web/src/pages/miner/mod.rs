//! `GET /miners/{key}`: is it working, what did it earn. `GET /miners/{key}/live`: the
//! parts of it that change, as they change. `/miners`: the way there from a typed key.

mod earned;
mod find;
mod shown;
mod tokens;
mod worker;

use std::sync::Arc;

use accounting::MinerId;
use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use listener::Visitor;
use serde_json::json;

use super::key_check::{self, NoKey};
use super::{Frame, Message, Pages, Tells, format, page};
use crate::api::Refusal;
use crate::figures;
pub(super) use find::{find, find_typed};
use shown::Shown;
use tokens::TokenShown;

/// Tokens shown, the newest.
const TOKENS: usize = 10;

#[derive(Debug, Template)]
#[template(path = "miner.html")]
struct MinerPage {
    frame: Frame,
    miner: String,
    npub: String,
    /// The npub's beginning and end.
    short: String,
    m: Shown,
    tokens: Vec<TokenShown>,
    no_tokens: Option<&'static str>,
    /// How its owner can be told of it, if this pool tells.
    tells: Option<Tells>,
}

/// The parts that change.
#[derive(Debug, Template)]
#[template(path = "miner/figures.html")]
struct FiguresPart<'a> {
    m: &'a Shown,
}

#[derive(Debug, Template)]
#[template(path = "miner/ready.html")]
struct ReadyPart<'a> {
    m: &'a Shown,
}

#[derive(Debug, Template)]
#[template(path = "miner/workers.html")]
struct WorkersPart<'a> {
    m: &'a Shown,
}

#[derive(Debug, Template)]
#[template(path = "miner/earnings.html")]
struct EarningsPart<'a> {
    m: &'a Shown,
}

pub(super) async fn get(State(pages): State<Arc<Pages>>, Path(key): Path<String>) -> Response {
    let miner = match key_check::read(&key) {
        Ok(miner) => miner,
        Err(no_key) => return no_such(&pages, no_key),
    };
    if key != miner.to_string() {
        return Redirect::permanent(&format!("/miners/{miner}")).into_response();
    }
    match whole(&pages, miner).await {
        Ok(whole) => page(StatusCode::OK, &whole),
        Err(refusal) => pages.refused(&refusal),
    }
}

/// What stands where a key should.
pub(super) fn no_such(pages: &Pages, no_key: NoKey) -> Response {
    let message = Message {
        frame: pages.frame.at("miner"),
        title: "This is no miner's key",
        text: no_key.words(),
        alarming: no_key.alarming(),
        back: "/miners".to_owned(),
        back_text: "Type a key",
    };
    message.answer(StatusCode::BAD_REQUEST)
}

async fn whole(pages: &Pages, miner: MinerId) -> Result<MinerPage, Refusal> {
    let figures = pages.figures.miner(miner).await?;
    let tokens = match pages.figures.view().mint() {
        Some(mint) => mint.tokens(&miner, TOKENS).await.unwrap_or_else(|error| {
            // The rest of the page is the ledger's, and needs no mint.
            tracing::warn!(%error, "a key's tokens cannot be read");
            Vec::new()
        }),
        None => Vec::new(),
    };
    Ok(MinerPage {
        frame: pages.frame.at("miner"),
        miner: miner.to_string(),
        short: format::short(&miner.npub()),
        npub: miner.npub(),
        tokens: tokens
            .iter()
            .map(|(token, state)| TokenShown::of(token, *state))
            .collect(),
        m: Shown::of(&figures),
        no_tokens: pages.no_tokens,
        tells: pages.tells.clone(),
    })
}

/// Server-sent events `parts`: the HTML of the parts by the id of their place.
pub(super) async fn live(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Path(key): Path<String>,
) -> Response {
    let miner = match key_check::read(&key) {
        Ok(miner) => miner,
        Err(no_key) => return no_such(&pages, no_key),
    };
    let place = match pages.figures.stream_of(miner, &visitor).await {
        Ok(place) => place,
        Err(refusal) => return refusal.into_response(),
    };
    let closing = pages.figures.closing();
    let look = move || {
        let pages = Arc::clone(&pages);
        async move { parts(&Shown::of(&pages.figures.miner(miner).await?)) }
    };
    figures::events("parts", place, closing, look)
}

fn parts(m: &Shown) -> Result<String, Refusal> {
    let made = || -> askama::Result<String> {
        let parts = json!({
            "figures": FiguresPart { m }.render()?,
            "ready": ReadyPart { m }.render()?,
            "workers": WorkersPart { m }.render()?,
            "earnings": EarningsPart { m }.render()?,
        });
        Ok(parts.to_string())
    };
    made().map_err(|error| Refusal::Disk(std::io::Error::other(error)))
}
