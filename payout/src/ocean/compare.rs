//! The watch asks the three witnesses of the chain, and acts on what they make of it.

use std::sync::Arc;
use std::time::Instant;

use accounting::settle::Block;
use basics::clock::now_secs;
use bitcoin::BlockHash;

use super::task::{OceanWatch, Rounds};
use super::watch::{ChainWord, Watch};
use crate::chain::{ChainClient, ChainError, follows_another_chain};
use crate::witness::{Doubt, Now, ORDINARY_FORK, OwnTip, UpstreamTip, Witness, Witnesses};

/// Tells the block that the upstream mines on; `None` while it gives no work.
pub type AskUpstream = Arc<dyn Fn() -> Option<UpstreamTip> + Send + Sync>;

/// After so many looks in a row at which our own source showed another chain than was read of
/// it, it contradicts itself. One such look may be a reorganisation in between.
const UNLIKE_LOOKS: u32 = 2;

/// The witnesses, and what they made of the chain last.
pub(super) struct Comparison {
    witnesses: Witnesses,
    since: Instant,
    doubt: Option<Doubt>,
    /// Our own source, where there is one, was compared in this round.
    is_compared: bool,
    /// How often in a row it showed another chain than was read.
    unlike: u32,
    /// There is an upstream to be asked.
    asks_upstream: bool,
    /// The source has said what software it is, or cannot.
    knows_software: bool,
}

impl Comparison {
    /// `open`: the doubts that were open before a restart.
    pub(super) fn new(parts: &OceanWatch, open: Vec<Doubt>) -> Self {
        let mut witnesses = Witnesses::of_own_chains(parts.are_own_chains);
        let configured = [
            (Witness::Upstream, parts.upstream.is_some()),
            (Witness::List, parts.api.is_some()),
            (Witness::Own, parts.compared.is_some()),
        ];
        let configured = configured.into_iter().filter(|(_, is_there)| *is_there);
        let configured: Vec<Witness> = configured.map(|(witness, _)| witness).collect();
        witnesses.restore(open, &configured);
        Comparison {
            doubt: witnesses.open().last().cloned(),
            witnesses,
            since: Instant::now(),
            is_compared: false,
            unlike: 0,
            asks_upstream: parts.upstream.is_some(),
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

    /// The highest block of which the upstream knows; `None` where it bounds nothing.
    pub(super) fn upstream_reach(&self) -> Option<u32> {
        let reach = self.witnesses.upstream_reach();
        reach.filter(|_| self.asks_upstream)
    }

    /// The belief in our own source now; `None`: nothing may be told to the books in this
    /// round. `is_silent`: it has not answered for long, or is not there.
    pub(super) fn chain_word(&self, is_silent: bool) -> Option<ChainWord> {
        let up_to = self.upstream_reach();
        if self.holds_everything() {
            None
        } else if self.doubts_own() {
            let shared = self.witnesses.shared();
            Some(ChainWord::Doubted { shared, up_to })
        } else if is_silent {
            Some(ChainWord::Silent { up_to })
        } else if self.doubt.is_some() {
            self.is_compared.then_some(ChainWord::Contradicted)
        } else {
            self.is_compared.then_some(ChainWord::Heard)
        }
    }

    /// True when our own source, where there is one, was compared in this round and nobody
    /// contradicts anybody.
    pub(super) fn agrees(&self) -> bool {
        self.is_compared && self.doubt.is_none()
    }

    /// True when our own source was compared in this round, and its word counts.
    pub(super) fn trusts_own(&self) -> bool {
        self.is_compared && !self.doubts_own() && !self.holds_everything()
    }

    /// The doubts that are open, to be kept over a restart.
    pub(super) fn open(&self) -> &[Doubt] {
        self.witnesses.open()
    }

    /// What the witnesses contradict each other in.
    pub(super) fn doubt(&self) -> Option<&Doubt> {
        self.doubt.as_ref()
    }

    fn holds_everything(&self) -> bool {
        self.doubt.as_ref().is_some_and(Doubt::holds_everything)
    }

    /// True when what our own source says is not the chain, or stands still.
    fn doubts_own(&self) -> bool {
        self.doubt.as_ref().is_some_and(Doubt::is_of_own_source)
    }

    /// Asks the upstream, then our own source: it may have what the upstream has. `read` is
    /// the chain that was read of it, and must be the one that it shows now.
    async fn ask(
        &mut self,
        upstream: Option<UpstreamTip>,
        chain: Option<&ChainClient>,
        read: Option<&Watch>,
    ) -> Result<(), ChainError> {
        let now = self.now();
        self.witnesses.upstream(upstream, now);
        // Until all of it has been answered, it says nothing.
        self.witnesses.own(None, now);
        self.is_compared = false;
        if let Some(chain) = chain {
            let asked = self.ask_own(chain, read).await;
            if asked.is_err() {
                let now = self.now();
                self.witnesses.own(None, now);
            }
            asked?;
        }
        self.is_compared = true;
        Ok(())
    }

    async fn ask_own(
        &mut self,
        chain: &ChainClient,
        read: Option<&Watch>,
    ) -> Result<(), ChainError> {
        let info = chain.info().await?;
        info.is_loaded()?;
        let tip = OwnTip {
            block: Block {
                hash: info.tip,
                height: info.height,
            },
            made_secs: info.tip_secs,
        };
        self.witnesses.own(Some(tip), self.now());
        let mut shown = vec![(info.height, Some(info.tip))];
        for height in self.witnesses.asks() {
            let hash = chain.hash_at(height).await?;
            if hash.is_none() {
                let why = format!("no block at height {height}, below its tip");
                return Err(ChainError::Nonsense(why));
            }
            self.witnesses.own_has(height, hash);
            shown.push((height, hash));
        }
        if let Some(tip) = read.and_then(Watch::tip) {
            shown.push((tip.height, chain.hash_at(tip.height).await?));
        }
        let unlike = read.and_then(|read| unlike(read, &shown));
        self.unlike = match &unlike {
            Some(_) => self.unlike.saturating_add(1),
            None => 0,
        };
        let is_lasting = self.unlike >= UNLIKE_LOOKS;
        let said = unlike.clone().filter(|_| is_lasting);
        self.witnesses.own_contradicts_itself(said);
        unlike.map_or(Ok(()), |why| Err(ChainError::Nonsense(why)))
    }
}

/// How the chain that was read differs from the blocks that the source shows now; `None`: it
/// does not.
fn unlike(read: &Watch, shown: &[(u32, Option<BlockHash>)]) -> Option<String> {
    let other = shown.iter().find(|(height, hash)| {
        let here = read.at(*height);
        here.is_some() && here != *hash
    });
    if let Some((height, hash)) = other {
        let shown = hash.map_or("none".to_owned(), |hash| hash.to_string());
        return Some(format!(
            "the source gave another block at height {height} when the chain was read than it \
             shows now ({shown})"
        ));
    }
    let (height, _) = shown.first()?;
    // Before its first block the watch stands where it began.
    let read_to = read.next_height().saturating_sub(1);
    let lacks = height.saturating_sub(ORDINARY_FORK) > read_to;
    lacks.then(|| {
        format!(
            "the source says that it is at block {height}, and gave blocks up to {read_to} only"
        )
    })
}

impl Rounds {
    /// Compares the witnesses, and tells when that comes to something else than before.
    /// `is_whole`: the chain was read up to its tip in this round.
    pub(super) async fn compare(&mut self, is_whole: bool) {
        let upstream = self.parts.upstream.as_ref().and_then(|ask| ask());
        let chain = self.parts.compared.clone();
        let is_read = is_whole && self.parts.chain.is_some();
        let read = self.kept.watch.as_ref().filter(|_| is_read);
        let comparison = &mut self.comparison;
        let asked = comparison.ask(upstream, chain.as_ref(), read).await;
        if let Err(error) = asked {
            tracing::warn!(%error, "the chain source was not compared with the other witnesses");
            self.health.send_modify(|health| {
                // The round's own questions tell of a source that does not answer at all.
                if health.chain_error.is_none() {
                    health.chain_failed(error.to_string());
                }
            });
        }
        let doubt = comparison.witnesses.judge(comparison.now());
        tell(comparison.doubt.as_ref(), doubt.as_ref());
        comparison.doubt.clone_from(&doubt);
        self.kept.doubts = comparison.open().to_vec();
        let own_tip = comparison.witnesses.own_height();
        let is_compared = comparison.is_compared;
        self.begin_within_the_chain(own_tip);
        self.health.send_if_modified(|health| {
            let heights = (upstream.and_then(|tip| tip.height), own_tip);
            let before = (
                std::mem::replace(&mut health.doubt, doubt.clone()),
                std::mem::replace(&mut health.is_compared, is_compared),
                std::mem::replace(&mut health.upstream_height, heights.0),
                std::mem::replace(&mut health.own_height, heights.1),
            );
            before != (doubt, is_compared, heights.0, heights.1)
        });
        if let Some(chain) = chain {
            self.learn_software(&chain).await;
        }
    }

    /// Mends a beginning of the watch that the witnesses, which agree, have not reached.
    fn begin_within_the_chain(&mut self, own_tip: Option<u32>) {
        let reach = self.comparison.upstream_reach();
        // An upstream that was not heard yet may be ahead of our own source.
        let Some(own) = own_tip.filter(|_| self.comparison.agrees() && reach != Some(0)) else {
            return;
        };
        let known = own.max(reach.unwrap_or(0));
        let watch = self.kept.watch.as_mut();
        if let Some(was) = watch.and_then(|watch| watch.begin_within(known)) {
            tracing::error!(
                was,
                known,
                "the watch began above the chain, where no block counts: it begins at the chain's tip"
            );
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
