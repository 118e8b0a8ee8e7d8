//! What the node's own transactions cost, into the books: it is the operator's to bear,
//! and what is not booked would be missing from what backs the miners'.

use ledger::LedgerError;
use ledger::settle::{Event, OperatorEntry, OperatorKind};
use payout::node::payments::OnChainFee;

use super::Paying;

impl Paying {
    /// Books the fees that are not in the books yet, each once, whoever asks how often.
    pub(super) async fn book_costs(&self) {
        let Some(lightning) = self.lightning() else {
            return;
        };
        // Not up: the fees are still there when it is.
        let Ok(fees) = lightning.on_chain_fees().await else {
            return;
        };
        for cost in fees {
            if self.known().costs_booked.contains(&cost.txid) {
                continue;
            }
            match self.book_cost(cost).await {
                Ok(()) => {
                    self.known().costs_booked.insert(cost.txid);
                }
                Err(error) => {
                    tracing::warn!(%error, txid = %cost.txid, "a transaction's fee is not booked yet");
                }
            }
        }
    }

    async fn book_cost(&self, cost: OnChainFee) -> Result<(), LedgerError> {
        let entry = OperatorEntry {
            id: format!("on-chain fee {}", cost.txid),
            kind: OperatorKind::NodeCost,
            amount: cost.fee,
        };
        let effects = self.ledger.settle(Event::Operator(entry)).await?;
        if !effects.is_empty() {
            tracing::info!(txid = %cost.txid, fee_msat = %cost.fee, "a transaction's fee is booked to the operator");
        }
        Ok(())
    }
}
