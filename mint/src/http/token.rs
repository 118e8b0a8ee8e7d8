//! `POST /api/miners/{key}/token` and what belongs to it.

use accounting::{KeyPrefix, MinerId, MinerKey, Sat, TypedKey};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use basics::clock::now_ms;
use serde::{Deserialize, Serialize};

use super::error::HttpError;
use crate::claim::Claim;
use crate::handle::Mint;
use crate::signed::Signed;
use crate::token::{Token, TokenState};

/// Tokens in one list, the newest.
const MAX_LIST: usize = 100;

/// The answer to a claim. Amounts are in satoshis, times in milliseconds since 1970.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(super) enum ClaimAnswer {
    /// A token; `new` is false when it is the unspent one from before.
    Token {
        new: bool,
        number: u64,
        amount: Sat,
        issued_ms: u64,
        token: String,
        /// The key that it is locked to, as a wallet has to show it: `02` or `03`.
        prefix: KeyPrefix,
        /// The sats that could be claimed and are not in the token.
        waiting: Sat,
    },
    /// Nothing to claim: no error, there will be.
    Nothing { detail: &'static str },
}

impl From<Claim> for ClaimAnswer {
    fn from(claim: Claim) -> Self {
        let of = |new, token: Token, waiting| ClaimAnswer::Token {
            new,
            number: token.number,
            amount: token.amount,
            issued_ms: token.issued_ms,
            token: token.token,
            prefix: token.prefix,
            waiting,
        };
        match claim {
            Claim::New { token, waiting } => of(true, token, waiting),
            Claim::Earlier { token, waiting } => of(false, token, waiting),
            Claim::Nothing => ClaimAnswer::Nothing {
                detail: "nothing to claim yet: quotes are paid after the pool is paid for a block",
            },
        }
    }
}

/// The key of a path: its miner, and the spelling if it is one. An npub has none.
fn asked(key: &str) -> Result<(MinerId, Option<KeyPrefix>), HttpError> {
    let typed: TypedKey = key.parse().map_err(HttpError::bad_request)?;
    Ok((typed.miner, typed.prefix))
}

/// The signature in a body that is empty, `{}`, or `{"time_ms", "signature"}`; half of that
/// is no unsigned request.
fn signature(body: &Bytes) -> Result<Option<Signed>, HttpError> {
    #[derive(Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        time_ms: Option<u64>,
        signature: Option<String>,
    }
    let body: Body = if body.is_empty() {
        Body::default()
    } else {
        serde_json::from_slice(body).map_err(HttpError::bad_request)?
    };
    match (body.time_ms, body.signature) {
        (Some(time_ms), Some(signature)) => Ok(Some(Signed { time_ms, signature })),
        (None, None) => Ok(None),
        _ => Err(HttpError::bad_request(
            "time_ms and signature belong together",
        )),
    }
}

/// `POST /api/miners/{key}/token`. The body is as [`signature`] reads it.
pub(super) async fn claim(
    State(mint): State<Mint>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Json<ClaimAnswer>, HttpError> {
    let (miner, prefix) = asked(&key)?;
    let signed = signature(&body)?;
    let claim = mint
        .claim(&miner, prefix, signed.as_ref(), now_ms())
        .await?;
    Ok(Json(claim.into()))
}

/// `POST /api/miners/{key}/tokens/{number}/reissue`: the unspent token, locked to the key as
/// the path spells it. The body is as [`signature`] reads it.
pub(super) async fn reissue(
    State(mint): State<Mint>,
    Path((key, number)): Path<(String, u64)>,
    body: Bytes,
) -> Result<Json<Listed>, HttpError> {
    let (miner, prefix) = asked(&key)?;
    let prefix = match prefix {
        Some(prefix) => prefix,
        None => mint.typed(&miner).await?.prefix,
    };
    let signed = signature(&body)?;
    let key = MinerKey { miner, prefix };
    let token = mint.reissue(key, number, signed.as_ref(), now_ms()).await?;
    Ok(Json(Listed::of(token, TokenState::Unspent)))
}

/// The body is `{"sweep_only": bool, "time_ms", "signature"}`.
pub(super) async fn sweep_only(
    State(mint): State<Mint>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Json<SweepOnly>, HttpError> {
    #[derive(Deserialize)]
    struct Body {
        sweep_only: bool,
        #[serde(flatten)]
        signed: Signed,
    }
    let miner: MinerId = key.parse().map_err(HttpError::bad_request)?;
    let body: Body = serde_json::from_slice(&body).map_err(HttpError::bad_request)?;
    mint.set_sweep_only(&miner, body.sweep_only, &body.signed, now_ms())
        .await?;
    Ok(Json(SweepOnly {
        sweep_only: body.sweep_only,
    }))
}

#[derive(Serialize)]
pub(super) struct SweepOnly {
    sweep_only: bool,
}

/// A token in the list of earlier ones. Those that are spent are shown without it.
#[derive(Serialize)]
pub(super) struct Listed {
    number: u64,
    amount: Sat,
    issued_ms: u64,
    state: TokenState,
    prefix: KeyPrefix,
    token: Option<String>,
}

impl Listed {
    fn of(token: Token, state: TokenState) -> Listed {
        Listed {
            number: token.number,
            amount: token.amount,
            issued_ms: token.issued_ms,
            state,
            prefix: token.prefix,
            token: (state != TokenState::Spent).then_some(token.token),
        }
    }
}

#[derive(Serialize)]
pub(super) struct List {
    sweep_only: bool,
    tokens: Vec<Listed>,
}

pub(super) async fn list(
    State(mint): State<Mint>,
    Path(key): Path<String>,
) -> Result<Json<List>, HttpError> {
    let miner: MinerId = key.parse().map_err(HttpError::bad_request)?;
    let tokens = mint.tokens(&miner, MAX_LIST).await?;
    let tokens = tokens.into_iter();
    let tokens = tokens.map(|(token, state)| Listed::of(token, state));
    Ok(Json(List {
        sweep_only: mint.sweep_only(&miner).await?,
        tokens: tokens.collect(),
    }))
}
