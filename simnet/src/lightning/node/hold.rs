//! Invoices whose payments wait until somebody decides.

use anyhow::{Context as _, Result};
use bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::types::payment::{PaymentHash, PaymentPreimage};
use ldk_node::lightning_invoice::{Bolt11InvoiceDescription, Description};
use ldk_node::payment::PaymentStatus;

use super::OceanNode;

impl OceanNode {
    /// An invoice whose payment it takes only when [`Self::release`] is called: until then
    /// the payer's money is under way.
    ///
    /// # Errors
    /// If its store fails.
    pub async fn hold_invoice(&self, amount_msat: u64, preimage: [u8; 32]) -> Result<String> {
        let text = Description::new("held by the simulated OCEAN".to_owned())?;
        let made = self.with(move |node| {
            let text = Bolt11InvoiceDescription::Direct(text);
            let hash = hash(preimage);
            node.bolt11_payment()
                .receive_for_hash(amount_msat, &text, 3600, hash)
        });
        Ok(made.await??.to_string())
    }

    /// Whether the payment for `preimage` has arrived: from then on it is under way until
    /// somebody decides.
    pub fn has_come(&self, preimage: [u8; 32]) -> bool {
        self.held.borrow().contains(&hash(preimage).0)
    }

    /// Takes the payment that is held for `preimage`.
    ///
    /// # Errors
    /// If there is none.
    pub async fn release(&self, amount_msat: u64, preimage: [u8; 32]) -> Result<()> {
        let claimed = self.with(move |node| {
            let preimage = PaymentPreimage(preimage);
            let hash = hash(preimage.0);
            node.bolt11_payment()
                .claim_for_hash(hash, amount_msat, preimage)
        });
        claimed.await?.context("nothing is held")
    }

    /// Sends the payment back that is held for `preimage`.
    ///
    /// # Errors
    /// If there is none.
    pub async fn send_back(&self, preimage: [u8; 32]) -> Result<()> {
        let failed = self.with(move |node| node.bolt11_payment().fail_for_hash(hash(preimage)));
        failed.await?.context("nothing is held")
    }

    /// Whether the payment for `preimage` was taken.
    ///
    /// # Errors
    /// If a call broke off.
    pub async fn has_taken(&self, preimage: [u8; 32]) -> Result<bool> {
        self.with(move |node| {
            let payment = node.payment(&PaymentId(hash(preimage).0));
            payment.is_some_and(|payment| payment.status == PaymentStatus::Succeeded)
        })
        .await
    }
}

fn hash(preimage: [u8; 32]) -> PaymentHash {
    PaymentHash(sha256::Hash::hash(&preimage).to_byte_array())
}
