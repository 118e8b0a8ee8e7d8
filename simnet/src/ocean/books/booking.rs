//! Events of the books.

use std::sync::Arc;

use bitcoin::{BlockHash, Txid};

use super::super::tides::Window;
use super::policy::payable_on_chain;
use super::{
    Account, BlockState, Earning, OceanBlock, OceanBooks, OnChain, Paid, Policy, Route, Via,
};

/// A block that was found, as the chain has it.
#[derive(Clone, Debug)]
pub(crate) struct NewBlock {
    pub(crate) hash: BlockHash,
    pub(crate) height: u32,
    pub(crate) at_ms: u64,
    pub(crate) username: String,
    pub(crate) subsidy_sat: u64,
    pub(crate) fees_sat: u64,
    pub(crate) coinbase: Txid,
    pub(crate) coinbase_payouts: Vec<(Arc<str>, u64)>,
}

/// OCEAN's part of a user's part, rounded down.
fn fee_rounded_down(gross_msat: u64, fee_bps: u16) -> u64 {
    let fee = u128::from(gross_msat) * u128::from(fee_bps.min(10_000)) / 10_000;
    u64::try_from(fee).expect("no more than what it is a part of")
}

/// Adds money to money. Twenty-one million bitcoins are below 2^61 millisatoshis.
fn add(to: &mut u64, msat: u64) {
    *to = to
        .checked_add(msat)
        .expect("more than all bitcoins there will be");
}

impl OceanBooks {
    pub(crate) fn account_mut(&mut self, user: &Arc<str>) -> &mut Account {
        self.users.entry(Arc::clone(user)).or_default()
    }

    /// A share was accepted.
    pub(crate) fn share(&mut self, user: &Arc<str>, work: u128, at_ms: u64) {
        let account = self.account_mut(user);
        account.shares += 1;
        account.work = account.work.saturating_add(work);
        account.last_share_ms = Some(at_ms);
    }

    /// A block was found: its reward is divided over the window, OCEAN's fee comes off
    /// each part, and what its coinbase paid is paid.
    pub(crate) fn credit(
        &mut self,
        block: NewBlock,
        window: &Window,
        fee_bps: u16,
        with_others: bool,
    ) {
        let reward_msat = (block.subsidy_sat + block.fees_sat) * 1_000;
        let divided = window.divide(reward_msat, with_others);
        let mut fee_msat = 0;
        for (user, gross_msat) in &divided.users {
            let fee = fee_rounded_down(*gross_msat, fee_bps);
            add(&mut fee_msat, fee);
            let earning = Earning {
                block: block.hash,
                at_ms: block.at_ms,
                work: window.users[user],
                fee_msat: fee,
                net_msat: gross_msat - fee,
                is_pending: true,
            };
            self.account_mut(user).earnings.push(earning);
        }
        for (user, sat) in &block.coinbase_payouts {
            let account = self.account_mut(user);
            account.in_coinbase_msat = account
                .in_coinbase_msat
                .checked_sub(sat * 1_000)
                .expect("a coinbase pays only what was set aside for it");
            account.payments.push(Paid {
                at_ms: block.at_ms,
                msat: sat * 1_000,
                via: Via::Coinbase(block.coinbase),
            });
        }
        self.blocks.push(OceanBlock {
            hash: block.hash,
            height: block.height,
            at_ms: block.at_ms,
            username: block.username,
            subsidy_sat: block.subsidy_sat,
            fees_sat: block.fees_sat,
            fee_msat,
            others_msat: divided.others,
            coinbase: block.coinbase,
            coinbase_payouts: block.coinbase_payouts,
            state: BlockState::Waiting,
        });
    }

    /// A block is not on the chain any more: what its coinbase paid is due again and,
    /// unless it was paid out, nobody earned anything by it.
    pub(crate) fn orphan(&mut self, hash: &BlockHash) {
        let Some(block) = self.blocks.iter_mut().find(|block| block.hash == *hash) else {
            return;
        };
        block.state = match block.state {
            BlockState::Waiting => BlockState::Orphaned,
            BlockState::PaidOut => BlockState::OrphanedLate,
            BlockState::Orphaned | BlockState::OrphanedLate => return,
        };
        let (state, coinbase) = (block.state, block.coinbase);
        for account in self.users.values_mut() {
            if state == BlockState::Orphaned {
                account.earnings.retain(|earning| earning.block != *hash);
            }
            let undone: u64 = account
                .payments
                .extract_if(.., |paid| paid.via == Via::Coinbase(coinbase))
                .map(|paid| paid.msat)
                .sum();
            add(&mut account.due_msat, undone);
        }
    }

    /// A block is deep enough: its earnings are due.
    pub(crate) fn mature(&mut self, hash: &BlockHash) {
        let Some(block) = self.blocks.iter_mut().find(|block| block.hash == *hash) else {
            return;
        };
        if block.state != BlockState::Waiting {
            return;
        }
        block.state = BlockState::PaidOut;
        for account in self.users.values_mut() {
            for earning in &mut account.earnings {
                if earning.is_pending && earning.block == *hash {
                    earning.is_pending = false;
                    add(&mut account.due_msat, earning.net_msat);
                }
            }
        }
    }

    /// Whom to pay over lightning now: the offer and how much. It counts as under way
    /// from here on.
    pub(crate) fn begin_lightning(&mut self, policy: &Policy) -> Vec<(Arc<str>, String, u64)> {
        let mut begun = Vec::new();
        for (user, account) in &mut self.users {
            if policy.route(user, account) != Route::Lightning {
                continue;
            }
            let Some(registered) = &account.offer else {
                continue;
            };
            account.in_flight_msat = std::mem::take(&mut account.due_msat);
            begun.push((
                Arc::clone(user),
                registered.offer.clone(),
                account.in_flight_msat,
            ));
        }
        begun
    }

    /// What was under way to a user arrived (`paid`), or came back and is due again.
    pub(crate) fn end_lightning(&mut self, user: &Arc<str>, paid: Option<Paid>) {
        let account = self.account_mut(user);
        let msat = std::mem::take(&mut account.in_flight_msat);
        if let Some(paid) = paid {
            debug_assert_eq!(paid.msat, msat, "another sum arrived than was sent");
            account.failures = 0;
            account.payments.push(paid);
        } else {
            account.failures += 1;
            add(&mut account.due_msat, msat);
        }
    }

    /// Who is to be paid over the chain now, in whole satoshis: all who have anything to
    /// spare (`everyone`), or those whose turn it is. Only a look.
    pub(crate) fn on_chain_due(&self, policy: &Policy, everyone: bool) -> Vec<(Arc<str>, u64)> {
        let is_turn = |user: &str, account: &Account| {
            everyone
                || (policy.on_chain == OnChain::Transaction
                    && policy.route(user, account) == Route::OnChain)
        };
        self.users
            .iter()
            .filter(|(user, account)| is_turn(user, account))
            .filter_map(|(user, account)| {
                let sat = payable_on_chain(user, account.due_msat)?;
                Some((Arc::clone(user), sat))
            })
            .collect()
    }

    /// A transaction paid these.
    pub(crate) fn paid_on_chain(&mut self, txid: Txid, outputs: &[(Arc<str>, u64)], at_ms: u64) {
        for (user, sat) in outputs {
            let account = self.account_mut(user);
            let msat = sat * 1_000;
            account.due_msat = account
                .due_msat
                .checked_sub(msat)
                .expect("only what is due is paid");
            account.payments.push(Paid {
                at_ms,
                msat,
                via: Via::Transaction(txid),
            });
        }
    }

    /// What the next coinbase pays to whom, in satoshis; it is set aside here. At most
    /// `most_sat` together.
    pub(crate) fn set_aside(&mut self, policy: &Policy, most_sat: u64) -> Vec<(Arc<str>, u64)> {
        let mut left = most_sat;
        let mut outputs = Vec::new();
        for (user, account) in &mut self.users {
            let is_turn = policy.on_chain == OnChain::Coinbase
                && policy.route(user, account) == Route::OnChain;
            if is_turn {
                let whole = account.due_msat / 1_000 * 1_000;
                account.due_msat -= whole;
                add(&mut account.in_coinbase_msat, whole);
            }
            let sat = account.in_coinbase_msat / 1_000;
            if sat > 0 && sat <= left {
                left -= sat;
                outputs.push((Arc::clone(user), sat));
            }
        }
        outputs
    }
}
