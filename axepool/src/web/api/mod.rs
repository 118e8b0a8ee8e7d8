//! What the pool publishes of its books, as JSON, for anybody: what came and how it was
//! split, and for each miner a receipt of their work so far.
//!
//! All of it is looked up, nothing is changed. What looks at the disk has a place for it
//! or is told to come back; of two that ask for the same audit file one makes it.

mod answer;
mod audit;
mod csv;
mod epochs;
mod files;
pub(crate) mod notices;
mod payouts;
mod receipt;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use bitcoin::secp256k1::XOnlyPublicKey;
use ledger::{Ledger, LedgerError, Reader};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::config::{Config, PublicUrl};
use crate::data_dir;
use crate::money::AuditIndex;
use crate::receipt::ReceiptKey;
use answer::Refusal;
use audit::Listed;
use files::AuditFiles;

/// So many look at the disk at once. The next one is told to come back: strangers shall
/// not queue up before the mint, which waits for the same disk.
const PLACES: usize = 8;

/// What the routes answer from.
#[derive(Debug)]
pub(crate) struct Api {
    reader: Reader,
    files: AuditFiles,
    receipts: Option<ReceiptKey>,
    places: Arc<Semaphore>,
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
            reader,
            receipts,
            places: Arc::new(Semaphore::new(PLACES)),
            settled: Mutex::default(),
            about,
        })
    }

    /// The routes.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api", get(index))
            .route("/api/", get(index))
            .route("/api/audit", get(audit::list))
            .route("/api/audit/{file}", get(audit::file))
            .route("/api/epochs", get(epochs::list))
            .route("/api/epochs/{id}", get(epochs::one))
            .route("/api/payouts", get(payouts::list))
            .route("/api/miners/{key}/receipt", get(receipt::get))
            .with_state(self)
    }

    /// The key that receipts are signed with, and signed requests are for.
    pub(crate) fn receipt_key(&self) -> Option<XOnlyPublicKey> {
        self.receipts.as_ref().map(ReceiptKey::public)
    }

    fn settled(&self) -> MutexGuard<'_, Settled> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the disk, on a thread that may wait for it.
    async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Api) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refusal::Busy)?;
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

async fn index(State(api): State<Arc<Api>>) -> Response {
    answer::json(&json!({
        "name": api.about.name,
        "network": api.about.network,
        "version": env!("CARGO_PKG_VERSION"),
        "payout_address": api.about.payout_address,
        "mint": api.about.mint,
        "mint_info": "/v1/info",
        "ledger": api.reader.incarnation(),
        "receipt_key": api.receipts.as_ref().map(ReceiptKey::public),
        "receipt": "/api/miners/{key}/receipt",
        "epochs": "/api/epochs",
        "payouts": "/api/payouts",
        "audit": "/api/audit",
        "solvency": "/api/solvency",
    }))
}
