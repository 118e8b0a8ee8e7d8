//! The mint over HTTP: cdk's routes under `/v1`, ours beside them.

mod api;
mod detached;
mod error;
mod form;
mod limits;
mod lookup;
mod melt;
mod places;
mod refused;
mod repeated;
mod restored;
mod token;
mod ws;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::post;
use tower_http::cors::{Any, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use crate::handle::Mint;
use crate::quote::METHOD;
pub use api::described;
use limits::{MAX_BODY_BYTES, TIMEOUT};
use places::Places;
#[cfg(fuzzing)]
pub use ws::run_messages;

/// The routes could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the mint's routes: {0}")]
pub struct RouterError(String);

impl Mint {
    /// All routes of the mint, to be merged with the pool's pages:
    ///
    /// - `/v1/*` as the NUTs say, and `POST /v1/mint/quote/axepool/pubkey`
    /// - `POST /api/miners/{key}/token`, `GET /api/miners/{key}/tokens`,
    ///   `POST /api/miners/{key}/tokens/{number}/reissue`, `POST /api/miners/{key}/sweep-only`
    ///
    /// All of them answer web wallets of any origin (CORS): nothing here trusts a
    /// cookie or an address.
    pub async fn router(&self) -> Result<Router, RouterError> {
        self.router_over(Places::new(self)).await
    }

    /// The same with these places for requests.
    async fn router_over(&self, places: Places) -> Result<Router, RouterError> {
        let mut methods = vec![METHOD.to_owned()];
        if self.has_lightning() {
            methods.extend(["bolt11", "bolt12"].map(str::to_owned));
        }
        let nuts = cdk_axum::create_mint_router(Arc::clone(self.cdk()), methods)
            .await
            .map_err(|error| RouterError(error.to_string()))?;
        let ours = Router::new()
            .route("/v1/mint/quote/{method}/pubkey", post(lookup::post))
            .merge(openapi::router(api::endpoints()))
            .layer(
                CorsLayer::new()
                    .allow_origin(Any)
                    .allow_methods(Any)
                    .allow_headers(Any),
            )
            .with_state(self.clone());
        Ok(nuts
            .merge(ours)
            .layer(from_fn_with_state(self.clone(), ws::instead))
            .layer(from_fn(refused::in_words))
            .layer(from_fn_with_state(self.clone(), melt::in_words))
            .layer(from_fn_with_state(self.clone(), restored::in_words))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(from_fn_with_state(places, places::one_place))
            // Around all that works: it ends the waiting of a client and not the work.
            .layer(TimeoutLayer::with_status_code(
                StatusCode::REQUEST_TIMEOUT,
                TIMEOUT,
            ))
            .layer(from_fn(form::of_the_nuts)))
    }
}
