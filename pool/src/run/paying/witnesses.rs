//! The witnesses of the chain: the watch gets the upstream as a witness, and the verdict
//! goes to the node, to the metrics and to the status.

use std::sync::Arc;

use basics::humane;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use payout::Lightning;
use payout::ocean::{AskUpstream, SourceHealth};
use payout::witness::{UpstreamTip, Witness};
use proxy::upstream::UpstreamStatus;
use tokio::sync::watch;

use super::{Paying, Watching};

/// The label of a doubt in which nobody can tell who differs.
const SOMEBODY: &str = "unknown";

/// What a doubt may name.
pub(super) fn labels() -> impl Iterator<Item = &'static str> {
    Witness::ALL
        .map(Witness::label)
        .into_iter()
        .chain([SOMEBODY])
}

/// The upstream as a witness.
pub(super) fn ask_upstream(upstream: watch::Receiver<UpstreamStatus>) -> AskUpstream {
    Arc::new(move || {
        let status = upstream.borrow();
        let tip = status.tip.filter(|_| status.up)?;
        Some(UpstreamTip {
            hash: BlockHash::from_byte_array(tip.hash),
            height: tip.height,
        })
    })
}

/// Why nothing is sent while there is no doubt and no comparison either.
const NOT_COMPARED: &str = "the witnesses of the chain were not compared in the last look: the chain source did not answer, or loads the chain. This ends by itself when it answers";

/// Tells the node of every doubt until the watch ends. Not compared is not agreed.
pub(super) async fn warn_node(lightning: Lightning, mut health: watch::Receiver<SourceHealth>) {
    loop {
        let why = {
            let health = health.borrow_and_update();
            let doubt = health.doubt.as_ref().map(ToString::to_string);
            doubt.or_else(|| (!health.is_compared).then(|| NOT_COMPARED.to_owned()))
        };
        lightning.doubt_chain(why);
        if health.changed().await.is_err() {
            // Nobody compares them any more.
            lightning.doubt_chain(Some(NOT_COMPARED.to_owned()));
            return;
        }
    }
}

/// What is wrong with the witnesses, in words for the operator.
pub(super) fn trouble(health: &SourceHealth, now_secs: u64) -> Vec<String> {
    let doubt = health.doubt.as_ref().map(|doubt| {
        let since = now_secs.saturating_sub(doubt.since_secs);
        let since = humane::duration(std::time::Duration::from_secs(since));
        format!(
            "THE CHAIN IS IN DOUBT for {since}: {doubt}. No channel is opened and no money sent on-chain"
        )
    });
    doubt
        .into_iter()
        .chain(health.wrong_software.clone())
        .collect()
}

impl Paying {
    /// True while our own chain source is the witness that differs.
    pub(super) fn doubts_own_source(&self) -> bool {
        let Watching::Runs(health) = &self.watch else {
            return false;
        };
        let health = health.borrow();
        health
            .doubt
            .as_ref()
            .is_some_and(|doubt| doubt.is_of_own_source())
    }

    pub(super) fn measure_witnesses(&self, health: &SourceHealth) {
        let named = health.doubt.as_ref();
        let named = named.map(|doubt| doubt.differs.map_or(SOMEBODY, Witness::label));
        for label in labels() {
            let gauge = self.metrics.chain_doubt.with_label_values(&[label]);
            gauge.set(i64::from(named == Some(label)));
        }
        let heights = [
            (Witness::Upstream, health.upstream_height),
            (Witness::List, health.listed_height),
            (Witness::Own, health.own_height),
        ];
        for (witness, height) in heights {
            let gauge = self
                .metrics
                .witness_height
                .with_label_values(&[witness.label()]);
            gauge.set(height.map_or(0, i64::from));
        }
        let wrong = health.wrong_software.is_some();
        self.metrics.chain_software_wrong.set(i64::from(wrong));
    }
}
