//! What the public listener tells of the pool.

use serde_json::{Value, json};

use super::View;
use crate::web::Facts;

impl Facts for View {
    fn index(&self) -> Value {
        json!({
            "name": self.name,
            "network": self.network,
            "version": env!("CARGO_PKG_VERSION"),
            "mint": self.minting.public_url().as_str(),
            "mint_info": "/v1/info",
            "solvency": "/api/solvency",
        })
    }

    /// What is not known is `null`, never 0: a node, and with it assets and payouts, are
    /// not part of the pool yet.
    fn solvency(&self) -> Value {
        let (as_of_ms, liabilities) = match self.minting.liabilities() {
            Some((at_ms, liabilities)) => (Some(at_ms), Some(liabilities)),
            None => (None, None),
        };
        json!({
            "as_of_ms": as_of_ms,
            "liabilities": {
                "outstanding_sat": liabilities.map(|owed| owed.outstanding_sat),
                "paid_unissued_sat": liabilities.map(|owed| owed.paid_unissued_sat),
                "parked_sat": liabilities.map(|owed| owed.parked_sat),
                "unapplied_sat": null,
                "carry_msat": null,
                "suspense_msat": null,
                "fee_msat": null,
            },
            "assets": null,
            "melts": "off",
            "detail": "null: not known here. This pool has no lightning node, so it has no assets \
                       to show and books no payouts",
        })
    }
}
