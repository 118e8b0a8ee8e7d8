//! The start of the on-chain wallet: no address that was ever given out is given again.

use std::sync::Arc;

use bitcoin::Address;
use ldk_node::Node;
use lightning::io;
use thiserror::Error;

use super::store::{Rows, Store};
use crate::given::{Given, GivenError, GivenFiles, PASSED_OVER};
use crate::keys::{KeyError, Keychain, WalletKeys};
use crate::marks::MarkKeeper;
use crate::seed::Seed;
use crate::settings::{ChainSource, Settings};

/// Why the wallet cannot be used.
#[derive(Debug, Error)]
pub(super) enum WalletError {
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Given(#[from] GivenError),
    #[error("the node's store: {0}")]
    Store(#[from] io::Error),
    #[error("the counter of addresses cannot be stored: {0}")]
    Counter(std::io::Error),
    #[error("the wallet gives no address: {0}")]
    Address(#[from] ldk_node::NodeError),
    /// Our derivation of its keys is not its own any more.
    #[error("the wallet's address {0} does not follow from its seed words, which give {1}")]
    Foreign(Box<Address>, Box<Address>),
}

/// The wallet before its node is built.
pub(super) struct WalletStart {
    pub(super) store: Arc<Store>,
    /// How far it must have counted before anybody may have an address.
    aim: u32,
    is_new: bool,
    /// It reads blocks, and does not ask for its addresses.
    reads_blocks: bool,
}

impl WalletStart {
    /// Opens the node's store, and decides how far the wallet has to count: to its first
    /// address at least, which is the payout address. One that starts anew from words that
    /// were in use passes over what may have been given out since its counter was copied.
    pub(super) fn open(
        settings: &Settings,
        chain: &ChainSource,
        seed: &Seed,
        keeper: &Arc<dyn MarkKeeper>,
    ) -> Result<WalletStart, WalletError> {
        let keys = WalletKeys::new(seed, settings.network)?;
        let payout = keys.key(Keychain::External, 0)?.address;
        let change = keys.key(Keychain::Internal, 0)?.address;
        let dir = &settings.storage_dir;
        let given = GivenFiles::open(dir, &settings.mnemonic_file, &payout.to_string())?;
        let rows = Rows::new(&payout, &change);
        let store = Store::open(dir, keys, rows, given, Arc::clone(keeper))?;
        let (known, last) = (store.given().known(), store.last_address()?);
        let is_new = last.is_none();
        let aim = match last {
            Some(last) => known.external.max(last),
            None if store.given().is_fresh => 0,
            None => known.external.saturating_add(PASSED_OVER),
        };
        Ok(WalletStart {
            store: Arc::new(store),
            aim,
            is_new,
            reads_blocks: matches!(chain, ChainSource::Bitcoind { .. }),
        })
    }

    /// Counts on, with the wallet of the `node` that was built and not started. What it
    /// passes over is kept first: cut off in the middle, the next start goes on.
    pub(super) fn lead_on(self, node: &Node, tip: u32) -> Result<Arc<Store>, WalletError> {
        let WalletStart {
            store,
            aim,
            is_new,
            reads_blocks,
        } = self;
        let mut more = Given::counted(aim, 0);
        more.birthday = if is_new {
            Some(tip)
        } else {
            Some(store.oldest_block()?).filter(|block| *block > 0)
        };
        store.given().raise(&more).map_err(WalletError::Counter)?;
        store.given().write().map_err(WalletError::Counter)?;
        if is_new {
            // What a copy says of it is of a store that is lost.
            let given = store.given();
            let is_unsought = reads_blocks && !given.is_fresh;
            let kept = given.set_first_block(None);
            let kept = kept.and_then(|()| given.set_unsought(is_unsought));
            kept.map_err(WalletError::Counter)?;
        }
        let mut next = store
            .last_address()?
            .map_or(0, |last| last.saturating_add(1));
        if next <= aim {
            tracing::info!(from = next, to = aim, "addresses of the wallet are skipped");
        }
        while next <= aim {
            let given = node.onchain_payment().new_address()?;
            let expected = store.keys().key(Keychain::External, next)?.address;
            if given != expected {
                return Err(WalletError::Foreign(given.into(), expected.into()));
            }
            next = next.saturating_add(1);
        }
        // With its first address the wallet has written where it begins.
        let began = match store.given().known().first_block {
            _ if !reads_blocks => 0,
            Some(block) => block,
            None => store.oldest_block()?,
        };
        let kept = store.given().set_first_block(Some(began));
        kept.map_err(WalletError::Counter)?;
        Ok(store)
    }
}

#[cfg(test)]
mod tests;
