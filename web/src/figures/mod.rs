//! The figures of the pool and of a miner, for the pages and the JSON alike
//! (docs/decisions/0011-figures-of-the-pages.md). Hashrate plots come from the ledger's
//! buckets, devices from `pool/history/`, claimable sats from the mint. All routes are
//! read-only, and estimates are called estimates in their names or texts.
//!
//! `/api/miners/{key}/events` and `/miners/{key}/live` stream the figures as server-sent
//! events, as JSON and as HTML.

mod balances;
mod earnings;
mod hashrate;
mod miner;
mod operations;
mod routes;
mod stream;
mod totals;
mod widget;

use std::sync::Arc;

use accounting::MinerId;
use accounting::settle::MinerAccount;
use axum::Router;
use axum::middleware::from_fn_with_state;
use openapi::{Described, Endpoint};
use pool::run::View;
use tokio_util::sync::CancellationToken;

use basics::clock;
pub(crate) use earnings::{Earning, EarningState, OlderPaid, StatementLine};
pub(crate) use hashrate::Hashrate;
#[cfg(test)]
pub(crate) use hashrate::Point;
use listener::{Place, Visitor};
pub(crate) use miner::{MinerFigures, WorkerFigures};
use stream::Streams;
pub(super) use stream::events;
pub(crate) use totals::{BlockFigures, PoolFigures};

use super::api::{Api, Refusal};
use super::gzip;
use super::kept::{self, KeptAnswers};

/// The endpoints that answer everybody alike.
fn of_everybody() -> [Endpoint<Arc<Figures>>; 3] {
    [
        Endpoint::at("/api/pool").get(routes::pool, operations::pool()),
        Endpoint::at("/api/widgets/umbrel").get(routes::widget, operations::widget()),
        Endpoint::at("/api/wind-down/balances").get(routes::balances, operations::balances()),
    ]
}

fn of_miner() -> Endpoint<Arc<Figures>> {
    Endpoint::at("/api/miners/{key}").get(routes::miner, operations::miner())
}

fn news() -> Endpoint<Arc<Figures>> {
    Endpoint::at("/api/miners/{key}/events").get(routes::events, operations::events())
}

/// The description of these routes.
pub(super) fn described() -> impl Iterator<Item = Described> {
    let all = of_everybody().into_iter().chain([of_miner(), news()]);
    all.map(Endpoint::described)
}

/// Where the numbers come from.
#[derive(Debug)]
pub(crate) struct Figures {
    view: Arc<View>,
    api: Arc<Api>,
    streams: Streams,
    /// Held by who makes a page of the balances.
    balances: tokio::sync::Mutex<()>,
    /// Ends the streams.
    closing: CancellationToken,
}

impl Figures {
    /// Of a running pool, until `closing`.
    pub(crate) fn new(view: &Arc<View>, api: &Arc<Api>, closing: CancellationToken) -> Arc<Self> {
        Arc::new(Figures {
            view: Arc::clone(view),
            api: Arc::clone(api),
            streams: Streams::default(),
            balances: tokio::sync::Mutex::default(),
            closing,
        })
    }

    /// The routes.
    pub(crate) fn router(self: Arc<Self>, kept: KeptAnswers) -> Router {
        // What is the same for everybody is made once a second.
        let packed = from_fn_with_state(kept.packer().clone(), gzip::packed);
        openapi::router(of_everybody())
            .layer(from_fn_with_state(kept, kept::kept))
            .merge(openapi::router([of_miner()]).layer(packed))
            .merge(openapi::router([news()]))
            .with_state(self)
    }

    /// The running pool.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Ends the streams.
    pub(super) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// The pool now.
    pub(super) async fn pool(&self) -> Result<PoolFigures, Refusal> {
        let view = Arc::clone(&self.view);
        let look = move |api: &Api| PoolFigures::look(&view, api, clock::now_ms());
        self.api.look(look).await
    }

    /// A place for somebody who wants news of a miner.
    ///
    /// # Errors
    /// The key has no work here, or all places are taken, or too many by this visitor.
    pub(super) async fn stream_of(
        &self,
        miner: MinerId,
        visitor: &Visitor,
    ) -> Result<Place, Refusal> {
        let place = self.streams.enter(visitor)?;
        let look = move |api: &Api| {
            let reader = api.reader();
            let account = reader.miner_account(&miner)?;
            Ok(account != MinerAccount::default() || !reader.workers(&miner)?.is_empty())
        };
        match self.api.look(look).await? {
            true => Ok(place),
            false => Err(Refusal::Missing(
                "no share of this key was counted yet: its news begin with the first".to_owned(),
            )),
        }
    }

    /// A miner now; all zero for a key that never mined here.
    pub(super) async fn miner(&self, miner: MinerId) -> Result<MinerFigures, Refusal> {
        let claimable = match self.view.claimable(&miner).await {
            Ok(claimable) => claimable,
            Err(error) => {
                // The rest of the page is the ledger's, and needs no mint.
                tracing::warn!(%error, "the claimable sats of a key cannot be read");
                None
            }
        };
        let view = Arc::clone(&self.view);
        let look = move |api: &Api| {
            let devices = view.history().devices_of(&miner);
            MinerFigures::look(api.reader(), miner, devices, claimable, clock::now_ms())
        };
        self.api.look(look).await
    }
}
