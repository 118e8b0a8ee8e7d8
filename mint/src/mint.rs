//! The mint: cdk's, in this process, with a store of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use cdk::mint::MintBuilder;
use cdk_common::database::{DynMintDatabase, Error as StoreError};
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{MintInfo, PublicKey};
use cdk_sqlite::MintSqliteDatabase;
use ledger::EpochId;
use prometheus::Registry;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::apply::EpochMark;
use crate::config::MintConfig;
use crate::copy::CopyError;
use crate::index;
use crate::info;
use crate::lightning::Lightning;
use crate::marks::{self, Marking};
use crate::melts;
use crate::metrics::{CountWrites, Metrics};
use crate::outbox::{Outbox, Row};
use crate::pause::Pause;
use crate::quote::QuoteIds;
use crate::restored::Opening;
use crate::seed::{self, FINGERPRINT, Seed, SeedError};
use crate::store::{Door, Store, WriteGuard};
use crate::version;
use crate::worker::Worker;

/// Why the mint did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory cannot be made.
    #[error("{}: {error}", path.display())]
    Dir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is no usable mnemonic.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The mnemonic is not the one that the store's keys came from.
    #[error("{} holds another mnemonic than the one that the store was made with", path.display())]
    OtherMnemonic {
        /// The file.
        path: PathBuf,
    },
    /// The store cannot be opened or written.
    #[error("the mint's store: {0}")]
    Store(#[from] StoreError),
    /// A newer program wrote the store.
    #[error(
        "{} was written by a newer version of this program: it has {found}, the newest known \
         here is {known}. Start the newer version again",
        path.display()
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// What it has.
        found: String,
        /// The newest that this program knows.
        known: String,
    },
    /// What a restore left in the store cannot be read.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// cdk refuses to start.
    #[error("the mint: {0}")]
    Cdk(#[from] cdk::Error),
    /// The public URL is none.
    #[error("public_url {url:?} is not a URL that wallets can use: {error}")]
    PublicUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        error: cdk_common::mint_url::Error,
    },
    /// A metric's name is taken.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// The mint's metrics, registered once for however many times it is opened.
#[derive(Clone)]
pub struct MintMetrics(Arc<Metrics>);

impl MintMetrics {
    /// Registers all of them; an error is a name that is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(MintMetrics(Arc::new(Metrics::register(registry)?)))
    }
}

/// A handle to the mint; clones share it.
#[derive(Clone)]
pub struct Mint(Arc<Inner>);

struct Inner {
    cdk: Arc<cdk::mint::Mint>,
    store: DynMintDatabase,
    door: Arc<Door>,
    ids: QuoteIds,
    key: PublicKey,
    url: MintUrl,
    config: MintConfig,
    lightning: bool,
    epochs: RwLock<BTreeMap<EpochId, EpochMark>>,
    pause: Arc<Pause>,
    /// What owners are told beside everything else.
    notice: Mutex<Option<String>>,
    /// What the mint says of itself when melts are not paused.
    info: tokio::sync::Mutex<MintInfo>,
    metrics: Arc<Metrics>,
    /// Why the worker's last step failed.
    trouble: Mutex<Option<String>>,
}

impl Mint {
    /// Opens the mint and makes it ready to answer: the store, the keys, and what it
    /// says about itself. Without `lightning` nothing can be melted, and the mint
    /// says so.
    pub async fn open(
        config: MintConfig,
        lightning: Option<Arc<dyn Lightning>>,
        registry: &Registry,
    ) -> Result<Mint, OpenError> {
        Self::open_with(config, lightning, &MintMetrics::register(registry)?).await
    }

    /// The same with metrics that are registered already, so that it can be tried again
    /// when it fails.
    pub async fn open_with(
        config: MintConfig,
        lightning: Option<Arc<dyn Lightning>>,
        metrics: &MintMetrics,
    ) -> Result<Mint, OpenError> {
        let metrics = Arc::clone(&metrics.0);
        let guard = Arc::new(CountWrites(Arc::clone(&metrics)));
        Self::open_guarded(config, lightning, metrics, guard).await
    }

    pub(crate) async fn open_guarded(
        config: MintConfig,
        lightning: Option<Arc<dyn Lightning>>,
        metrics: Arc<Metrics>,
        guard: Arc<dyn WriteGuard>,
    ) -> Result<Mint, OpenError> {
        let url = config
            .public_url
            .parse()
            .map_err(|error| OpenError::PublicUrl {
                url: config.public_url.clone(),
                error,
            })?;
        std::fs::create_dir_all(&config.dir).map_err(|error| OpenError::Dir {
            path: config.dir.clone(),
            error,
        })?;
        let path = config.dir.join("mint.sqlite");
        let seed = seed::open(
            &config.mnemonic_file,
            config.had_store || path.exists(),
            rand::random,
        )?;
        version::check_tables(&path)?;
        let sqlite = Arc::new(MintSqliteDatabase::new(path.clone()).await?);
        let door = Arc::<Door>::default();
        let marking = Arc::new(Marking::new(config.witness.clone()));
        let inner = Arc::clone(&sqlite) as _;
        let store = Store::new(inner, guard, Arc::clone(&door), Arc::clone(&marking));
        let store: DynMintDatabase = Arc::new(store);
        check_fingerprint(&store, &seed, &config).await?;
        version::check_records(&store, &path).await?;
        let ids = QuoteIds::new(seed.secret("quote ids"), config.lineage.clone());
        let opening = Opening {
            store: &store,
            keys: &sqlite,
            path: &path,
            seed: &seed,
            config: &config,
            ids: &ids,
        };
        opening.prepare(&door).await?;
        marks::begin(&store, &marking, config.ledger).await?;

        let lightning_given = lightning.is_some();
        let builder = MintBuilder::new(Arc::clone(&store));
        let pause = Arc::new(Pause::new(melts::stored_pause(&store).await?));
        let (builder, mut info) = info::configure(builder, &config, lightning, &pause).await?;
        let cdk = builder.build_with_seed(sqlite, seed.bytes()).await?;
        // What the store says of itself wins in cdk: ours is written at every start.
        let stored = cdk.mint_info().await?;
        let key = stored.pubkey.ok_or(cdk::Error::CouldNotGetMintInfo)?;
        info.pubkey = Some(key);
        let paused = pause.why();
        let closed = door.closed();
        let told = melts::Told {
            paused: paused.as_deref(),
            closed: closed.as_deref(),
            notice: None,
        };
        cdk.set_mint_info(told.of(&info)).await?;
        metrics.melts_paused.set(i64::from(paused.is_some()));
        let is_behind = marks::is_behind(&store).await?;
        metrics.store_behind.set(i64::from(is_behind));
        cdk.start().await?;

        let epochs = read_marks(&store).await?;
        Ok(Mint(Arc::new(Inner {
            cdk: Arc::new(cdk),
            ids,
            store,
            door,
            key,
            url,
            config,
            lightning: lightning_given,
            pause,
            notice: Mutex::new(None),
            epochs: RwLock::new(epochs),
            info: tokio::sync::Mutex::new(info),
            metrics,
            trouble: Mutex::new(None),
        })))
    }

    /// Starts the worker that drains `outbox` until `cancel`.
    pub fn spawn_worker(
        &self,
        outbox: Arc<dyn Outbox>,
        cancel: CancellationToken,
    ) -> JoinHandle<()> {
        tokio::spawn(Worker::new(self.clone(), outbox).run(cancel))
    }

    /// The mint's own public key (NUT-06), which signed requests name.
    pub fn public_key(&self) -> bitcoin::secp256k1::PublicKey {
        *self.0.key
    }

    /// Stops the mint's background work. What is durable stays so without it.
    pub async fn close(&self) -> Result<(), cdk::Error> {
        self.0.cdk.stop().await
    }

    /// What became of an epoch, as far as the ledger has told.
    pub fn epoch_mark(&self, epoch: EpochId) -> Option<EpochMark> {
        self.0
            .epochs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&epoch)
            .copied()
    }

    /// Why the outbox waits, while it does: the worker's last step failed and is tried
    /// again.
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

    pub(crate) fn remember_marks(&self, marks: &[(EpochId, EpochMark)]) {
        let mut epochs = self
            .0
            .epochs
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        epochs.extend(marks.iter().copied());
    }

    pub(crate) async fn apply_counted(&self, rows: &[Row]) -> Result<(), StoreError> {
        let applied = self.apply(rows, now_ms()).await?;
        self.0.metrics.count(&applied);
        tracing::debug!(rows = rows.len(), ?applied, "outbox rows applied");
        Ok(())
    }

    pub(crate) async fn park_counted(&self, row: &Row, why: String) -> Result<(), StoreError> {
        let applied = self.park(row, why, now_ms()).await?;
        self.0.metrics.count(&applied);
        Ok(())
    }

    pub(crate) fn cdk(&self) -> &Arc<cdk::mint::Mint> {
        &self.0.cdk
    }

    pub(crate) fn store(&self) -> &DynMintDatabase {
        &self.0.store
    }

    /// Tells owners `notice` beside everything else, in the message of the day of
    /// `/v1/info`; `None`: nothing more. Not kept.
    ///
    /// # Errors
    /// The store's: it is told at the next change.
    pub async fn set_notice(&self, notice: Option<String>) -> Result<(), cdk::Error> {
        let info = self.info().lock().await;
        *self.0.notice.lock().unwrap_or_else(PoisonError::into_inner) = notice;
        let paused = self.pause().why();
        self.tell(&info, paused.as_deref()).await
    }

    /// Says of itself what is so now.
    pub(crate) async fn tell(
        &self,
        info: &MintInfo,
        paused: Option<&str>,
    ) -> Result<(), cdk::Error> {
        let notice = self
            .0
            .notice
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let closed = self.closed_by_restore();
        let told = melts::Told {
            paused,
            closed: closed.as_deref(),
            notice: notice.as_deref(),
        };
        self.0.cdk.set_mint_info(told.of(info)).await
    }

    pub(crate) fn door(&self) -> &Door {
        &self.0.door
    }

    pub(crate) fn ids(&self) -> &QuoteIds {
        &self.0.ids
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

/// The clock of the shell: milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A store belongs to one mnemonic: cdk would derive other keys under the ids of the
/// old ones without a word.
async fn check_fingerprint(
    store: &DynMintDatabase,
    seed: &Seed,
    config: &MintConfig,
) -> Result<(), OpenError> {
    let ours = seed.secret("fingerprint");
    match store
        .kv_read(index::AXEPOOL, index::SEED, FINGERPRINT)
        .await?
    {
        Some(stored) if stored == ours => Ok(()),
        Some(_) => Err(OpenError::OtherMnemonic {
            path: config.mnemonic_file.clone(),
        }),
        None => {
            let mut tx = store.begin_transaction().await?;
            tx.kv_write(index::AXEPOOL, index::SEED, FINGERPRINT, &ours)
                .await?;
            Ok(tx.commit().await?)
        }
    }
}

async fn read_marks(store: &DynMintDatabase) -> Result<BTreeMap<EpochId, EpochMark>, StoreError> {
    let mut marks = BTreeMap::new();
    for key in store.kv_list(index::AXEPOOL, index::EPOCHS).await? {
        if let Some(mark) = index::read_json(store, index::AXEPOOL, index::EPOCHS, &key).await? {
            marks.insert(EpochId::new(index::key_number(&key)?), mark);
        }
    }
    Ok(marks)
}
