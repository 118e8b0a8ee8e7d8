//! Payments: their destination, time and way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{Amount, Txid};

use super::Ocean;
use crate::chain::ChainError;
use crate::ocean::books::{Policy, Registered};
use crate::ocean::registration::{self, RegistrationError};

/// How long a channel may take until it can be used.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a channel.
const POLL: Duration = Duration::from_millis(50);
/// A channel can be used when its funding is so deep.
const CHANNEL_DEPTH: u32 = 6;

impl Ocean {
    /// Registers an offer as OCEAN's web form does: for an address, with the
    /// configuration message `{"height":<number>,"lightning_bolt12":"<offer>"}` and its
    /// signature by the address (BIP-322 or legacy).
    ///
    /// # Errors
    /// [`RegistrationError`] if the message, its signature or the offer will not do.
    pub fn register_offer(
        &self,
        address: &str,
        message: &str,
        signature: &str,
    ) -> Result<(), RegistrationError> {
        let (height, offer) = registration::read(message)?;
        registration::verify(address, message, signature)?;
        registration::check_offer(address, &offer)?;
        self.enter_offer(address, Registered { offer, height })
    }

    /// Sets an offer as if its message had been signed.
    ///
    /// # Errors
    /// [`RegistrationError`] if the offer will not do.
    pub fn set_offer(&self, address: &str, offer: &str) -> Result<(), RegistrationError> {
        registration::check_offer(address, offer)?;
        let before = self.account(address).offer;
        let registered = Registered {
            offer: offer.to_owned(),
            height: before.map_or(0, |before| before.height),
        };
        self.enter_offer(address, registered)
    }

    fn enter_offer(&self, address: &str, offer: Registered) -> Result<(), RegistrationError> {
        self.parts.office.desk.update(|desk| {
            let account = desk.books.account_mut(&Arc::from(address));
            let before = account.offer.as_ref().map_or(0, |before| before.height);
            let given = offer.height;
            if given < before {
                return Err(RegistrationError::Outdated { given, before });
            }
            account.offer = Some(offer);
            account.failures = 0;
            Ok(())
        })
    }

    /// Changes when it pays which way, from the next payout on.
    pub fn set_policy(&self, change: impl FnOnce(&mut Policy)) {
        self.parts.office.desk.update(|desk| {
            change(&mut desk.policy);
            // Nobody is there to pay over lightning.
            desk.policy.lightning_paused |= self.parts.node.is_none();
        });
    }

    /// Runs another payout now, for the block that was paid for last: who could not be
    /// paid then is tried again.
    pub fn pay_now(&self) {
        self.parts.office.desk.update(|desk| desk.run_asked = true);
    }

    /// Pays everyone over the chain now, in one transaction, whatever is due and makes an
    /// output. `None` if that is nobody.
    ///
    /// # Errors
    /// If the faucet is empty.
    pub fn pay_on_chain_now(&self) -> Result<Option<Txid>, ChainError> {
        self.parts.office.pay_on_chain(true)
    }

    /// Opens a channel of `size_sat` to a node, mines until it is deep, and waits until
    /// OCEAN's side of it can be used. Public if OCEAN's node has a name.
    ///
    /// # Errors
    /// If there is no node, the other is not reached, or it takes longer than a minute.
    pub async fn open_channel_to(
        &self,
        node: PublicKey,
        at: SocketAddr,
        size_sat: u64,
    ) -> Result<()> {
        let ours = self.node().context("this OCEAN has no lightning node")?;
        let usable_before = ours.usable_channels(node).await?;
        let mut seen = self.chain().lock().mempool();
        let size = Amount::from_sat(size_sat);
        ours.open_channel(node, at, size, ours.is_announced())
            .await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while ours.usable_channels(node).await? <= usable_before {
            let waiting = self.chain().lock().mempool();
            // The funding, or something else: it shows by the channel.
            if waiting.iter().any(|id| !seen.contains(id)) {
                seen = waiting;
                self.mine_blocks(CHANNEL_DEPTH);
                ours.sync().await?;
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "the channel to {node} is not usable after {PATIENCE:?}"
            );
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}
