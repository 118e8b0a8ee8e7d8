//! The chain sources of pool and node, asked every few seconds how they do: for the status,
//! the metrics and the node's report.

use anyhow::Result;
use payout::chain::{SourceCheck, SourceState};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::metrics::Metrics;
use super::{Paying, Watching};
use crate::config::Config;

/// The label of the pool's own source, of `[chain]`.
pub(super) const POOLS: &str = "pool";

/// The label of a source that the node alone has.
pub(super) const NODES: &str = "node";

/// A source that is asked.
#[derive(Debug)]
struct Asked {
    label: &'static str,
    /// The node reads the chain with it.
    is_nodes: bool,
    /// The watch over OCEAN's blocks does.
    is_watched: bool,
    state: watch::Receiver<SourceState>,
}

/// The sources that are asked; at most two.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Asked>);

impl Sources {
    /// The sources that `config` names, and what asks them.
    ///
    /// # Errors
    /// If no client can be made.
    pub(super) fn prepare(config: &Config) -> Result<(Sources, Vec<SourceCheck>)> {
        let income = &config.income;
        let nodes = income.node.as_ref().map(|node| &node.chain);
        let pools = income.chain.as_ref();
        let own = pools.map(|source| (source, POOLS));
        let others = nodes.filter(|nodes| pools != Some(*nodes));
        let (mut asked, mut checks) = (Vec::new(), Vec::new());
        for (source, label) in own.into_iter().chain(others.map(|source| (source, NODES))) {
            let (check, state) = SourceCheck::new(source, config.network)?;
            checks.push(check);
            asked.push(Asked {
                label,
                is_nodes: nodes == Some(source),
                is_watched: label == POOLS && income.watches_chain,
                state,
            });
        }
        Ok((Sources(asked), checks))
    }

    /// Shows them in the metrics, before they are asked.
    pub(super) fn show_in(&self, metrics: &Metrics) {
        for asked in &self.0 {
            metrics.show_chain_source(asked.label);
        }
    }

    /// Asks them until `cancel`.
    pub(super) fn start(
        checks: Vec<SourceCheck>,
        handle: &Handle,
        (cancel, tracker): (&CancellationToken, &TaskTracker),
    ) {
        for check in checks {
            tracker.spawn_on(check.run(cancel.clone()), handle);
        }
    }
}

impl Paying {
    /// The faults of the chain sources, in words, with their remedies.
    pub(super) fn sources_trouble(&self) -> Vec<String> {
        let (seen, watched) = (self.node_tip(), self.watched_tip());
        let troubles = self.sources.0.iter().filter_map(|asked| {
            let state = asked.state.borrow();
            let for_node = seen.filter(|_| asked.is_nodes);
            let for_watch = watched.filter(|_| asked.is_watched);
            let trouble = state.trouble_after(for_node);
            let trouble = trouble.or_else(|| state.trouble_after(for_watch));
            trouble.or_else(|| state.lacks_fees().filter(|_| asked.is_nodes))
        });
        troubles
            .map(|trouble| format!("the chain source: {trouble}"))
            .collect()
    }

    /// The fault of the node's own source.
    pub(super) fn nodes_source_trouble(&self) -> Option<String> {
        let mut all = self.sources.0.iter();
        let state = all.find(|asked| asked.is_nodes)?.state.borrow();
        state.trouble_after(self.node_tip())
    }

    /// That the node's own source has no estimate of fees.
    pub(super) fn nodes_source_lacks_fees(&self) -> Option<String> {
        let mut all = self.sources.0.iter();
        let state = all.find(|asked| asked.is_nodes)?.state.borrow();
        state.lacks_fees()
    }

    pub(super) fn measure_sources(&self) {
        for asked in &self.sources.0 {
            let state = asked.state.borrow();
            if !state.is_known {
                continue;
            }
            let seen = self.node_tip().filter(|_| asked.is_nodes);
            let is_up = state.trouble_after(seen).is_none();
            let gauge = self.metrics.source_up.with_label_values(&[asked.label]);
            gauge.set(i64::from(is_up));
        }
    }

    fn node_tip(&self) -> Option<u32> {
        self.known().looked.and_then(|looked| looked.tip_height)
    }

    fn watched_tip(&self) -> Option<u32> {
        match &self.watch {
            Watching::Runs(health) => health.borrow().tip_height,
            Watching::Nobody | Watching::Broken(_) => None,
        }
    }
}
