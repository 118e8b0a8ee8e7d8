//! The public JSON of the books: payments and their splits, and for each miner a signed
//! receipt of their work so far.
//!
//! All routes are read-only. Disk reads have a concurrency limit: at most eight run at
//! once; a ninth waits 0.5 s, then gets 503 (`places.rs`). Of two requests for the same
//! audit file one makes it. No answer shows payments of others to the operator, nor a
//! payer's note outside of the audit file.

mod answer;
pub(crate) mod audit;
mod csv;
pub(crate) mod epochs;
mod files;
mod index;
pub(crate) mod notices;
mod operations;
mod payouts;
mod places;
mod receipt;
pub(crate) mod split;
mod touched;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use bitcoin::secp256k1::XOnlyPublicKey;
use ledger::{Ledger, LedgerError, Reader};
use openapi::{Described, Endpoint};
use pool::admin::PayoutRow;
use pool::config::{Config, PublicUrl};
use pool::control::AuditIndex;
use pool::data_dir;
use signed::ReceiptKey;

use super::kept::{self, KeptAnswers};
pub(crate) use answer::{Refusal, json, miner_in, parsed};
use audit::Listed;
use files::AuditFiles;
use places::Places;
use split::Tables;
use touched::Touched;

/// What the routes answer from.
#[derive(Debug)]
pub(crate) struct Api {
    reader: Reader,
    files: AuditFiles,
    tables: Tables,
    receipts: Option<ReceiptKey>,
    places: Places,
    /// What of settled payouts never changes, as far as it was asked for.
    settled: Mutex<Settled>,
    about: About,
}

/// Which pool this is.
#[derive(Clone, Debug, Default)]
struct About {
    name: String,
    network: String,
    payout_address: String,
    /// The mint's URL, as its tokens name it.
    mint: String,
}

/// What of settled payouts never changes.
#[derive(Debug, Default)]
struct Settled {
    index: AuditIndex,
    listed: Listed,
    touched: Touched,
}

impl Api {
    /// The books of `ledger`. Without a key there are no receipts; miners come first.
    pub(crate) fn new(config: &Config, ledger: &Ledger, mint: &PublicUrl) -> Arc<Api> {
        let path = data_dir::receipt_key(&config.data_dir);
        let receipts = ReceiptKey::open(&path).inspect_err(|error| {
            tracing::error!(
                error = format_args!("{error:#}"),
                "there are no receipts; mining goes on"
            );
        });
        Self::with(
            ledger.reader().clone(),
            receipts.ok(),
            &data_dir::audit_cache(&config.data_dir),
            About {
                name: config.name.clone(),
                network: config.network.to_string(),
                payout_address: config.income.address.to_string(),
                mint: mint.to_string(),
            },
        )
    }

    fn with(reader: Reader, receipts: Option<ReceiptKey>, cache: &Path, about: About) -> Arc<Api> {
        Arc::new(Api {
            files: AuditFiles::new(reader.clone(), cache),
            tables: Tables::new(),
            reader,
            receipts,
            places: Places::new(),
            settled: Mutex::default(),
            about,
        })
    }

    /// The routes.
    pub(crate) fn router(self: Arc<Self>, kept: KeptAnswers) -> Router {
        openapi::router(often())
            // The same as `/api/`, for those who leave the slash out.
            .route("/api", get(index::get))
            .layer(from_fn_with_state(kept, kept::kept))
            .merge(openapi::router(rarely()))
            .with_state(self)
    }

    /// The key that receipts are signed with, and signed requests are for.
    pub(crate) fn receipt_key(&self) -> Option<XOnlyPublicKey> {
        self.receipts.as_ref().map(ReceiptKey::public)
    }

    /// The pool's address on the web, without a slash at its end.
    pub(crate) fn url(&self) -> &str {
        &self.about.mint
    }

    /// The address that OCEAN knows the pool by.
    pub(crate) fn payout_address(&self) -> &str {
        &self.about.payout_address
    }

    fn settled(&self) -> MutexGuard<'_, Settled> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The books.
    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The newest payments that are the miners', or may become so.
    pub(super) fn payouts(&self, newest: usize) -> Result<Vec<PayoutRow>, LedgerError> {
        payouts::listed(self, newest)
    }

    /// Looks at the disk, on a thread that may wait for it.
    pub(super) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Api) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = self.places.take().await?;
        let api = Arc::clone(self);
        // The look goes on when who asked is gone, and so it keeps its place.
        let looked = tokio::task::spawn_blocking(move || {
            let _place = place;
            look(&api)
        });
        let looked = looked.await;
        Ok(looked.map_err(|_| LedgerError::Closed)??)
    }
}

/// The endpoints whose answers may be a second old.
fn often() -> [Endpoint<Arc<Api>>; 6] {
    [
        Endpoint::at("/api/").get(index::get, operations::index()),
        Endpoint::at("/api/audit").get(audit::list, operations::audit()),
        Endpoint::at("/api/epochs").get(epochs::list, operations::epochs()),
        Endpoint::at("/api/epochs/{id}").get(epochs::one, operations::epoch()),
        Endpoint::at("/api/epochs/{id}/split").get(split::get, operations::split()),
        Endpoint::at("/api/payouts").get(payouts::list, operations::payouts()),
    ]
}

/// What is kept elsewhere, or is of the moment.
fn rarely() -> [Endpoint<Arc<Api>>; 2] {
    [
        Endpoint::at("/api/audit/{file}").get(audit::file, operations::audit_file()),
        Endpoint::at("/api/miners/{key}/receipt").get(receipt::get, operations::receipt()),
    ]
}

/// The description of the routes here, those of the notices among them.
pub(crate) fn described() -> impl Iterator<Item = Described> {
    let books = often().into_iter().chain(rarely());
    let books = books.map(Endpoint::described);
    books.chain(notices::endpoints().map(Endpoint::described))
}
