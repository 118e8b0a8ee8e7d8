//! The HTML pages for the owners of devices.
//!
//! Pages are rendered from `web/templates/` (the template engine escapes all values),
//! with one style sheet and a few scripts from `web/assets/`, all compiled into the
//! binary without a separate build step. Each page works completely without scripts. No
//! page has inline scripts or foreign resources: the content security policy in `frame.rs`
//! forbids both. The link to a file of `assets/` contains the beginning of its hash, so
//! browsers may keep it for ever. A page's template extends `base.html` and has a `Frame`
//! in its field `frame`.
//!
//! A visitor's input in a key field is never echoed or logged (`key_check.rs`;
//! `assets/set-up.js` gives the same messages before anything is sent).

mod assets;
mod epochs;
mod first_run;
mod format;
mod frame;
mod key_check;
mod message;
mod miner;
mod plot;
mod qr;
mod set_up;
mod solvency;
mod tells;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use pool::config::Config;

pub(crate) use assets::embedded;
pub(crate) use assets::get as asset;
pub(crate) use first_run::PATH as FIRST_RUN;
pub(crate) use frame::{Frame, guarded, page};
pub(crate) use message::Message;
use notices::Desk;

use super::api::{Api, Refusal};
use super::figures::Figures;
use super::gzip;
use super::kept::{self, KeptAnswers};
use tells::Tells;

/// What the pages are made from.
#[derive(Debug)]
pub(crate) struct Pages {
    frame: Frame,
    figures: Arc<Figures>,
    api: Arc<Api>,
    kept: KeptAnswers,
    /// The host of `http.public_url`, if one is set.
    public_host: Option<String>,
    /// Why this pool makes no tokens, if so.
    no_tokens: Option<&'static str>,
    /// How owners can be told of their miner, if this pool tells.
    tells: Option<Tells>,
}

impl Pages {
    /// The pages of a running pool.
    pub(crate) fn new(
        config: &Config,
        figures: &Arc<Figures>,
        api: &Arc<Api>,
        kept: &KeptAnswers,
        desk: Option<&Desk>,
    ) -> Arc<Self> {
        let public_url = config.http.public_url.as_ref();
        Arc::new(Pages {
            frame: Frame::new(config.name.clone(), config.network),
            figures: Arc::clone(figures),
            api: Arc::clone(api),
            kept: kept.clone(),
            public_host: public_url.map(|url| url.host().to_owned()),
            no_tokens: config.http.no_tokens(config.network),
            tells: desk.map(|desk| Tells::new(api.url(), desk.policy())),
        })
    }

    /// The routes.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        // What is the same for everybody is made once a second.
        let kept = from_fn_with_state(self.kept.clone(), kept::kept);
        let packed = from_fn_with_state(self.kept.packer().clone(), gzip::packed);
        let often = Router::new()
            .route("/", get(set_up::get))
            .route("/epochs", get(epochs::list))
            .route("/epochs/{id}", get(epochs::one))
            .route("/solvency", get(solvency::get))
            .layer(kept);
        let of_miners = Router::new()
            .route("/miners", get(miner::find).post(miner::find_typed))
            .route("/miners/{key}", get(miner::get))
            .route("/miners/{key}/tokens/{number}", get(token::get))
            .layer(packed);
        often
            .merge(of_miners)
            .route("/assets/{name}", get(assets::get))
            .route(FIRST_RUN, get(first_run::get))
            .route("/miners/{key}/live", get(miner::live))
            .route("/miners/{key}/claim", post(token::claim))
            .with_state(self)
            .layer(map_response(frame::guarded))
    }

    /// What a browser gets where nothing is.
    pub(super) async fn missing(&self) -> Response {
        frame::guarded(Message::missing(&self.frame).answer(StatusCode::NOT_FOUND)).await
    }

    /// What a browser gets when the numbers cannot be had.
    fn refused(&self, refusal: &Refusal) -> Response {
        let message = Message {
            frame: self.frame.clone(),
            title: "Not now",
            text: format!("This page cannot be made: {refusal}."),
            alarming: false,
            back: "/".to_owned(),
            back_text: "To the first page",
        };
        message.answer(refusal.status())
    }

    /// The ports where devices connect: plain, and with TLS.
    fn ports(&self) -> (Option<u16>, Option<u16>) {
        let port = |addresses: &[SocketAddr]| addresses.first().map(SocketAddr::port);
        let view = self.figures.view();
        (port(view.stratum()), port(view.stratum_tls()))
    }
}
