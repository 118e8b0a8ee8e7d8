//! State shared by OCEAN's parts: the stratum server's source of templates writes into
//! it, the clerk pays out of it, the API reads it.

mod source;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, BlockHash, TxOut, Txid};

use super::api::ApiFault;
use super::books::{NewBlock, OceanBooks, Policy, script_of};
use super::steering::{Steer, Steering};
use super::tides::Tides;
use crate::chain::{ChainError, SharedChain};
use crate::pool::{ShareEntry, Template};
use crate::stratum::{Target, achieved_difficulty};
use crate::watched::Watched;

pub(super) use source::OceanSource;

/// How likely a share is a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BlockOdds {
    /// As the network's difficulty has it.
    Network,
    /// The next share is one, then as the network's difficulty has it again.
    NextShare,
    /// One in so many shares, on average, until something else is said.
    OneIn(f64),
}

/// What the work in progress stands on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Basis {
    pub(super) tip: BlockHash,
    pub(super) reward_sat: u64,
}

/// Everything behind OCEAN's lock. Whoever holds it may take the chain's, never the
/// stratum server's.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) tides: Tides,
    pub(super) books: OceanBooks,
    pub(super) policy: Policy,
    pub(super) odds: BlockOdds,
    /// What a share weighs now.
    pub(super) share_difficulty: f64,
    pub(super) steering: Option<Steering>,
    pub(super) api_fault: ApiFault,
    pub(super) basis: Option<Basis>,
    /// A payout run was asked for though no block has become deep enough.
    pub(super) run_asked: bool,
}

/// What does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) share_difficulty: f64,
    pub(super) steer: Option<Steer>,
    pub(super) network_difficulty: f64,
    pub(super) with_others: bool,
    pub(super) fee_bps: u16,
}

#[derive(Debug)]
pub(super) struct Office {
    pub(super) terms: Terms,
    pub(super) chain: SharedChain,
    pub(super) desk: Watched<Desk>,
}

impl Office {
    pub(super) fn new(terms: Terms, chain: SharedChain, window: u128, policy: Policy) -> Office {
        let desk = Desk {
            tides: Tides::new(window),
            books: OceanBooks::default(),
            policy,
            odds: BlockOdds::Network,
            share_difficulty: terms.share_difficulty,
            steering: terms
                .steer
                .map(|steer| Steering::new(steer, terms.share_difficulty, now_ms())),
            api_fault: ApiFault::None,
            basis: None,
            run_asked: false,
        };
        Office {
            terms,
            chain,
            desk: Watched::new(desk),
        }
    }

    /// Finishes a template: the network's target by the odds, and what its coinbase pays
    /// to whom.
    fn finish(&self, template: &mut Template) -> Vec<(Arc<str>, u64)> {
        let reward_sat = template.coinbase_value.to_sat();
        let (bits, payouts) = self.desk.update(|desk| {
            desk.basis = Some(Basis {
                tip: BlockHash::from_byte_array(template.prev_hash),
                reward_sat,
            });
            let payouts = desk.books.set_aside(&desk.policy, reward_sat);
            (self.bits(desk), payouts)
        });
        template.bits = bits;
        template.payouts = outputs(&payouts);
        payouts
    }

    fn bits(&self, desk: &Desk) -> u32 {
        let difficulty = match desk.odds {
            BlockOdds::Network => self.terms.network_difficulty,
            BlockOdds::NextShare => desk.share_difficulty,
            BlockOdds::OneIn(shares) => desk.share_difficulty * shares,
        };
        Target::of_difficulty(difficulty)
            .expect("difficulties and odds are checked where they come in")
            .to_bits()
    }

    /// Looks whether another difficulty is right; if so it is in force with the next
    /// template.
    pub(super) fn steer(&self) -> Option<f64> {
        self.desk.update(|desk| {
            let next = desk
                .steering
                .as_mut()?
                .look(desk.share_difficulty, now_ms())?;
            // What nobody can find is no difficulty.
            Target::of_difficulty(next)?;
            desk.share_difficulty = next;
            Some(next)
        })
    }

    fn share(&self, share: &ShareEntry) {
        let (user, at_ms) = (user_of(&share.username), now_ms());
        self.desk.update(|desk| {
            if let Some(steering) = &mut desk.steering {
                steering.share(achieved_difficulty(&share.hash));
            }
            desk.tides.push(&user, share.work, at_ms / 1_000);
            desk.books.share(&user, share.work, at_ms);
        });
    }

    fn credit(&self, block: NewBlock) {
        self.desk.update(|desk| {
            if desk.odds == BlockOdds::NextShare {
                desk.odds = BlockOdds::Network;
            }
            let window = desk.tides.window();
            let Terms {
                fee_bps,
                with_others,
                ..
            } = self.terms;
            desk.books.credit(block, &window, fee_bps, with_others);
        });
    }

    /// Pays in one transaction who is to be paid over the chain now, or everyone who has
    /// enough for an output. `None` if that is nobody.
    pub(super) fn pay_on_chain(&self, everyone: bool) -> Result<Option<Txid>, ChainError> {
        let at_ms = now_ms();
        self.desk.update(|desk| {
            let due = desk.books.on_chain_due(&desk.policy, everyone);
            if due.is_empty() {
                return Ok(None);
            }
            let mut chain = self.chain.lock();
            let txid = chain.faucet_batch(outputs(&due), secs(at_ms))?;
            desk.books.paid_on_chain(txid, &due, at_ms);
            Ok(Some(txid))
        })
    }
}

/// The address in a username: all before the first dot.
fn user_of(username: &str) -> Arc<str> {
    Arc::from(username.split('.').next().unwrap_or_default())
}

fn outputs(payouts: &[(Arc<str>, u64)]) -> Vec<TxOut> {
    payouts
        .iter()
        .map(|(user, sat)| TxOut {
            value: Amount::from_sat(*sat),
            script_pubkey: script_of(user).expect("only addresses are paid over the chain"),
        })
        .collect()
}

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Unix seconds as a header carries them.
pub(super) fn secs(at_ms: u64) -> u32 {
    u32::try_from(at_ms / 1_000).unwrap_or(u32::MAX)
}
