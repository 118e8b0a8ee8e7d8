//! Backups of the running pool, and the operator's word after a restore.

use std::collections::BTreeSet;
use std::time::Duration;

use accounting::Sat;
use anyhow::{Context, Result, bail};
use basics::clock;
use mint::Since;

use super::View;
use crate::admin::{
    BackupRequest, BackupState, NodeReply, NodeRequest, RestoreRequest, RestoreStatus,
};
use crate::backup::{self, Accepted, Order};

/// A backup does not wait longer for what the node says.
const NODE_WAIT: Duration = Duration::from_secs(5);

impl View {
    pub(super) async fn backup(&self, request: BackupRequest) -> BackupState {
        match request {
            BackupRequest::Look => self.backups.look(),
            BackupRequest::Start {
                to,
                config,
                with_secrets,
            } => self.backups.start(Order {
                to,
                config,
                with_secrets,
                channel_peers: self.channel_peers().await,
            }),
        }
    }

    /// With whom the node has channels; nobody while it is not up, or does not say.
    async fn channel_peers(&self) -> Vec<String> {
        let asked = tokio::time::timeout(NODE_WAIT, self.node(NodeRequest::Status)).await;
        let Ok(Ok(NodeReply::Status(status))) = asked else {
            return Vec::new();
        };
        let Some(node) = status.node else {
            return Vec::new();
        };
        let with: BTreeSet<_> = node.channels.iter().map(|channel| channel.peer).collect();
        with.into_iter()
            .map(
                |id| match node.peers.iter().find(|peer| peer.node_id == id) {
                    Some(peer) => format!("{id}@{}", peer.address),
                    // Who it is tells where it is, to those who ask the network.
                    None => id.to_string(),
                },
            )
            .collect()
    }

    /// Tells what a restore left to decide, or takes the decision.
    ///
    /// # Errors
    /// There was no restore, or the bound is another one than was accepted.
    pub(super) async fn restored(&self, request: RestoreRequest) -> Result<RestoreStatus> {
        let data_dir = self.backups.data_dir();
        let record = backup::read_restore(data_dir)?;
        let record =
            record.context("this pool was not restored, and its stores are the last ones")?;
        let claims = self.minting.old_claims().await?;
        let has_mint = self.minting.has_mint();
        let RestoreRequest::Accept {
            bound,
            paid_since,
            melted_since,
        } = request
        else {
            return Ok(RestoreStatus {
                record,
                claims,
                has_mint,
            });
        };
        let before = record.accepted;
        let holds = record.cause.holds_payments();
        if before.is_some_and(|before| before.height.is_some() || !holds) {
            bail!("it was accepted before: see axepool restore status");
        }
        let height = match holds {
            true => self.paying.height_now().await?,
            false => None,
        };
        if before.is_some() && height.is_none() {
            bail!(
                "it was accepted before, and there is still no chain source: see axepool restore status"
            );
        }
        let claims = match has_mint {
            true => {
                let since = Since {
                    paid: paid_since,
                    melted: melted_since,
                };
                self.open_mint(bound, since).await?
            }
            false => None,
        };
        let accepted = Accepted {
            at_ms: before.map_or_else(clock::now_ms, |before| before.at_ms),
            height,
            bound_sat: claims.map(|claims| claims.bound_sat),
            paid_since_sat: before.map_or(paid_since, |before| before.paid_since_sat),
        };
        let record = backup::write_accepted(data_dir, &record, accepted)?;
        let held = backup::held(self.ledger.reader().lineage(), Some(&record));
        self.ledger.hold_payments(held);
        self.minting.accepted();
        tracing::warn!(bound_sat = %bound, "the operator accepted the possible loss of the restore");
        Ok(RestoreStatus {
            record,
            claims,
            has_mint,
        })
    }

    /// Opens the mint for the bound that was named. One that is open already was opened
    /// by an order that ended in the middle: it stays as it is.
    async fn open_mint(&self, bound: Sat, since: Since) -> Result<Option<mint::OldClaims>> {
        let claims = self.minting.old_claims().await?;
        let claims = claims.context("the mint is not open: see axepool status")?;
        if !claims.is_complete {
            bail!(
                "the mint still reads what was paid to it, and the bound may grow by that: try \
                 again in a moment"
            );
        }
        let stated = match claims.opened_ms {
            Some(_) => Some(claims.bound_sat),
            None => claims.bound_sat.checked_add(since.paid),
        };
        if stated != Some(bound) {
            let stated = stated.context("no such sum of satoshis")?;
            bail!("the bound is {stated} sat, not {bound}: see axepool restore status");
        }
        self.minting.open_old_claims(since).await
    }
}
