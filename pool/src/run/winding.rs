//! The running pool winds down, or goes on again.

use std::sync::PoisonError;

use anyhow::{Context, Result, bail};
use basics::clock;

use super::View;
use crate::admin::WindDownRequest;
use crate::wind_down::{self, WindDown, WindDownStatus};

impl View {
    /// Answers `request`.
    ///
    /// # Errors
    /// The time is over already, or it cannot be kept.
    pub(super) async fn wind_down(&self, request: WindDownRequest) -> Result<WindDownStatus> {
        match request {
            WindDownRequest::Look => {}
            WindDownRequest::Begin { until_ms } => {
                let now_ms = clock::now_ms();
                if until_ms <= now_ms {
                    bail!("the time until which the mint stays up is over already");
                }
                let before = self.winding_down();
                let word = WindDown {
                    since_ms: before.map_or(now_ms, |before| before.since_ms),
                    until_ms,
                };
                self.set_wind_down(Some(word)).await?;
                tracing::warn!(
                    until_ms,
                    "the pool winds down: miners are sent to their fallback"
                );
            }
            WindDownRequest::Cancel => {
                self.set_wind_down(None).await?;
                tracing::warn!("the wind-down is cancelled: miners are served");
            }
        }
        self.wind_down_status().await
    }

    /// The operator's word, if the pool winds down.
    pub fn winding_down(&self) -> Option<WindDown> {
        *self.winding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Durable first, then done.
    async fn set_wind_down(&self, word: Option<WindDown>) -> Result<()> {
        let data_dir = self.backups.data_dir();
        wind_down::write(data_dir, word.as_ref()).context("it cannot be kept")?;
        *self.winding.lock().unwrap_or_else(PoisonError::into_inner) = word;
        if let Some(proxy) = self.proxy.upgrade() {
            proxy.wind_down(word.is_some());
        }
        self.minting
            .set_notice(word.map(|word| word.notice()))
            .await;
        Ok(())
    }

    /// What is left.
    pub async fn wind_down_status(&self) -> Result<WindDownStatus> {
        let reader = self.ledger.reader().clone();
        let books = tokio::task::spawn_blocking(move || {
            let accounts = reader.epoch_accounts()?;
            let unpaid = accounts
                .values()
                .filter(|account| account.is_closed() && !account.covered);
            Ok::<_, ledger::LedgerError>((reader.totals()?, unpaid.count()))
        });
        let (totals, unpaid_epochs) = books.await??;
        let owed = self.minting.liabilities().map(|(_, owed)| owed);
        Ok(WindDownStatus {
            winding_down: self.winding_down(),
            connections: self
                .proxy(0)
                .map_or(0, |status| status.downstream.connections),
            unpaid_epochs,
            carry_msat: totals.carry,
            suspense_msat: totals.suspense.saturating_add(totals.gathered),
            unclaimed_sat: owed.map(|owed| owed.paid_unissued_sat),
            outstanding_sat: owed.map(|owed| owed.outstanding_sat),
        })
    }
}
