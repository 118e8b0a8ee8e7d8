//! "Get my sats": `POST /miners/{key}/claim` has a token made or finds the unspent one,
//! and leads to `GET /miners/{key}/tokens/{number}`, which shows it.
//!
//! A token is locked to the key, so it may be shown to whoever asks.

use std::sync::Arc;

use accounting::{MinerId, MinerKey};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use basics::clock;
use mint::{Claim, ClaimError, Mint, Token, TokenState, token_frames};

use super::qr::{self, Qr};
use super::{Frame, Message, Pages, format, key_check, miner, page};

#[derive(Debug, Template)]
#[template(path = "token.html")]
struct TokenPage {
    frame: Frame,
    miner: String,
    /// The key that it is locked to, in the spelling that a wallet has to show.
    lock: String,
    number: u64,
    sat: String,
    when: String,
    is_unspent: bool,
    state: &'static str,
    token: String,
    qr: Option<Qr>,
    moving: Option<Moving>,
}

/// A moving code.
#[derive(Debug)]
struct Moving {
    side: i32,
    /// The frames' paths, one a line.
    frames: String,
}

pub(super) async fn claim(State(pages): State<Arc<Pages>>, Path(key): Path<String>) -> Response {
    let (miner, mint) = match open(&pages, &key) {
        Ok(found) => found,
        Err(response) => return *response,
    };
    match mint.claim(&miner, None, None, clock::now_ms()).await {
        Ok(Claim::New { token, .. } | Claim::Earlier { token, .. }) => {
            let to = format!("/miners/{miner}/tokens/{}", token.number);
            Redirect::to(&to).into_response()
        }
        Ok(Claim::Nothing) => {
            let text = "Nothing can be claimed yet. The pool is paid some hours after a block, \
                        and what is below a satoshi waits in your carry for the next payout."
                .to_owned();
            told(&pages, &miner, StatusCode::OK, "Nothing to claim yet", text)
        }
        Err(error) => refused(&pages, &miner, &error),
    }
}

fn refused(pages: &Pages, miner: &MinerId, error: &ClaimError) -> Response {
    let (status, text) = match error {
        ClaimError::SweepOnly { .. }
        | ClaimError::NoTokens { .. }
        | ClaimError::NoReissue { .. } => (StatusCode::FORBIDDEN, sentence(&error.to_string())),
        ClaimError::Busy { .. } | ClaimError::Signed(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            sentence(&error.to_string()),
        ),
        ClaimError::Mint(_) => {
            tracing::error!(%error, "a token cannot be made");
            let text = "The mint failed; nothing was taken. Try again later.".to_owned();
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    };
    told(pages, miner, status, "No token now", text)
}

/// An error as a sentence.
fn sentence(error: &str) -> String {
    let mut letters = error.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

fn told(
    pages: &Pages,
    miner: &MinerId,
    status: StatusCode,
    title: &'static str,
    text: String,
) -> Response {
    let message = Message {
        frame: pages.frame.at("miner"),
        title,
        text,
        alarming: false,
        back: format!("/miners/{miner}"),
        back_text: "Back to the miner",
    };
    message.answer(status)
}

/// The miner of a page's path, and the mint.
fn open(pages: &Pages, key: &str) -> Result<(MinerId, Mint), Box<Response>> {
    let miner = key_check::read(key);
    let miner = miner.map_err(|no_key| Box::new(miner::no_such(pages, no_key)))?;
    let mint = pages.figures.view().mint().ok_or_else(|| {
        let text = "The mint is not open now. Your work is counted all the same, and nothing is \
                    lost: come back in a while."
            .to_owned();
        Box::new(told(
            pages,
            &miner,
            StatusCode::SERVICE_UNAVAILABLE,
            "Not now",
            text,
        ))
    })?;
    Ok((miner, mint))
}

pub(super) async fn get(
    State(pages): State<Arc<Pages>>,
    Path((key, number)): Path<(String, String)>,
) -> Response {
    let (miner, mint) = match open(&pages, &key) {
        Ok(found) => found,
        Err(response) => return *response,
    };
    let Ok(number) = number.parse() else {
        return pages.missing().await;
    };
    match mint.token(&miner, number).await {
        Ok(Some((token, state))) => page(StatusCode::OK, &shown(&pages, miner, token, state)),
        Ok(None) => pages.missing().await,
        Err(error) => refused(&pages, &miner, &ClaimError::from(error)),
    }
}

fn shown(pages: &Pages, miner: MinerId, token: Token, state: TokenState) -> TokenPage {
    let qr = Qr::of(&token.token);
    let is_dense = qr.as_ref().is_none_or(|qr| qr.dense);
    let moving = is_dense.then(|| moving(&token.token)).flatten();
    TokenPage {
        frame: pages.frame.at("miner"),
        miner: miner.to_string(),
        lock: MinerKey {
            miner,
            prefix: token.prefix,
        }
        .to_string(),
        number: token.number,
        sat: format::sat(token.amount),
        when: format::minute(token.issued_ms),
        is_unspent: state != TokenState::Spent,
        state: match state {
            TokenState::Unspent => "not redeemed yet",
            TokenState::PartlySpent => "partly redeemed, or being redeemed right now",
            TokenState::Spent => "redeemed",
        },
        token: token.token,
        qr,
        moving,
    }
}

fn moving(token: &str) -> Option<Moving> {
    let frames = token_frames(token).inspect_err(|error| tracing::warn!(%error, "no moving code"));
    let (side, frames) = qr::moving(&frames.ok()?)?;
    Some(Moving { side, frames })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_a_sentence() {
        assert_eq!(
            sentence("this pool makes no tokens"),
            "This pool makes no tokens."
        );
        assert_eq!(sentence(""), ".");
    }
}
