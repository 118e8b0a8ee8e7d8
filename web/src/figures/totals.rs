//! The pool as a whole.

use accounting::settle::EpochAccount;
use accounting::{Epoch, EpochId, Msat, Resolution, schema};
use ledger::LedgerError;
use pool::admin::PayoutRow;
use pool::run::View;
use schemars::JsonSchema;
use serde::Serialize;

use super::hashrate::{Hashrate, Since};
use crate::api::Api;

/// Blocks and payouts in the figures, the newest.
const NEWEST: usize = 5;

/// So many epochs are looked at for blocks: an orphaned one is none.
const EPOCHS_LOOKED_AT: usize = 20;

/// The pool as a whole. Times are milliseconds since 1970.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Pool")]
pub(crate) struct PoolFigures {
    /// The pool's name.
    pub(crate) name: String,
    /// `bitcoin`, `testnet4`, `signet`, `regtest`.
    pub(crate) network: String,
    /// The pool's time.
    pub(crate) now_ms: u64,
    /// Miners with a connected device that has sent a share.
    pub(crate) miners: usize,
    /// Such devices.
    pub(crate) devices: usize,
    /// Hashes a second, estimated.
    pub(crate) hashrate: Hashrate,
    /// The open epoch.
    pub(crate) epoch: Epoch,
    /// The last OCEAN blocks, the newest first.
    pub(crate) blocks: Vec<BlockFigures>,
    /// The last payouts, the newest first.
    pub(crate) payouts: Vec<PayoutRow>,
}

/// A block that closed an epoch.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BlockOfPool")]
pub(crate) struct BlockFigures {
    /// The epoch.
    pub(crate) epoch: EpochId,
    /// The height at which it was found.
    pub(crate) height: u32,
    /// Its hash.
    #[schemars(with = "schema::Hash")]
    pub(crate) hash: String,
    /// When the epoch was closed.
    pub(crate) closed_ms: u64,
    /// What has come for it.
    pub(crate) received_msat: Msat,
    /// At least half of what was expected has come.
    pub(crate) covered: bool,
}

impl PoolFigures {
    pub(super) fn look(view: &View, api: &Api, now_ms: u64) -> Result<Self, LedgerError> {
        let reader = api.reader();
        let online = view.history().online();
        let buckets = reader.buckets(None, Resolution::TenMinutes, now_ms)?;
        let first = reader.epoch(EpochId::FIRST)?;
        let since = Since::opening(first.map_or(0, |epoch| epoch.opened_ms));
        let mut blocks = Vec::new();
        for epoch in reader.epochs(EPOCHS_LOOKED_AT)? {
            let account = reader.epoch_account(epoch.id)?;
            blocks.extend(account.and_then(|account| block(&epoch, &account)));
        }
        blocks.truncate(NEWEST);
        Ok(PoolFigures {
            name: view.name().to_owned(),
            network: view.network().to_owned(),
            now_ms,
            miners: online.miners,
            devices: online.devices,
            hashrate: Hashrate::of(online.hashrate, &buckets, since, now_ms),
            epoch: reader.open_epoch(),
            blocks,
            payouts: api.payouts(NEWEST)?,
        })
    }
}

fn block(epoch: &Epoch, account: &EpochAccount) -> Option<BlockFigures> {
    let block = account.block()?;
    Some(BlockFigures {
        epoch: epoch.id,
        height: block.height,
        hash: block.hash.to_string(),
        closed_ms: epoch.closed_ms()?,
        received_msat: account.received,
        covered: account.covered,
    })
}
