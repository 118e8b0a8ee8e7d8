//! What the notices see of miners, and the desk that tells them.

use std::sync::Arc;

use accounting::{MinerId, Sat};
use async_trait::async_trait;
use basics::clock;
use bitcoin::secp256k1::XOnlyPublicKey;
use ledger::LedgerError;
use notices::{About, Desk, Policy, Rules, Sight, WorkerSeen};
use prometheus::Registry;

use super::View;
use crate::config::Config;
use crate::data_dir;

/// Of fewer shares in an hour it is not said that many are rejected.
const REJECT_LEAST: u64 = 50;

/// The desk that tells miners, unless it is switched off. Without one the pool runs all
/// the same: miners come first.
pub fn notices(
    config: &Config,
    view: &Arc<View>,
    pool: Option<XOnlyPublicKey>,
    registry: &Registry,
) -> Option<Arc<Desk>> {
    let settings = &config.notices;
    if !settings.enabled {
        return None;
    }
    let servers = settings.ntfy_servers.iter().map(ToString::to_string);
    let policy = Policy {
        ntfy_servers: servers.collect(),
        webhooks: settings.webhooks,
        allow_private: settings.allow_private_targets,
    };
    let rules = Rules {
        silent_after_ms: clock::as_ms(settings.silent_after),
        reject_percent: settings.reject_percent,
        reject_least: REJECT_LEAST,
    };
    let about = About {
        name: config.name.clone(),
        public_url: view.minting.public_url().to_string(),
        ledger: view.ledger.reader().incarnation(),
    };
    let directory = data_dir::notices(&config.data_dir);
    let sight = Arc::clone(view) as Arc<dyn Sight>;
    let desk = Desk::open(&directory, about, pool, (policy, rules), sight, registry);
    let failed = |error: &anyhow::Error| {
        tracing::error!(
            error = format_args!("{error:#}"),
            "there are no notices; mining goes on"
        );
    };
    desk.inspect_err(failed).ok()
}

#[async_trait]
impl Sight for View {
    fn is_serving(&self) -> bool {
        self.not_ready().is_empty()
    }

    async fn knows(&self, miner: &MinerId) -> Result<bool, LedgerError> {
        let (reader, miner) = (self.ledger.reader().clone(), *miner);
        let look = move || {
            // Workers are forgotten after a month without a share, accounts never.
            Ok(!reader.workers(&miner)?.is_empty()
                || reader.miner_account(&miner)? != Default::default())
        };
        tokio::task::spawn_blocking(look)
            .await
            .unwrap_or(Err(LedgerError::Closed))
    }

    async fn workers(&self, miner: &MinerId) -> Result<Vec<WorkerSeen>, LedgerError> {
        let (reader, miner) = (self.ledger.reader().clone(), *miner);
        let workers = tokio::task::spawn_blocking(move || reader.workers(&miner)).await;
        let workers = workers.unwrap_or(Err(LedgerError::Closed))?;
        let lately = self.history().devices_of(&miner);
        let seen = workers.into_iter().map(|worker| {
            let lately = lately.iter().find(|device| device.name == worker.name);
            WorkerSeen {
                name: worker.name,
                last_ms: worker.last_ms,
                work: worker.work,
                accepted: lately.map_or(0, |device| device.accepted),
                rejected: lately.map_or(0, |device| device.rejected),
            }
        });
        Ok(seen.collect())
    }

    async fn ready(&self, miner: &MinerId) -> Option<Sat> {
        let found = self.claimable(miner).await.inspect_err(|error| {
            tracing::debug!(%error, "the claimable sats of a key cannot be read");
        });
        Some(found.ok()??.ready)
    }
}
