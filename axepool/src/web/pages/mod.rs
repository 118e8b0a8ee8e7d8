//! The pages: what a Bitaxe's owner looks at. Made here, without a build step, and whole
//! without a script.

mod assets;
mod epochs;
mod frame;
mod message;
mod set_up;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::get;

pub(crate) use assets::get as asset;
pub(crate) use frame::{Frame, guarded, page};
pub(crate) use message::Message;

use super::api::Api;
use super::kept::{self, KeptAnswers};
use crate::config::Config;
use crate::pool::View;

/// What the pages are made from.
#[derive(Debug)]
pub(crate) struct Pages {
    frame: Frame,
    view: Arc<View>,
    api: Arc<Api>,
    kept: KeptAnswers,
}

impl Pages {
    /// The pages of a running pool.
    pub(crate) fn new(
        config: &Config,
        view: &Arc<View>,
        api: &Arc<Api>,
        kept: &KeptAnswers,
    ) -> Arc<Self> {
        Arc::new(Pages {
            frame: Frame::new(config.name.clone(), config.network),
            view: Arc::clone(view),
            api: Arc::clone(api),
            kept: kept.clone(),
        })
    }

    /// The routes.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        // What is the same for everybody is made once a second.
        let kept = from_fn_with_state(self.kept.clone(), kept::kept);
        let often = Router::new()
            .route("/epochs", get(epochs::list))
            .route("/epochs/{id}", get(epochs::one))
            .layer(kept);
        often
            .route("/", get(set_up::get))
            .route("/assets/{name}", get(assets::get))
            .with_state(self)
            .layer(map_response(frame::guarded))
    }

    /// What a browser gets where nothing is.
    pub(super) async fn missing(&self) -> Response {
        frame::guarded(Message::missing(&self.frame).answer(StatusCode::NOT_FOUND)).await
    }
}
