//! Where payments are ordered and asked after.

use std::time::Duration;

use accounting::Msat;
use tokio::time::Instant;

use crate::node::{Lightning, Live};
use crate::outgoing::{Outcome, PayError, Quote, Request, Undecided};
use crate::settings::Fees;

/// How long a payment is waited for before it is told as pending. Nearly all are decided
/// within seconds; the asker's own patience is longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pays from the node. It may be cloned; all are one.
#[derive(Clone, Debug)]
pub struct Payer {
    lightning: Lightning,
    fees: Fees,
    patience: Duration,
}

impl Payer {
    /// Pays from `lightning` and sets `fees` aside for the way.
    pub fn new(lightning: Lightning, fees: Fees) -> Payer {
        Payer {
            lightning,
            fees,
            patience: PATIENCE,
        }
    }

    /// The same, with another wait for what becomes of a payment.
    #[must_use]
    pub fn waiting(self, patience: Duration) -> Payer {
        Payer { patience, ..self }
    }

    /// What paying `request` would cost. Pays nothing.
    ///
    /// # Errors
    /// If it cannot be paid, in words for who asked; or the node is not up.
    pub async fn quote(&self, request: Request) -> Result<Quote, PayError> {
        let live = self.lightning.live()?;
        let fees = self.fees;
        let desk = live.desk();
        live.with(move |node| desk.quote(node, &request, &fees))
            .await?
    }

    /// Pays `request` once, for at most `fee_limit` on top of its amount. With an `id`
    /// that was used before it pays nothing and says what became of that payment. Waits
    /// some seconds for the outcome; dropped meanwhile, the payment goes on.
    ///
    /// # Errors
    /// If the node is not up or nothing can be written down. What that means for the
    /// money is asked with [`Self::look_up`].
    pub async fn pay(
        &self,
        id: &str,
        request: Request,
        fee_limit: Msat,
    ) -> Result<Outcome, PayError> {
        let live = self.lightning.live()?;
        let mut news = self.lightning.outgoing();
        let until = Instant::now() + self.patience;
        let desk = live.desk();
        let name = id.to_owned();
        let mut outcome = live
            .with(move |node| desk.pay(node, &name, &request, fee_limit))
            .await??;
        while outcome == Outcome::Pending {
            match tokio::time::timeout_at(until, news.changed()).await {
                Ok(Ok(())) => outcome = self.look_up_in(&live, id).await?,
                // Too long, or the node is gone: whoever asked asks again.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Ok(outcome)
    }

    /// What became of the payment `id`. One that was never ordered is not paid, and an
    /// order of it that comes later is refused.
    ///
    /// # Errors
    /// If the node is not up or its journal is not to be had: nothing is known then.
    pub async fn look_up(&self, id: &str) -> Result<Outcome, PayError> {
        let live = self.lightning.live()?;
        self.look_up_in(&live, id).await
    }

    /// All that is neither paid nor certain not to be.
    ///
    /// # Errors
    /// As [`Self::look_up`].
    pub async fn undecided(&self) -> Result<Vec<Undecided>, PayError> {
        let live = self.lightning.live()?;
        let desk = live.desk();
        let left = live.with(move |node| desk.undecided(node)).await??;
        Ok(left)
    }

    /// Declares a payment as not made that has been undecided for two weeks, which
    /// nothing that is under way is: the way out for one of which a killed process left
    /// no trace but its order. For the operator alone: the ecash goes back.
    ///
    /// # Errors
    /// If it is younger or was never ordered, or as [`Self::look_up`].
    pub async fn give_up(&self, id: &str) -> Result<Outcome, PayError> {
        let live = self.lightning.live()?;
        let (desk, id) = (live.desk(), id.to_owned());
        live.with(move |node| desk.give_up(node, &id)).await?
    }

    async fn look_up_in(&self, live: &Live, id: &str) -> Result<Outcome, PayError> {
        let (desk, id) = (live.desk(), id.to_owned());
        live.with(move |node| desk.look_up(node, &id)).await?
    }
}
