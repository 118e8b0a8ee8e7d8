//! Entries in: first every row that a batch touches is read, which may fail, then the
//! batch is applied, which cannot.

use accounting::{
    BlockFound, CloseCause, CreditedHashes, Epoch, EpochId, EpochState, EpochTerms, HashMark,
    MinerId, OutboxId, OutboxKind, OutboxRow, QuotedShare, ShareId, ShareRecord, Tally,
    UpstreamResult,
};
use bitcoin::hashes::Hash;
use hashbrown::hash_map;

use crate::entry::Entry;
use crate::state::State;
use crate::state::base::Base;
use crate::state::miner::MinerRows;

/// The rows that a miner's first share since the checkpoint makes dirty: a tally and
/// two buckets.
const ROWS_OF_A_MINER: usize = 3;

/// What an entry came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the sums.
    Applied,
    /// A share that was there already: it changed nothing.
    Duplicate,
    /// This epoch is closed by it, or was before by the same block.
    Closed(EpochId),
}

impl State {
    /// Reads the rows that the entries touch. A close must be the last of them: the
    /// shares after it are another epoch's.
    pub(crate) fn prepare<B: Base>(
        &mut self,
        entries: &[Entry],
        base: &mut B,
    ) -> Result<(), B::Error> {
        for entry in entries {
            match entry {
                Entry::Share(share) => self.prepare_share(share, base)?,
                Entry::Upstream(result) => drop(self.prepare_miner(&result.miner, base)?),
                Entry::Close { .. } | Entry::OutboxDone(_) | Entry::Booked { .. } => {}
            }
        }
        Ok(())
    }

    /// Applies the batch `number`, which was prepared; tells what each entry came to.
    pub(crate) fn apply(
        &mut self,
        number: u64,
        entries: &[Entry],
        mut outcome: impl FnMut(Outcome),
    ) {
        self.batch = number;
        for entry in entries {
            outcome(match entry {
                Entry::Share(share) => self.share(share),
                Entry::Upstream(result) => self.upstream(result),
                Entry::Close { cause, at_ms, next } => self.close(*cause, *at_ms, *next),
                Entry::OutboxDone(ids) => self.outbox_done(ids),
                Entry::Booked { outbox, dissolved } => self.booked(*outbox, dissolved),
            });
        }
    }

    fn prepare_share<B: Base>(
        &mut self,
        share: &ShareRecord,
        base: &mut B,
    ) -> Result<(), B::Error> {
        let session = share.id.session;
        if !self.sessions.contains_key(&session) {
            let row = base.session(session)?.unwrap_or_default();
            self.sessions.insert(session, row);
        }
        let miner = share.who.miner;
        let rows = self.prepare_miner(&miner, base)?;
        rows.buckets.prepare(Some(miner), share.time_ms, base)?;
        self.pool.prepare(None, share.time_ms, base)
    }

    fn prepare_miner<B: Base>(
        &mut self,
        miner: &MinerId,
        base: &mut B,
    ) -> Result<&mut MinerRows, B::Error> {
        let epoch = self.open.id;
        let rows = match self.miners.entry(*miner) {
            hash_map::Entry::Occupied(rows) => rows.into_mut(),
            hash_map::Entry::Vacant(place) => place.insert(MinerRows::load(epoch, miner, base)?),
        };
        if rows.epoch != epoch {
            let last = std::mem::replace(&mut rows.tally, base.tally(epoch, miner)?);
            if let Some(tally) = last.filter(|_| rows.dirty) {
                self.older.insert((rows.epoch, *miner), tally);
            }
            rows.epoch = epoch;
        }
        Ok(rows)
    }

    fn share(&mut self, share: &ShareRecord) -> Outcome {
        let session = self.sessions.entry(share.id.session).or_default();
        if share.id.sequence <= session.sequence {
            return Outcome::Duplicate;
        }
        session.sequence = share.id.sequence;
        session.last_ms = share.time_ms;
        let mut dirty = usize::from(!std::mem::replace(&mut session.dirty, true));
        self.now_ms = share.time_ms;

        let miner = share.who.miner;
        let rows = self
            .miners
            .get_mut(&miner)
            .expect("prepare read the rows of every miner");
        if !std::mem::replace(&mut rows.dirty, true) {
            dirty = dirty.saturating_add(ROWS_OF_A_MINER);
        }
        dirty = dirty.saturating_add(rows.add_to_worker(share).into());
        rows.buckets.add(share.time_ms, share.work);
        self.pool.add(share.time_ms, share.work);
        let tally = match &mut rows.tally {
            Some(tally) => {
                tally.add(share);
                tally
            }
            none => {
                self.open.totals.miners = self.open.totals.miners.saturating_add(1);
                none.insert(Tally::first(share))
            }
        };
        let (terms, before) = (self.open.terms, self.open.totals.shares);
        let has_own = terms.quotes_share(before);
        let wanted = !has_own && !tally.quote_requested && tally.work >= terms.quote_min_work;
        tally.quote_requested |= wanted;
        self.dirty = self.dirty.saturating_add(dirty);
        if has_own {
            self.quote(share, before);
        } else if wanted {
            self.order_quote(share, None);
        }
        self.add_to_totals(share);
        self.mark(share);
        Outcome::Applied
    }

    /// The hash is known over a restart. Without checkpoints, which a failing disk may
    /// refuse for long, the older half is let go rather than the memory.
    fn mark(&mut self, share: &ShareRecord) {
        if self.marks.len() >= CreditedHashes::MAX_KEPT {
            self.marks.drain(..CreditedHashes::MAX_KEPT / 2);
        }
        self.marks.push(HashMark::of(share.hash.as_byte_array()));
    }

    /// A share gets a quote of its own.
    fn quote(&mut self, share: &ShareRecord, before: u64) {
        let miner = share.who.miner;
        // Below the most of them, which is such a number.
        let place = u32::try_from(before).unwrap_or(u32::MAX);
        let quoted = QuotedShare {
            share: share.id,
            work: share.work,
        };
        self.quoted.insert((self.open.id, miner, place), quoted);
        self.dirty = self.dirty.saturating_add(1);
        self.order_quote(share, Some(share.id));
    }

    /// Orders a quote for the miner of `by`: of that share alone, or of their epoch.
    fn order_quote(&mut self, by: &ShareRecord, share: Option<ShareId>) {
        let epoch = self.open.id;
        let row = OutboxRow {
            id: self.next_outbox,
            kind: OutboxKind::CreateQuote {
                miner: by.who.miner,
                epoch,
                share,
                typed: by.typed,
            },
        };
        self.outbox.insert(row.id, Some(row));
        self.next_outbox = OutboxId::new(row.id.get().saturating_add(1));
        self.dirty = self.dirty.saturating_add(1);
    }

    fn add_to_totals(&mut self, share: &ShareRecord) {
        let totals = &mut self.open.totals;
        totals.work = totals.work.saturating_add(share.work);
        totals.shares = totals.shares.saturating_add(1);
        totals.upstream_found = totals
            .upstream_found
            .saturating_add(share.meets_upstream.into());
        if share.meets_network {
            totals.blocks = totals.blocks.saturating_add(1);
            self.blocks.push(BlockFound {
                hash: share.hash,
                miner: share.who.miner,
                worker: share.who.worker.clone(),
                epoch: self.open.id,
                time_ms: share.time_ms,
            });
            self.dirty = self.dirty.saturating_add(1);
        }
    }

    fn upstream(&mut self, result: &UpstreamResult) -> Outcome {
        let totals = &mut self.open.totals;
        let (count, work) = if result.accepted {
            (
                &mut totals.upstream_accepted,
                &mut totals.upstream_accepted_work,
            )
        } else {
            (
                &mut totals.upstream_refused,
                &mut totals.upstream_refused_work,
            )
        };
        *count = count.saturating_add(1);
        *work = work.saturating_add(result.upstream_work);
        // The open epoch's row: without this a checkpoint may see nothing to do.
        self.dirty = self.dirty.max(1);
        // An answer that comes after the close, to a miner without a share since then,
        // is in the totals only: a closed epoch's tallies do not change any more.
        let rows = self.miners.get_mut(&result.miner);
        if let Some((tally, dirty)) = rows
            .filter(|_| result.accepted)
            .and_then(|rows| Some((rows.tally.as_mut()?, &mut rows.dirty)))
        {
            tally.upstream_accepted_work = tally
                .upstream_accepted_work
                .saturating_add(result.upstream_work);
            if !std::mem::replace(dirty, true) {
                self.dirty = self.dirty.saturating_add(ROWS_OF_A_MINER);
            }
        }
        Outcome::Applied
    }

    fn close(&mut self, cause: CloseCause, at_ms: u64, next: EpochTerms) -> Outcome {
        let id = self.open.id;
        if let CloseCause::OceanBlock { hash, .. } = cause {
            if let Some(before) = self.closed_by(&hash) {
                return Outcome::Closed(before);
            }
            self.closed_by.insert(hash, id);
        }
        let mut closed = std::mem::replace(&mut self.open, Epoch::open(id.next(), at_ms, next));
        closed.state = EpochState::Closed { at_ms, cause };
        self.closed.push(closed);
        self.dirty = self.dirty.saturating_add(2);
        Outcome::Closed(id)
    }

    fn booked(&mut self, outbox: u64, dissolved: &[EpochId]) -> Outcome {
        // The rows themselves are in the base already.
        self.next_outbox = OutboxId::new(self.next_outbox.get().saturating_add(outbox));
        self.closed_by.retain(|_, epoch| !dissolved.contains(epoch));
        self.dissolved.extend(dissolved);
        self.dirty = self.dirty.saturating_add(dissolved.len().max(1));
        Outcome::Applied
    }

    fn outbox_done(&mut self, ids: &[OutboxId]) -> Outcome {
        // Only rows that were made: an id from the future must not swallow the row
        // that will have it.
        let made = ids.iter().filter(|id| **id < self.next_outbox);
        self.outbox.extend(made.map(|id| (*id, None)));
        self.dirty = self.dirty.saturating_add(ids.len());
        Outcome::Applied
    }
}
