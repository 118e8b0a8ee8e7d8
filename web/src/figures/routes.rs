//! `GET /api/pool`, `GET /api/widgets/umbrel`, `GET /api/wind-down/balances`, `GET /api/miners/{key}` and its events.

use std::sync::Arc;

use accounting::MinerId;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::response::Response;
use listener::Visitor;
use schemars::JsonSchema;
use serde::Deserialize;

use super::widget::Widget;
use super::{Figures, events as stream_of};
use crate::api::{Refusal, json, miner_in, parsed};

pub(super) async fn pool(State(figures): State<Arc<Figures>>) -> Result<Response, Refusal> {
    Ok(json(&figures.pool().await?))
}

pub(super) async fn widget(State(figures): State<Arc<Figures>>) -> Result<Response, Refusal> {
    Ok(json(&Widget::of(&figures.pool().await?)))
}

/// Which page of the balances.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "BalancesAsked")]
pub(super) struct PageAfter {
    /// `next` of the page before; without it the first page.
    #[schemars(with = "Option<MinerId>")]
    after: Option<String>,
}

pub(super) async fn balances(
    State(figures): State<Arc<Figures>>,
    query: Result<Query<PageAfter>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(PageAfter { after }) = parsed(query)?;
    let after = after.as_deref().map(miner_in).transpose()?;
    Ok(json(&figures.balances(after).await?))
}

pub(super) async fn miner(
    State(figures): State<Arc<Figures>>,
    Path(key): Path<String>,
) -> Result<Response, Refusal> {
    Ok(json(&figures.miner(miner_in(&key)?).await?))
}

/// Server-sent events `miner`, each as `GET /api/miners/{key}` answers; nothing while
/// nothing changes.
pub(super) async fn events(
    State(figures): State<Arc<Figures>>,
    Extension(visitor): Extension<Visitor>,
    Path(key): Path<String>,
) -> Result<Response, Refusal> {
    let miner = miner_in(&key)?;
    let place = figures.stream_of(miner, &visitor).await?;
    let closing = figures.closing();
    let look = move || {
        let figures = Arc::clone(&figures);
        async move {
            let figures = figures.miner(miner).await?;
            Ok(serde_json::to_string(&figures).map_err(std::io::Error::other)?)
        }
    };
    Ok(stream_of("miner", place, closing, look))
}
