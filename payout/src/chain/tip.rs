//! A source's newest block, and how sure the source is of it: asked when something for good
//! depends on the height, not to follow the chain.

use bitcoin::Network;

use super::client::ChainClient;
use super::http::ChainError;

/// A source's newest block, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Which chain, where it says so (Esplora does not).
    pub network: Option<Network>,
    /// Its height.
    pub height: u32,
    /// The height of the longest chain of headers that the source knows; as `height` where
    /// it does not say.
    pub headers: u32,
    /// The source is still loading the chain.
    pub is_syncing: bool,
    /// The time in its header, seconds since 1970.
    pub time_secs: u64,
    /// The median of the last eleven blocks' times, where the source says it.
    pub median_secs: Option<u64>,
}

impl ChainClient {
    /// The source's newest block.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn tip(&self) -> Result<Tip, ChainError> {
        let told = self.told_of_tip().await?;
        let time_secs = match told.time_secs {
            Some(time_secs) => time_secs,
            // Core says it since 23.0, and the block always does.
            None => self.block(&told.hash).await?.header.time.into(),
        };
        Ok(Tip {
            network: told.network,
            height: told.height,
            headers: told.headers.unwrap_or(told.height).max(told.height),
            is_syncing: told.is_syncing,
            time_secs,
            median_secs: told.median_secs,
        })
    }
}

/// What a source says in one answer.
pub(super) struct Told {
    pub(super) network: Option<Network>,
    pub(super) height: u32,
    pub(super) hash: bitcoin::BlockHash,
    pub(super) headers: Option<u32>,
    pub(super) is_syncing: bool,
    pub(super) time_secs: Option<u64>,
    pub(super) median_secs: Option<u64>,
}
