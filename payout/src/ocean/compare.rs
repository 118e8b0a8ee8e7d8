//! The watch asks the three witnesses of the chain, and acts on what they make of it.

use std::sync::Arc;
use std::time::Instant;

use accounting::settle::Block;
use basics::clock::now_secs;

use super::task::Rounds;
use super::watch::ChainWord;
use crate::chain::{ChainClient, ChainError, follows_another_chain};
use crate::witness::{Doubt, Now, OwnTip, UpstreamTip, Witnesses};

/// Tells the block that the upstream mines on; `None` while it gives no work.
pub type AskUpstream = Arc<dyn Fn() -> Option<UpstreamTip> + Send + Sync>;

/// The witnesses, and what they made of the chain last.
pub(super) struct Comparison {
    witnesses: Witnesses,
    since: Instant,
    doubt: Option<Doubt>,
    /// The source has said what software it is, or cannot.
    knows_software: bool,
}

impl Comparison {
    pub(super) fn new(are_own_chains: bool) -> Self {
        Comparison {
            witnesses: Witnesses::of_own_chains(are_own_chains),
            since: Instant::now(),
            doubt: None,
            knows_software: false,
        }
    }

    fn now(&self) -> Now {
        Now {
            steady_secs: self.since.elapsed().as_secs(),
            unix_secs: now_secs(),
        }
    }

    /// OCEAN's list, as it was told.
    pub(super) fn list(&mut self, blocks: &[Block]) {
        let now = self.now();
        self.witnesses.list(blocks, now);
    }

    /// What is believed of our own source. `is_silent`: it has not answered for long.
    pub(super) fn chain_word(&self, is_silent: bool) -> ChainWord {
        match &self.doubt {
            Some(doubt) if doubt.is_of_own_source() => ChainWord::Doubted,
            _ if is_silent => ChainWord::Silent,
            _ => ChainWord::Heard,
        }
    }

    /// True when nothing of blocks may be told to the books.
    pub(super) fn holds_everything(&self) -> bool {
        self.doubt.as_ref().is_some_and(Doubt::holds_everything)
    }

    /// True when what our own source says is not the chain, or stands still.
    pub(super) fn doubts_own(&self) -> bool {
        self.doubt.as_ref().is_some_and(Doubt::is_of_own_source)
    }

    /// Asks the upstream, then our own source: it may have what the upstream has.
    async fn ask(
        &mut self,
        upstream: Option<UpstreamTip>,
        chain: Option<&ChainClient>,
    ) -> Result<(), ChainError> {
        let now = self.now();
        self.witnesses.upstream(upstream, now);
        // Until it has answered it says nothing.
        self.witnesses.own(None, now);
        let Some(chain) = chain else { return Ok(()) };
        let info = chain.info().await?;
        if info.is_syncing {
            return Ok(());
        }
        let tip = OwnTip {
            block: Block {
                hash: info.tip,
                height: info.height,
            },
            made_secs: info.tip_secs,
        };
        self.witnesses.own(Some(tip), self.now());
        for height in self.witnesses.asks() {
            let hash = chain.hash_at(height).await?;
            self.witnesses.own_has(height, hash);
        }
        Ok(())
    }
}

impl Rounds {
    /// Compares the witnesses, and tells when that comes to something else than before.
    pub(super) async fn compare(&mut self) {
        let upstream = self.parts.upstream.as_ref().and_then(|ask| ask());
        let chain = self.parts.compared.clone();
        let comparison = &mut self.comparison;
        if let Err(error) = comparison.ask(upstream, chain.as_ref()).await {
            // The round's own questions tell of a source that does not answer.
            tracing::debug!(%error, "the chain source was not compared");
        }
        let doubt = comparison.witnesses.judge(comparison.now());
        tell(comparison.doubt.as_ref(), doubt.as_ref());
        comparison.doubt.clone_from(&doubt);
        let own_tip = comparison.witnesses.own_height();
        self.health.send_if_modified(|health| {
            let heights = (upstream.and_then(|tip| tip.height), own_tip);
            let before = (
                std::mem::replace(&mut health.doubt, doubt.clone()),
                std::mem::replace(&mut health.upstream_height, heights.0),
                std::mem::replace(&mut health.own_height, heights.1),
            );
            before != (doubt, heights.0, heights.1)
        });
        if let Some(chain) = chain {
            self.learn_software(&chain).await;
        }
    }

    /// Asks the source once what it is.
    async fn learn_software(&mut self, chain: &ChainClient) {
        if self.comparison.knows_software {
            return;
        }
        // A user that may not ask it is no reason to be told again each round.
        let software = match chain.software().await {
            Err(ChainError::Silent(_)) => return,
            Err(_) => None,
            Ok(software) => software,
        };
        self.comparison.knows_software = true;
        let why = software.and_then(|software| follows_another_chain(&software));
        if let Some(why) = why {
            tracing::error!("{why}");
            self.health
                .send_modify(|health| health.wrong_software = Some(why));
        }
    }
}

/// A line when a doubt begins, becomes another one or ends; not for each block of it.
fn tell(before: Option<&Doubt>, now: Option<&Doubt>) {
    match (before, now) {
        (None, Some(doubt)) => tracing::error!(
            "the chain is in doubt, and no channel is opened and no money sent on-chain: {doubt}"
        ),
        (Some(before), Some(doubt)) if !before.is_same(doubt) => {
            tracing::error!("the chain is in doubt: {doubt}");
        }
        (Some(_), None) => tracing::warn!("the witnesses of the chain agree again"),
        _ => {}
    }
}
