//! The handle to an open mint: its parts, which the `impl Mint` of the other modules work on.

use std::sync::{Arc, Mutex, PoisonError};

use accounting::EpochId;
use cdk_common::database::DynMintDatabase;
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{MintInfo, PublicKey};

use crate::config::MintConfig;
use crate::epochs::{EpochMark, Epochs};
use crate::metrics::Metrics;
use crate::pause::Pause;
use crate::quote::QuoteIds;
use crate::store::Door;

/// A handle to the mint; clones share it.
#[derive(Clone)]
pub struct Mint(Arc<Inner>);

/// The parts of an open mint.
pub(crate) struct Inner {
    pub(crate) cdk: Arc<cdk::mint::Mint>,
    pub(crate) store: DynMintDatabase,
    pub(crate) door: Arc<Door>,
    pub(crate) ids: QuoteIds,
    pub(crate) key: PublicKey,
    pub(crate) url: MintUrl,
    pub(crate) config: MintConfig,
    pub(crate) lightning: bool,
    pub(crate) epochs: Epochs,
    pub(crate) pause: Arc<Pause>,
    /// The operator's notice to owners.
    pub(crate) notice: Mutex<Option<String>>,
    /// The NUT-06 info of an open mint whose melts are not paused.
    pub(crate) info: tokio::sync::Mutex<MintInfo>,
    pub(crate) metrics: Arc<Metrics>,
    /// The error of the worker's last step, if it failed.
    pub(crate) trouble: Mutex<Option<String>>,
}

impl Mint {
    pub(crate) fn new(inner: Inner) -> Mint {
        Mint(Arc::new(inner))
    }

    /// The mint's own public key (NUT-06), which signed requests name.
    pub fn public_key(&self) -> bitcoin::secp256k1::PublicKey {
        *self.0.key
    }

    /// Stops the mint's background work. Nothing durable depends on this.
    pub async fn close(&self) -> Result<(), cdk::Error> {
        self.0.cdk.stop().await
    }

    /// The end of an epoch, if the ledger has reported it.
    pub fn epoch_mark(&self, epoch: EpochId) -> Option<EpochMark> {
        self.0.epochs.get(epoch)
    }

    /// The error of the worker's last step, while the outbox waits because of it. The worker
    /// retries the step.
    pub fn worker_trouble(&self) -> Option<String> {
        self.0
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_worker_trouble(&self, why: Option<String>) {
        *self
            .0
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(crate) fn cdk(&self) -> &Arc<cdk::mint::Mint> {
        &self.0.cdk
    }

    pub(crate) fn store(&self) -> &DynMintDatabase {
        &self.0.store
    }

    /// The operator's notice to owners.
    pub(crate) fn notice(&self) -> Option<String> {
        self.0
            .notice
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn keep_notice(&self, notice: Option<String>) {
        *self.0.notice.lock().unwrap_or_else(PoisonError::into_inner) = notice;
    }

    pub(crate) fn epochs(&self) -> &Epochs {
        &self.0.epochs
    }

    pub(crate) fn door(&self) -> &Door {
        &self.0.door
    }

    pub(crate) fn ids(&self) -> &QuoteIds {
        &self.0.ids
    }

    /// The mint's public key in hex, as its info names it (NUT-06).
    pub fn key_hex(&self) -> String {
        self.0.key.to_hex()
    }

    pub(crate) fn key(&self) -> &PublicKey {
        &self.0.key
    }

    pub(crate) fn url(&self) -> &MintUrl {
        &self.0.url
    }

    pub(crate) fn config(&self) -> &MintConfig {
        &self.0.config
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn pause(&self) -> &Pause {
        &self.0.pause
    }

    pub(crate) fn info(&self) -> &tokio::sync::Mutex<MintInfo> {
        &self.0.info
    }

    pub(crate) fn has_lightning(&self) -> bool {
        self.0.lightning
    }
}
