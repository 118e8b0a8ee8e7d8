//! The opening of a mint over ecash and quotes from before a restore.

use std::collections::HashSet;
use std::path::Path;

use accounting::{Lineage, Sat};
use basics::clock::now_ms;
use cdk_common::database::{DynMintDatabase, Error};
use cdk_common::{Id, MeltQuoteState};
use cdk_sqlite::MintSqliteDatabase;

use super::record::{BEHIND, Record, read, write};
use crate::config::MintConfig;
use crate::copy::pending_sat;
use crate::index::write_number;
use crate::keysets::Keysets;
use crate::marks;
use crate::open_error::OpenError;
use crate::owed::{Forgotten, owed};
use crate::quote::QuoteIds;
use crate::seed::Seed;
use crate::store::{BOUND, CLAIMED, Door, RESTORED};

/// A store that is being opened.
pub(crate) struct Opening<'a> {
    pub(crate) store: &'a DynMintDatabase,
    pub(crate) keys: &'a MintSqliteDatabase,
    pub(crate) path: &'a Path,
    pub(crate) seed: &'a Seed,
    pub(crate) config: &'a MintConfig,
    pub(crate) ids: &'a QuoteIds,
}

impl Opening<'_> {
    /// Before anything else looks at the store: holds `door` to what is old, and makes
    /// the keyset of this restore the active one.
    pub(crate) async fn prepare(&self, door: &Door) -> Result<(), OpenError> {
        let lineage = &self.config.lineage;
        let keysets = self.keysets();
        if marks::is_behind(self.store).await? {
            door.close(self.ids, BEHIND.to_owned());
        }
        let incarnation = lineage.current();
        if !lineage.was_restored() {
            return Ok(keysets.begin(incarnation).await?);
        }
        let stored: Option<Record> = read(self.store).await?;
        let record = match stored {
            Some(record) if record.incarnation == incarnation => record,
            before => self.adopt(lineage, before).await?,
        };
        if !marks::is_behind(self.store).await? {
            door.set(record.old(self.ids.clone(), &self.config.restored_because));
        }
        let fresh = keysets.of(incarnation).await?;
        Ok(keysets.activate(fresh).await?)
    }

    /// Goes on as the mint of this restore: another store from now on, closed.
    async fn adopt(&self, lineage: &Lineage, before: Option<Record>) -> Result<Record, OpenError> {
        let keysets = self.keysets();
        keysets.remember(lineage).await?;
        let fresh = keysets.of(lineage.current()).await?;
        let (record, bound, claimed) = self.record(lineage, before, fresh.id).await?;
        let mut tx = self.store.begin_transaction().await?;
        write(tx.as_mut(), &record).await?;
        write_number(tx.as_mut(), RESTORED, BOUND, bound).await?;
        write_number(tx.as_mut(), RESTORED, CLAIMED, claimed).await?;
        marks::begin_anew(tx.as_mut(), self.config.outbox_end).await?;
        tx.commit().await?;
        tracing::warn!(
            bound_sat = bound,
            claimed_sat = claimed,
            because = self.config.restored_because,
            "the mint is closed until axepool restore accept"
        );
        Ok(record)
    }

    /// The record of this restore, with the bound and the claims so far: the debts for what is
    /// old, as far as this store knows, and those of them that are being redeemed at this
    /// moment or were melted since.
    async fn record(
        &self,
        lineage: &Lineage,
        before: Option<Record>,
        fresh: Id,
    ) -> Result<(Record, u64, u64), OpenError> {
        let known = before.as_ref().map(|before| Forgotten {
            issued: before.extra_sat,
            melted: Sat::ZERO,
        });
        let owed = owed(self.store, known).await?;
        let bound = owed.outstanding_sat.checked_add(owed.paid_unissued_sat);
        let bound = bound.ok_or(Error::AmountOverflow)?;
        let melted = before
            .as_ref()
            .map_or(Sat::ZERO, |record| record.melted_sat);
        let melted = melted.max(self.melted_since().await?);
        let told = before
            .as_ref()
            .map_or(Sat::ZERO, |record| record.told_melted_sat);
        let ids = self.keysets().ids().await?;
        let ids = ids.into_iter().filter(|id| *id != fresh);
        let record = Record {
            incarnation: lineage.current(),
            since_ms: now_ms(),
            from: lineage.current_from(),
            keysets: ids.collect(),
            extra_sat: before.map_or(Sat::ZERO, |before| before.extra_sat),
            melted_sat: melted,
            told_melted_sat: told,
            opened_ms: None,
        };
        let claimed = pending_sat(self.path)?.checked_add(record.all_melted()?.get());
        Ok((record, bound.get(), claimed.ok_or(Error::AmountOverflow)?))
    }

    /// The melts in the node's journal whose ecash this store has neither as burnt nor as
    /// held: it is spent, whoever brings it.
    async fn melted_since(&self) -> Result<Sat, OpenError> {
        let quotes = self.store.get_melt_quotes().await?;
        let is_known = |state| matches!(state, MeltQuoteState::Paid | MeltQuoteState::Pending);
        let known = quotes.iter().filter(|quote| is_known(quote.state));
        let known: HashSet<String> = known.map(|quote| quote.id.to_string()).collect();
        let melts = self.config.paid_melts.iter();
        let forgotten = melts.filter(|(id, _)| !known.contains(id));
        let mut amounts = forgotten.map(|(_, sat)| *sat);
        let sum = amounts.try_fold(Sat::ZERO, Sat::checked_add);
        Ok(sum.ok_or(Error::AmountOverflow)?)
    }

    fn keysets(&self) -> Keysets<'_> {
        Keysets {
            store: self.keys,
            seed: self.seed,
        }
    }
}
