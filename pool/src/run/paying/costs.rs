//! Booking of the costs of the node's own transactions. The operator bears them, and a
//! cost that is not booked would be missing from the miners' backing.

use accounting::settle::{Event, OperatorEntry, OperatorKind};
use ledger::LedgerError;
use payout::node::payments::OnChainFee;

use super::Paying;

/// How often they are gone through for one block.
const LOOKS_A_BLOCK: u8 = 2;

impl Paying {
    /// Books the fees that are not in the books yet, each once. Only a block confirms a
    /// transaction, so the node's payments, which may be very many, are gone through for
    /// each new `tip` alone: twice, since its wallet may come a moment after its channels.
    pub(super) async fn book_costs(&self, tip: u32) {
        let looks = match self.known().costs_at {
            Some((at, looks)) if at == tip => looks,
            _ => 0,
        };
        if looks >= LOOKS_A_BLOCK {
            return;
        }
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
                Ok(()) => {}
                // It is booked with another amount, which stays. The others are not to wait.
                Err(error @ LedgerError::Refused(_)) => {
                    tracing::error!(%error, txid = %cost.txid, fee_msat = %cost.fee, "a transaction's fee is not booked");
                }
                Err(error) => {
                    tracing::warn!(%error, txid = %cost.txid, "a transaction's fee is not booked yet");
                    return;
                }
            }
            self.known().costs_booked.insert(cost.txid);
        }
        self.known().costs_at = Some((tip, looks + 1));
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
