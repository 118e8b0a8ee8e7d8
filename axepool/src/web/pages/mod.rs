//! The pages: what a Bitaxe's owner looks at. Made here, without a build step, and whole
//! without a script.

mod assets;
mod frame;
mod message;
mod set_up;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;

pub(crate) use frame::{Frame, page};
pub(crate) use message::Message;

use crate::config::Config;
use crate::pool::View;

/// What the pages are made from.
#[derive(Debug)]
pub(crate) struct Pages {
    frame: Frame,
    view: Arc<View>,
}

impl Pages {
    /// The pages of a running pool.
    pub(crate) fn new(config: &Config, view: &Arc<View>) -> Arc<Self> {
        Arc::new(Pages {
            frame: Frame::new(config.name.clone(), config.network),
            view: Arc::clone(view),
        })
    }

    /// The routes.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
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
