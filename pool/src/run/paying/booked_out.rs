//! Payments that were booked and that a reorganisation took out of the chain.

use accounting::settle::PayoutKey;
use payout::ocean::Gone;

use super::{Paying, Watching};
use crate::control;

impl Paying {
    /// What the watch over the chain misses, whether or not it was booked out.
    pub(super) fn is_gone(&self, payout: &PayoutKey) -> bool {
        // A source that is not compared now, or in doubt, misses nothing.
        let agrees = match &self.watch {
            Watching::Runs(health) => health.borrow().agrees(),
            Watching::Nobody | Watching::Broken(_) => false,
        };
        let found = self.found_gone();
        let mut keys = found.iter().map(|one| PayoutKey::OnChain(one.output));
        agrees && keys.any(|key| key == *payout)
    }

    fn found_gone(&self) -> Vec<Gone> {
        match &self.watch {
            Watching::Runs(health) => health.borrow().gone.clone(),
            Watching::Nobody | Watching::Broken(_) => Vec::new(),
        }
    }

    /// Looks for what is missing and in the books all the same, and tells of it once.
    pub(super) async fn look_for_gone(&self) {
        let mut gone = self.found_gone();
        if !gone.is_empty() {
            let reader = self.ledger.reader().clone();
            let entries = tokio::task::spawn_blocking(move || reader.operator_entries()).await;
            if let Ok(Ok(entries)) = entries {
                gone.retain(|one| {
                    let id = control::booked_out_id(&PayoutKey::OnChain(one.output));
                    !entries.iter().any(|entry| entry.id == id)
                });
            }
        }
        let count = i64::try_from(gone.len()).unwrap_or(i64::MAX);
        self.metrics.payouts_gone.set(count);
        let mut known = self.known();
        for one in gone.iter().filter(|one| !known.gone.contains(one)) {
            tracing::error!(payout = %one.output, sat = %one.amount, "a reorganisation removed a booked payment from the chain");
        }
        known.gone = gone;
    }
}
