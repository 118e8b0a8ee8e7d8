//! What the intake asks of the node: its stored payments, and its tip.

use bitcoin::hashes::sha256;

use super::{Live, payments};
use crate::intake::{Arrivals, Received, Tip};

impl Arrivals for Live {
    async fn received(&self, hash: sha256::Hash) -> Option<Received> {
        let stored = self.with(move |node| payments::received(node, &hash));
        stored.await.ok().flatten()
    }

    async fn all_received(&self) -> Option<Vec<Received>> {
        self.with(payments::all_received).await.ok()
    }

    async fn tip(&self) -> Option<Tip> {
        let tip = self.with(|node| {
            let status = node.status();
            Tip {
                height: status.current_best_block.height,
                heard_secs: status.latest_lightning_wallet_sync_timestamp,
            }
        });
        tip.await.ok()
    }
}
