//! OCEAN's clerk: follows the chain and pays.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::BlockHash;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::books::{BlockState, OceanBlock, OnChain, Paid, Via};
use super::office::{Desk, Office, now_ms};
use crate::lightning::{NoteNames, OceanNode, Sending, note};
use crate::pool::SimPoolHandle;

/// Between two looks at the chain and at what became of payments.
const TICK: Duration = Duration::from_millis(50);

/// A payment under way.
struct Flying {
    user: Arc<str>,
    sending: Sending,
    msat: u64,
    found_height: u32,
}

pub(super) struct Clerk {
    pub(super) office: Arc<Office>,
    pub(super) pool: SimPoolHandle,
    pub(super) node: Option<Arc<OceanNode>>,
    pub(super) payout_depth: u32,
    pub(super) note: NoteNames,
    flying: Vec<Flying>,
    /// The height of the block whose payout was run last.
    last_run: Option<u32>,
}

impl Clerk {
    pub(super) fn new(
        office: Arc<Office>,
        pool: SimPoolHandle,
        node: Option<Arc<OceanNode>>,
        payout_depth: u32,
        note: NoteNames,
    ) -> Clerk {
        Clerk {
            office,
            pool,
            node,
            payout_depth,
            note,
            flying: Vec::new(),
            last_run: None,
        }
    }

    /// Works until it is stopped.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            self.follow_tip();
            self.note_orphans();
            self.note_outcomes();
            // One run at a time: what the last one could not pay is added to the next.
            if self.flying.is_empty() {
                self.next_run().await;
            }
        }
    }

    /// Whoever moved the chain: the miners get work on its tip.
    fn follow_tip(&self) {
        let tip = self.office.chain.lock().tip();
        let basis = self.office.desk.read(|desk| desk.basis);
        if basis.is_none_or(|basis| basis.tip != tip) {
            self.pool.new_job(true);
        }
    }

    fn note_orphans(&self) {
        let found: Vec<BlockHash> = self.office.desk.read(|desk| {
            let counted =
                desk.books.blocks.iter().filter(|block| {
                    matches!(block.state, BlockState::Waiting | BlockState::PaidOut)
                });
            counted.map(|block| block.hash).collect()
        });
        let gone: Vec<BlockHash> = {
            let chain = self.office.chain.lock();
            let is_gone = |hash: &BlockHash| chain.height_of(hash).is_none();
            found.into_iter().filter(is_gone).collect()
        };
        for hash in gone {
            tracing::info!(%hash, "a block of OCEAN's is orphaned");
            self.office.desk.update(|desk| desk.books.orphan(&hash));
        }
    }

    fn note_outcomes(&mut self) {
        let (Some(node), office) = (&self.node, &self.office) else {
            return;
        };
        self.flying.retain(|flying| {
            let Some(outcome) = node.became_of(flying.sending) else {
                return true;
            };
            let paid = match outcome {
                Ok(sent) => Some(Paid {
                    at_ms: now_ms(),
                    msat: flying.msat,
                    via: Via::Lightning {
                        hash: sent.hash,
                        found_height: flying.found_height,
                    },
                }),
                Err(why) => {
                    tracing::warn!(why, user = &*flying.user, "OCEAN's payment failed");
                    None
                }
            };
            let user = &flying.user;
            office
                .desk
                .update(|desk| desk.books.end_lightning(user, paid));
            false
        });
    }

    /// Runs the payout of the first block that has become deep enough, or another run
    /// for the last one if that was asked for.
    async fn next_run(&mut self) {
        let tip = self.office.chain.lock().height();
        // What is due and what is paid of it are one step: nobody sees the one without
        // the other.
        let run = self.office.desk.update(|desk| {
            let found_height = self.block_to_pay_for(desk, tip)?;
            let note = self.note_for(found_height);
            let begun = match note {
                Some(_) => desk.books.begin_lightning(&desk.policy),
                None => Vec::new(),
            };
            Some((found_height, note, begun, desk.policy.on_chain))
        });
        let Some((found_height, note, begun, on_chain)) = run else {
            return;
        };
        self.last_run = Some(found_height);
        for payment in begun {
            self.send(payment, found_height, note.clone()).await;
        }
        match self.office.pay_on_chain(false) {
            Ok(Some(txid)) => tracing::info!(%txid, "OCEAN pays over the chain"),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "OCEAN cannot pay over the chain"),
        }
        if on_chain == OnChain::Coinbase {
            self.pool.new_job(false);
        }
    }

    /// The height of the block whose payout is to be run now. Its earnings are due.
    fn block_to_pay_for(&self, desk: &mut Desk, tip: u32) -> Option<u32> {
        let is_deep = |block: &&OceanBlock| {
            block.state == BlockState::Waiting
                && block.height.saturating_add(self.payout_depth) <= tip
        };
        let deep = desk.books.blocks.iter().find(is_deep);
        if let Some((hash, height)) = deep.map(|block| (block.hash, block.height)) {
            desk.books.mature(&hash);
            return Some(height);
        }
        std::mem::take(&mut desk.run_asked)
            .then_some(self.last_run)
            .flatten()
    }

    async fn send(
        &mut self,
        (user, offer, msat): (Arc<str>, String, u64),
        found_height: u32,
        note: Option<String>,
    ) {
        let begun = match &self.node {
            Some(node) => node.begin_offer(&offer, msat, note).await,
            None => Err(anyhow::anyhow!("there is no lightning node")),
        };
        match begun {
            Ok(sending) => self.flying.push(Flying {
                user,
                sending,
                msat,
                found_height,
            }),
            Err(error) => {
                tracing::warn!(%error, user = &*user, "OCEAN's payment cannot begin");
                self.office
                    .desk
                    .update(|desk| desk.books.end_lightning(&user, None));
            }
        }
    }

    /// The note, or `None` if the chain was cut meanwhile.
    fn note_for(&self, found_height: u32) -> Option<String> {
        let height = match self.note {
            NoteNames::Found => found_height,
            NoteNames::Tip => found_height.saturating_add(self.payout_depth),
        };
        let chain = self.office.chain.lock();
        let block = chain.block(height)?;
        Some(note(block.block_hash(), height))
    }
}
