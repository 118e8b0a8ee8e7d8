//! What the pool knows of those that show it to people and programs: the listeners of
//! pages, of metrics and of the operator. It asks them for a few things and gives them the
//! running pool; which there are, and what they answer, it does not know.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use prometheus::Registry;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::View;
use crate::config::Config;

/// Listeners that are bound before miners can connect, and serve once the pool runs.
pub trait Faces {
    /// Where they are, as bound.
    ///
    /// # Errors
    /// The system does not say.
    fn addresses(&self) -> Result<FaceAddresses>;

    /// Begins to serve `running`.
    ///
    /// # Errors
    /// A metric's name is taken, or a listener cannot be set up.
    fn serve(self, running: &Running<'_>) -> Result<Shown>;
}

/// Where the pool is shown.
#[derive(Clone, Debug, Default)]
pub struct FaceAddresses {
    /// The metrics.
    pub metrics: Vec<SocketAddr>,
    /// The pages and the mint.
    pub http: Vec<SocketAddr>,
}

/// A pool that runs, for those who show it.
#[derive(Debug)]
pub struct Running<'a> {
    /// What it was told.
    pub config: &'a Config,
    /// What there is to know about it.
    pub view: &'a Arc<View>,
    /// Its metrics.
    pub registry: &'a Registry,
    /// Where everything beside mining runs.
    pub handle: &'a Handle,
    /// Ends what is served.
    pub cancel: &'a CancellationToken,
    /// Is waited for at the end.
    pub tasks: &'a TaskTracker,
}

/// What those who show the pool tell of themselves.
pub struct Shown {
    /// What `axepool status` and `/readyz` tell.
    pub telling: Arc<dyn Telling>,
    /// Where the mint's routes go when it opens.
    pub routes: Routes,
}

/// What the pool's status tells of its listeners.
pub trait Telling: fmt::Debug + Send + Sync + 'static {
    /// Where the tor process brings visitors, as bound.
    fn onion(&self) -> &[SocketAddr];

    /// Why no page is served over TLS, if so.
    fn certificate_trouble(&self) -> Option<String>;

    /// The operator's page with what opens it; `None` while it is nowhere.
    fn operator_url(&self) -> Option<String>;
}

/// Takes the mint's routes when it opens; clones share them.
#[derive(Clone)]
pub struct Routes(Arc<dyn Fn(Router) + Send + Sync>);

impl Routes {
    /// Gives them to `open`.
    pub fn new(open: impl Fn(Router) + Send + Sync + 'static) -> Self {
        Routes(Arc::new(open))
    }

    /// From now on the mint answers, too.
    pub(crate) fn open_mint(&self, mint: Router) {
        (self.0)(mint);
    }
}
