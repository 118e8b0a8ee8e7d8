//! The rows that the settlement reads, out of the store.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use accounting::settle::{
    EpochAccount, MinerAccount, OperatorEntry, Payout, PayoutKey, Rows, Totals,
};
use accounting::{EpochId, MinerId, Tally, Work};

use crate::error::LedgerError;
use crate::reader::Reader;
use crate::store::BookTables;

type Tallies = Rc<BTreeMap<MinerId, Tally>>;

/// The books of one snapshot, and the tallies of closed epochs: those are final, so it
/// does not matter when they are read.
pub(super) struct StoreRows<'a> {
    reader: &'a Reader,
    tables: BookTables,
    tallies: RefCell<BTreeMap<EpochId, Tallies>>,
}

impl<'a> StoreRows<'a> {
    pub(super) fn begin(reader: &'a Reader) -> Result<Self, LedgerError> {
        Ok(StoreRows {
            reader,
            tables: reader.books()?,
            tallies: RefCell::default(),
        })
    }

    pub(super) fn tables(&self) -> &BookTables {
        &self.tables
    }

    /// An epoch's tallies are asked for once per miner: read once.
    fn tallies(&self, epoch: EpochId) -> Result<Tallies, LedgerError> {
        if let Some(known) = self.tallies.borrow().get(&epoch) {
            return Ok(known.clone());
        }
        let tallies = Rc::new(self.reader.tallies(epoch)?);
        self.tallies.borrow_mut().insert(epoch, tallies.clone());
        Ok(tallies)
    }
}

impl Rows for StoreRows<'_> {
    type Error = LedgerError;

    fn epochs(&self) -> Result<BTreeMap<EpochId, EpochAccount>, LedgerError> {
        Ok(self.tables.epochs()?)
    }

    fn works(&self, epoch: EpochId) -> Result<BTreeMap<MinerId, Work>, LedgerError> {
        let tallies = self.tallies(epoch)?;
        Ok(tallies
            .iter()
            .map(|(miner, tally)| (*miner, tally.work))
            .collect())
    }

    fn miner(&self, miner: MinerId) -> Result<MinerAccount, LedgerError> {
        Ok(self.tables.miner(&miner)?)
    }

    fn quote_requested(&self, miner: MinerId, epoch: EpochId) -> Result<bool, LedgerError> {
        let tallies = self.tallies(epoch)?;
        let by_work = tallies
            .get(&miner)
            .is_some_and(|tally| tally.quote_requested);
        Ok(by_work || self.tables.ordered(&miner, epoch)?)
    }

    fn payout(&self, key: &PayoutKey) -> Result<Option<Payout>, LedgerError> {
        Ok(self.tables.payout(key)?)
    }

    fn suspended(&self) -> Result<Vec<Payout>, LedgerError> {
        let mut suspended = self.tables.suspended()?;
        suspended.sort_unstable_by_key(|payout| payout.payment.key());
        Ok(suspended)
    }

    fn operator_entry(&self, id: &str) -> Result<Option<OperatorEntry>, LedgerError> {
        Ok(self.tables.operator_entry(id)?)
    }

    fn totals(&self) -> Result<Totals, LedgerError> {
        Ok(self.tables.totals()?)
    }
}
