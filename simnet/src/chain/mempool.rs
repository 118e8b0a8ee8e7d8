//! The transactions that wait for a block.

use std::collections::{BTreeMap, HashMap, HashSet};

use bitcoin::{Amount, OutPoint, Transaction, Txid};

/// What is known of a waiting transaction besides itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) id: Txid,
    pub(super) fee: Amount,
    /// The chain's height when it came.
    pub(super) height: u32,
    /// When it came, in unix seconds.
    pub(super) time: u32,
}

/// In the order of arrival, so that parents come before their children.
#[derive(Debug, Default)]
pub(super) struct Mempool {
    arrivals: u64,
    waiting: BTreeMap<u64, Waiting>,
}

impl Mempool {
    pub(super) fn insert(&mut self, id: Txid, fee: Amount, height: u32, time: u32) {
        self.arrivals += 1;
        self.waiting.insert(
            self.arrivals,
            Waiting {
                id,
                fee,
                height,
                time,
            },
        );
    }

    pub(super) fn remove(&mut self, id: &Txid) {
        self.waiting.retain(|_, waiting| waiting.id != *id);
    }

    pub(super) fn take(&mut self) -> Vec<Txid> {
        let ids = self.ids().collect();
        self.waiting.clear();
        ids
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = Txid> {
        self.waiting.values().map(|waiting| waiting.id)
    }

    pub(super) fn get(&self, id: &Txid) -> Option<&Waiting> {
        self.waiting.values().find(|waiting| waiting.id == *id)
    }

    pub(super) fn fee(&self, id: &Txid) -> Option<Amount> {
        self.get(id).map(|waiting| waiting.fee)
    }

    pub(super) fn fees(&self) -> Amount {
        self.waiting.values().map(|waiting| waiting.fee).sum()
    }

    /// What the waiting transactions spend.
    pub(super) fn spends(&self, transactions: &HashMap<Txid, Transaction>) -> HashSet<OutPoint> {
        self.ids()
            .filter_map(|id| transactions.get(&id))
            .flat_map(|transaction| &transaction.input)
            .map(|input| input.previous_output)
            .collect()
    }

    /// The waiting transactions that spend what `transaction` spends.
    pub(super) fn conflicts(
        &self,
        transaction: &Transaction,
        transactions: &HashMap<Txid, Transaction>,
    ) -> Vec<Txid> {
        let wanted: HashSet<OutPoint> = transaction
            .input
            .iter()
            .map(|input| input.previous_output)
            .collect();
        let takes = |id: &Txid| {
            transactions.get(id).is_some_and(|other| {
                other
                    .input
                    .iter()
                    .any(|i| wanted.contains(&i.previous_output))
            })
        };
        self.ids().filter(takes).collect()
    }
}
