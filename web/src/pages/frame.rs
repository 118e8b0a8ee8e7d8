//! The frame around every page, and the headers of all pages.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use bitcoin::Network;

use super::assets;

/// Nothing from elsewhere, nothing inline, and in nobody's frame: what a page shows was
/// written by strangers as well.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// What stands around a page. A template has one in its field `frame`, and extends
/// `base.html`.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The pool's name.
    pub(crate) pool: String,
    network: Network,
    here: &'static str,
}

impl Frame {
    /// Of a pool's pages; they differ in [`Self::at`].
    pub(crate) fn new(pool: String, network: Network) -> Self {
        Frame {
            pool,
            network,
            here: "",
        }
    }

    /// For a page in the part `here` of the pages: `set-up`, `epochs`, `miner` or `solvency`.
    pub(crate) fn at(&self, here: &'static str) -> Self {
        Frame {
            here,
            ..self.clone()
        }
    }

    /// True in this part of the pages.
    pub(crate) fn is_at(&self, here: &str) -> bool {
        self.here == here
    }

    /// The network, where its coins are for tests.
    pub(crate) fn test_network(&self) -> Option<String> {
        (self.network != Network::Bitcoin).then(|| self.network.to_string())
    }

    /// Where the file `name` of `assets/` is.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::link(name)
    }

    /// Which Axepool this is.
    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// A page as an answer. It is of this moment: nobody keeps it without asking.
pub(crate) fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (
            status,
            [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))],
            Html(html),
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The headers that keep a page to itself.
pub(crate) async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}
