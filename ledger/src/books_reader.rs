//! Queries about the money: payments, their owners, and the data for recomputing them.
//!
//! These rows are written whole and at once, so each answer is of one moment. A close
//! is booked right after it is stored: until then the account of its epoch is open.

use std::collections::BTreeMap;

use accounting::settle::{
    AllocationRow, AuditFile, BookRows, Books, EpochAccount, FileHash, MinerAccount, OperatorEntry,
    Payout, PayoutKey, PayoutState, Policy, Posting, Tallied, Totals, audit_file,
};
use accounting::{EpochId, MinerId};

use crate::error::{LedgerError, StoreError};
use crate::reader::Reader;
use crate::store::{BookTables, Snapshot};

/// The most rows of payments that are looked at for a short list.
const SCANNED: usize = 10_000;

impl Reader {
    /// The tables of the books, of this moment.
    pub(crate) fn books(&self) -> Result<BookTables, LedgerError> {
        self.0
            .with_database(|database| Snapshot::begin(database)?.books())
    }

    /// How many events were booked: it only rises.
    pub fn bookings(&self) -> Result<u64, LedgerError> {
        Ok(self.books()?.bookings()?)
    }

    /// Where all the money is.
    pub fn totals(&self) -> Result<Totals, LedgerError> {
        Ok(self.books()?.totals()?)
    }

    /// The newest payments that arrived, at most `newest`, the newest first. Those too
    /// small to be split are left out, of which anybody can make any number; so fewer
    /// are given when there are none but those among the last 10,000 rows.
    pub fn payouts(&self, newest: usize) -> Result<Vec<Payout>, LedgerError> {
        Ok(self.books()?.shown(newest, newest.max(SCANNED))?)
    }

    /// One payment; `None` when it never arrived.
    pub fn payout(&self, key: &PayoutKey) -> Result<Option<Payout>, LedgerError> {
        Ok(self.books()?.payout(key)?)
    }

    /// The payments that are nobody's yet, in the order of their arrival.
    pub fn suspense(&self) -> Result<Vec<Payout>, LedgerError> {
        Ok(self.books()?.suspended()?)
    }

    /// What a payout did to each miner, in the order of their keys; none unless it is
    /// settled.
    pub fn allocations(&self, key: &PayoutKey) -> Result<Vec<AllocationRow>, LedgerError> {
        let books = self.books()?;
        match books.payout_number(key)? {
            Some(number) => Ok(all_allocations(&books, number)?),
            None => Ok(Vec::new()),
        }
    }

    /// What each of the payouts that were settled last, at most `newest`, did to a miner,
    /// the last one first; payouts that gave them nothing are left out.
    pub fn allocations_of(
        &self,
        miner: &MinerId,
        newest: usize,
    ) -> Result<Vec<(Payout, AllocationRow)>, LedgerError> {
        let books = self.books()?;
        let mut found = Vec::new();
        for (number, payout) in books.settled(newest)? {
            let mut own = None;
            books.allocations(number, Some(*miner), |row| {
                own = (row.miner == *miner).then_some(row);
                false
            })?;
            found.extend(own.map(|row| (payout, row)));
        }
        Ok(found)
    }

    /// A miner's account: allocated, paid, carry. Empty where there never was any.
    pub fn miner_account(&self, miner: &MinerId) -> Result<MinerAccount, LedgerError> {
        Ok(self.books()?.miner(miner)?)
    }

    /// Every miner's account, in the order of their keys.
    pub fn miner_accounts(&self) -> Result<BTreeMap<MinerId, MinerAccount>, LedgerError> {
        Ok(self.books()?.miners()?)
    }

    /// The money's side of every epoch.
    pub fn epoch_accounts(&self) -> Result<BTreeMap<EpochId, EpochAccount>, LedgerError> {
        Ok(self.books()?.epochs()?)
    }

    /// The money's side of an epoch.
    pub fn epoch_account(&self, id: EpochId) -> Result<Option<EpochAccount>, LedgerError> {
        Ok(self.books()?.epoch(id)?)
    }

    /// The lines of the ledger with their numbers from 1, in order: those after
    /// `after`, at most `limit`.
    pub fn postings(&self, after: u64, limit: usize) -> Result<Vec<(u64, Posting)>, LedgerError> {
        Ok(self.books()?.postings(after, limit)?)
    }

    /// An operator's entry.
    pub fn operator_entry(&self, id: &str) -> Result<Option<OperatorEntry>, LedgerError> {
        Ok(self.books()?.operator_entry(id)?)
    }

    /// The operator's entries, in the order of their ids.
    pub fn operator_entries(&self) -> Result<Vec<OperatorEntry>, LedgerError> {
        Ok(self.books()?.operator_entries()?)
    }

    /// How many payouts were settled: audit files are numbered from 1 to this.
    pub fn audit_files(&self) -> Result<u64, LedgerError> {
        Ok(self.books()?.audit_files()?)
    }

    /// The payout of an audit file; `None` past the last one.
    pub fn audited_payout(&self, number: u64) -> Result<Option<Payout>, LedgerError> {
        let books = self.books()?;
        match books.audited(number)? {
            Some(payout) => Ok(Some(books.numbered(payout)?)),
            None => Ok(None),
        }
    }

    /// An audit file; `None` past the last one. Made anew each time, and always the
    /// same. Reads every tally of the epochs that it lists.
    pub fn audit_file(&self, number: u64) -> Result<Option<AuditFile>, LedgerError> {
        let books = self.books()?;
        if number == 0 || number > books.audit_files()? {
            return Ok(None);
        }
        let mut file = None;
        self.files(&books, number, |_, made, _| file = Some(made))?;
        Ok(file)
    }

    /// The SHA256 of an audit file's bytes; `None` past the last one.
    pub fn audit_hash(&self, number: u64) -> Result<Option<FileHash>, LedgerError> {
        let books = self.books()?;
        if let Some(hash) = books.audit_hash(number)? {
            return Ok(Some(hash));
        }
        if number == 0 || number > books.audit_files()? {
            return Ok(None);
        }
        let mut hash = None;
        self.files(&books, number, |_, _, made| hash = Some(made))?;
        Ok(hash)
    }

    pub(crate) fn missing_audit_hashes(&self) -> Result<Vec<(u64, FileHash)>, LedgerError> {
        let books = self.books()?;
        let last = books.audit_files()?;
        let mut hashes = Vec::new();
        if last > 0 && books.audit_hash(last)?.is_none() {
            self.files(&books, last, |number, _, hash| hashes.push((number, hash)))?;
        }
        Ok(hashes)
    }

    /// Makes the audit files up to `last`, from the first one that follows a hash that
    /// is kept: only the last one where all are.
    fn files(
        &self,
        books: &BookTables,
        last: u64,
        mut each: impl FnMut(u64, AuditFile, FileHash),
    ) -> Result<(), LedgerError> {
        let mut first = last;
        let mut previous = None;
        while first > 1 && previous.is_none() {
            previous = books.audit_hash(first.saturating_sub(1))?;
            if previous.is_none() {
                first = first.saturating_sub(1);
            }
        }
        let epochs = books.epochs()?;
        for number in first..=last {
            let payout = books.audited(number)?;
            let payout = payout.ok_or(StoreError::Missing("payout of an audit file"))?;
            let rows = all_allocations(books, payout)?;
            let file = audit_file(
                &books.numbered(payout)?,
                &rows,
                &epochs,
                previous,
                |epoch| self.tallied(epoch),
            )?;
            let file = file.ok_or(StoreError::Missing("split of an audited payout"))?;
            let bytes = file.to_bytes().map_err(|source| StoreError::Json {
                table: "audit files",
                source,
            })?;
            let hash = FileHash::of(&bytes);
            previous = Some(hash);
            each(number, file, hash);
        }
        Ok(())
    }

    fn tallied(&self, epoch: EpochId) -> Result<Tallied, LedgerError> {
        let tallies = self.tallies(epoch)?.into_iter();
        Ok(tallies
            .map(|(miner, tally)| (miner, (tally.work, tally.upstream_accepted_work)))
            .collect())
    }

    /// All of the books, and whether they add up from the postings alone: an operator's
    /// question after a repair of the disk. Reads everything there is.
    pub fn whole_books(&self, policy: Policy) -> Result<Books, LedgerError> {
        let books = self.books()?;
        let mut rows = BookRows {
            policy,
            epochs: books.epochs()?,
            miners: books.miners()?,
            operator: books.operator_entries()?,
            totals: books.totals()?,
            ..BookRows::default()
        };
        for (number, payout) in books.payouts(usize::MAX)? {
            let allocations = all_allocations(&books, number)?;
            if matches!(payout.state, PayoutState::Settled(_)) {
                rows.allocations.insert(payout.payment.key(), allocations);
            }
            rows.payouts.push(payout);
        }
        let postings = books.postings(0, usize::MAX)?;
        rows.postings = postings.into_iter().map(|(_, posting)| posting).collect();
        for &epoch in rows.epochs.keys() {
            let tallies = self.tallies(epoch)?;
            let by_work = tallies.iter().filter(|(_, tally)| tally.quote_requested);
            rows.quotes
                .extend(by_work.map(|(miner, _)| (*miner, epoch)));
            let ordered = books.ordered_in(epoch, None, usize::MAX)?;
            rows.quotes
                .extend(ordered.into_iter().map(|miner| (miner, epoch)));
            let works: BTreeMap<_, _> = tallies
                .into_iter()
                .map(|(miner, tally)| (miner, tally.work))
                .collect();
            if !works.is_empty() {
                rows.works.insert(epoch, works);
            }
        }
        Ok(Books::of_rows(rows))
    }
}

fn all_allocations(books: &BookTables, payout: u64) -> Result<Vec<AllocationRow>, StoreError> {
    let mut rows = Vec::new();
    books.allocations(payout, None, |row| {
        rows.push(row);
        true
    })?;
    Ok(rows)
}
