//! The mint's liabilities: ecash that is out there, quotes that are paid and not issued,
//! and payments that lie parked.

use accounting::Sat;
use cdk_common::database::Error;

use crate::handle::Mint;
use crate::metrics::gauge_value;
use crate::outbox::Order;
use crate::owed::{Liabilities, owed};
use crate::restored::forgotten;

impl Mint {
    /// The mint's liabilities now. Their parts are read one after the other, each as of some
    /// commit. Also sets the gauges.
    pub async fn liabilities(&self) -> Result<Liabilities, Error> {
        let owed = owed(self.store(), forgotten(self.store()).await?).await?;
        let parked = self.parked().await?;
        let parked = parked.iter().filter_map(|parked| match &parked.row.order {
            Order::PayQuote { amount, .. } => Some(*amount),
            _ => None,
        });
        let liabilities = Liabilities {
            parked_sat: parked
                .clone()
                .try_fold(Sat::ZERO, Sat::checked_add)
                .ok_or(Error::AmountOverflow)?,
            ..owed
        };
        let metrics = self.metrics();
        metrics
            .outstanding_sat
            .set(gauge_value(liabilities.outstanding_sat.get()));
        metrics
            .paid_unissued_sat
            .set(gauge_value(liabilities.paid_unissued_sat.get()));
        metrics
            .parked_sat
            .set(gauge_value(liabilities.parked_sat.get()));
        Ok(liabilities)
    }
}
