//! `POST /api/miners/{key}/token` and what belongs to it.

use accounting::{KeyPrefix, MinerId, MinerKey, Sat, TypedKey};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use basics::clock::now_ms;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::HttpError;
use crate::claim::Claim;
use crate::handle::Mint;
use crate::signed::Signed;
use crate::token::{Token, TokenState};

/// Tokens in one list, the newest.
const MAX_LIST: usize = 100;

/// The result of a claim. Amounts are in satoshis, times in milliseconds since 1970.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(rename = "Claim")]
pub(super) enum ClaimAnswer {
    /// A token, locked to the miner's key (NUT-11).
    Token {
        /// `false`: the unspent one from before.
        new: bool,
        /// Counts the miner's tokens from 1.
        number: u64,
        /// Its amount.
        amount: Sat,
        /// When it was made.
        issued_ms: u64,
        /// The token itself.
        #[schemars(regex(pattern = "^cashuB"))]
        token: String,
        /// The key that it is locked to, as a wallet has to show it: `02` or `03`.
        prefix: KeyPrefix,
        /// The sats that could be claimed and are not in the token.
        waiting: Sat,
    },
    /// Nothing to claim: no error, there will be.
    Nothing {
        /// Why, in words.
        detail: &'static str,
    },
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

/// No tokens for the key any more, or tokens again; signed by the key.
#[derive(Deserialize, JsonSchema)]
pub(super) struct SweepOnlyRequest {
    /// `true`: no tokens.
    sweep_only: bool,
    #[serde(flatten)]
    signed: Signed,
}

/// The body is a [`SweepOnlyRequest`].
pub(super) async fn sweep_only(
    State(mint): State<Mint>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Json<SweepOnly>, HttpError> {
    let miner: MinerId = key.parse().map_err(HttpError::bad_request)?;
    let body: SweepOnlyRequest = serde_json::from_slice(&body).map_err(HttpError::bad_request)?;
    mint.set_sweep_only(&miner, body.sweep_only, &body.signed, now_ms())
        .await?;
    Ok(Json(SweepOnly {
        sweep_only: body.sweep_only,
    }))
}

/// Whether the key has no tokens, as it is now.
#[derive(Serialize, JsonSchema)]
pub(super) struct SweepOnly {
    /// The key's holder wants no tokens.
    sweep_only: bool,
}

/// A token. One that is spent is shown without its text.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(super) struct Listed {
    /// Counts the miner's tokens from 1.
    number: u64,
    /// Its amount.
    amount: Sat,
    /// When it was made, milliseconds since 1970.
    issued_ms: u64,
    /// Whether it is spent.
    state: TokenState,
    /// The prefix of the key that it is locked to.
    prefix: KeyPrefix,
    /// The token itself; `null` once it is spent.
    #[schemars(regex(pattern = "^cashuB"))]
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

/// A miner's tokens.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tokens")]
pub(super) struct List {
    /// The key's holder wants no tokens.
    sweep_only: bool,
    /// The newest first.
    #[schemars(length(max = MAX_LIST))]
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
