//! Melts at run time: the pause, and the settling of those whose outcome is open.

use std::time::Duration;

use cdk_common::database::Error as StoreError;
use cdk_common::mint::OperationKind;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::handle::Mint;
use crate::index;
use crate::metrics::gauge_value;

/// The interval at which open melts are asked about when nothing says that one is decided.
/// It costs a look into a table that is empty as a rule.
const SETTLE_INTERVAL: Duration = Duration::from_secs(15);

/// The longest time that one may keep the others waiting: cdk gives the node ten seconds for an
/// answer, and one that is being paid is not asked about before the node answered.
const ASK_AT_MOST: Duration = Duration::from_secs(12);

/// Under [`index::AXEPOOL`]: what is to be kept about melts.
const MELTS: &str = "melts";
const PAUSED: &str = "paused";

impl Mint {
    /// Pauses melts for the reason `Some(why)`, or resumes them. Meanwhile NUT-05 says
    /// `disabled`, the message of the day says why, and quotes and payments are refused
    /// with these words; payments that are under way go on, and so do their look-ups.
    /// A pause outlasts a restart. Without lightning melts stay off whatever this says.
    ///
    /// # Errors
    /// The store's. A pause is in force even then, a resumption is not.
    pub async fn pause_melts(&self, why: Option<String>) -> Result<(), cdk::Error> {
        let info = self.info().lock().await;
        if self.pause().why() == why {
            return Ok(());
        }
        if why.is_some() {
            self.pause().set(why.clone());
        }
        let mut tx = self.store().begin_transaction().await?;
        match &why {
            Some(why) => {
                tx.kv_write(index::AXEPOOL, MELTS, PAUSED, why.as_bytes())
                    .await?;
            }
            None => tx.kv_remove(index::AXEPOOL, MELTS, PAUSED).await?,
        }
        tx.commit().await?;
        self.tell(&info, why.as_deref()).await?;
        match &why {
            Some(why) => tracing::warn!(why, "melts are paused"),
            None => tracing::info!("melts go on"),
        }
        self.metrics().melts_paused.set(i64::from(why.is_some()));
        self.pause().set(why);
        Ok(())
    }

    /// The reason for which melts are paused; `None` while they are not.
    pub fn melts_paused(&self) -> Option<String> {
        self.pause().why()
    }

    /// Asks the node about every melt whose outcome is open, and settles what is
    /// decided: ecash is burnt and the rest given back, or all of it is free again.
    /// A melt that the node does not know stays as it is. Returns the number of melts that are
    /// open then.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn settle_melts(&self) -> Result<usize, StoreError> {
        for saga in self.open_melts().await? {
            let Some(quote) = saga.quote_id.as_deref().and_then(|id| id.parse().ok()) else {
                tracing::error!(operation = %saga.operation_id, "an open melt names no quote");
                continue;
            };
            // The same door as a wallet's look at its quote: it waits for a payment that
            // is being made just now instead of settling below it.
            let asked = self.cdk().check_melt_quote(&quote);
            match tokio::time::timeout(ASK_AT_MOST, asked).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%quote, %error, "an open melt cannot be settled; will retry");
                }
                Err(_) => tracing::debug!(%quote, "a melt is under way"),
            }
        }
        let left = self.open_melts().await?.len();
        self.metrics().melts_open.set(gauge_value(left as u64));
        Ok(left)
    }

    /// Settles melts until `cancel`: whenever `decided` changes, which is the node's
    /// word that a payment found its end, and every fifteen seconds in any case.
    pub fn spawn_melt_settler(
        &self,
        mut decided: watch::Receiver<u64>,
        cancel: CancellationToken,
    ) -> JoinHandle<()> {
        let mint = self.clone();
        let settling = async move {
            let mut tells = true;
            loop {
                if let Err(error) = mint.settle_melts().await {
                    tracing::warn!(%error, "open melts cannot be read; will retry");
                }
                tokio::select! {
                    () = tokio::time::sleep(SETTLE_INTERVAL) => {}
                    told = decided.changed(), if tells => tells = told.is_ok(),
                }
            }
        };
        // Cut off in the middle is as good as killed: nothing is half done in the store.
        tokio::spawn(async move {
            cancel.run_until_cancelled(settling).await;
        })
    }

    async fn open_melts(&self) -> Result<Vec<cdk_common::mint::Saga>, StoreError> {
        self.store().get_incomplete_sagas(OperationKind::Melt).await
    }
}

/// The pause that was in force when the mint ended.
pub(crate) async fn stored_pause(
    store: &cdk_common::database::DynMintDatabase,
) -> Result<Option<String>, StoreError> {
    let why = store.kv_read(index::AXEPOOL, MELTS, PAUSED).await?;
    Ok(why.map(|why| String::from_utf8_lossy(&why).into_owned()))
}
