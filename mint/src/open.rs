//! Opening the mint: the store, the keys, the comparison with what a restore left, cdk.

use std::sync::{Arc, Mutex};

use cdk::mint::MintBuilder;
use cdk_common::database::DynMintDatabase;
use cdk_sqlite::MintSqliteDatabase;
use prometheus::Registry;

use crate::announce::Told;
use crate::config::MintConfig;
use crate::epochs::Epochs;
use crate::handle::{Inner, Mint};
use crate::index;
use crate::info;
use crate::lightning::Lightning;
use crate::marks::{self, Marking};
use crate::melts;
use crate::metrics::{CountWrites, Metrics, MintMetrics};
use crate::open_error::OpenError;
use crate::pause::Pause;
use crate::quote::QuoteIds;
use crate::restored::Opening;
use crate::seed::{self, FINGERPRINT, Seed};
use crate::store::{Door, Store, WriteGuard};
use crate::version;

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
        let path = seed::store_of(&config.dir);
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
        let told = Told {
            paused: paused.as_deref(),
            closed: closed.as_deref(),
            notice: None,
        };
        cdk.set_mint_info(told.of(&info)).await?;
        metrics.melts_paused.set(i64::from(paused.is_some()));
        let is_behind = marks::is_behind(&store).await?;
        metrics.store_behind.set(i64::from(is_behind));
        cdk.start().await?;

        let epochs = Epochs::read(&store).await?;
        Ok(Mint::new(Inner {
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
            epochs,
            info: tokio::sync::Mutex::new(info),
            metrics,
            trouble: Mutex::new(None),
        }))
    }
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
