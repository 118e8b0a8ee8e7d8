//! OCEAN's templates: the chain's, with OCEAN's target and payouts.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Office, now_ms};
use crate::chain::{ChainError, ChainSource, subsidy};
use crate::ocean::books::NewBlock;
use crate::pool::{FoundBlock, ShareEntry, Template, TemplateSource};

/// As many as the chain's source keeps.
const KEPT: usize = 64;

/// What a template handed out holds beside.
struct Kept {
    template: u64,
    reward_sat: u64,
    payouts: Vec<(Arc<str>, u64)>,
}

pub(crate) struct OceanSource {
    chain: ChainSource,
    office: Arc<Office>,
    kept: VecDeque<Kept>,
}

impl OceanSource {
    pub(crate) fn new(office: Arc<Office>) -> OceanSource {
        OceanSource {
            chain: ChainSource::new(office.chain.clone()),
            office,
            kept: VecDeque::new(),
        }
    }
}

impl TemplateSource for OceanSource {
    fn template(&mut self, empty: bool) -> Template {
        let mut template = self.chain.template(empty);
        let payouts = self.office.finish(&mut template);
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept {
            template: template.id,
            reward_sat: template.coinbase_value.to_sat(),
            payouts,
        });
        template
    }

    fn share_accepted(&mut self, share: &ShareEntry) {
        self.office.share(share);
    }

    fn block_found(&mut self, found: &FoundBlock) {
        let height = found.height;
        let kept = self
            .kept
            .iter()
            .find(|kept| kept.template == found.template)
            .ok_or(ChainError::BadBlock("its template is long gone"));
        let submitted = kept.and_then(|kept| Ok((kept, self.chain.submit(found)?)));
        let (kept, hash) = match submitted {
            Ok(submitted) => submitted,
            // Somebody was faster.
            Err(error) => return tracing::warn!(%error, height, "OCEAN lost a block"),
        };
        let subsidy_sat = subsidy(height).to_sat();
        tracing::info!(%hash, height, reward_sat = kept.reward_sat, "OCEAN found a block");
        self.office.credit(NewBlock {
            hash,
            height,
            at_ms: now_ms(),
            username: found.username.clone(),
            subsidy_sat,
            fees_sat: kept.reward_sat - subsidy_sat,
            coinbase: found.coinbase.compute_txid(),
            coinbase_payouts: kept.payouts.clone(),
        });
    }

    fn network_block(&mut self) {
        self.chain.network_block();
    }
}
