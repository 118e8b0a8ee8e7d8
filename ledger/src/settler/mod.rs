//! Books events, one after the other: decides each over a snapshot, away from the
//! writer's thread, and has the writer put the rows in their places.
//!
//! Only here is anything decided about money, so the rows that a decision was made over
//! are the last ones when it is written; the store counts the bookings and refuses one
//! that is made over others. What becomes of an epoch is not told from outside: the
//! closes are entries of the journal, and before every event the books catch up with
//! them. See docs/decisions/0005-settlement-in-the-store.md.

mod rows;
mod thread;

use std::collections::BTreeMap;

use accounting::settle::{
    Alarm, Block, Changes, Effect, EpochAccount, Event, Policy, Stage, decide,
};
use accounting::{CloseCause, Epoch, EpochId, EpochState, QuotePer};

use crate::error::{LedgerError, StoreError};
use crate::reader::Reader;
use crate::store::{Booking, QuoteParts};
use rows::StoreRows;
pub(crate) use thread::{Ask, Request, Settler};

/// Writes a booking, or learns that it is not written.
pub(crate) type Commit<'a> = &'a mut dyn FnMut(Booking) -> Result<(), LedgerError>;

/// Books an event, after the closes before it. The same again books nothing.
pub(crate) fn book(
    reader: &Reader,
    policy: &Policy,
    event: Event,
    commit: Commit<'_>,
) -> Result<Vec<Effect>, LedgerError> {
    if let Event::EpochOpened { .. } | Event::EpochClosed { .. } = event {
        return Err(LedgerError::ClosesItself);
    }
    catch_up(reader, policy, commit)?;
    Ok(book_one(reader, policy, event, commit)?.unwrap_or_default())
}

/// Books every close that the books do not have yet. They may have missed the last ones
/// by a crash, or all of them in a store that was made before there were books.
pub(crate) fn catch_up(
    reader: &Reader,
    policy: &Policy,
    commit: Commit<'_>,
) -> Result<Vec<Effect>, LedgerError> {
    let mut effects = Vec::new();
    while let Some(event) = missed(reader)? {
        let booked = book_one(reader, policy, event, commit)?;
        // The books would miss it for ever: another epoch has its block for them.
        effects.extend(booked.ok_or(StoreError::Missing("change of the books by a close"))?);
    }
    Ok(effects)
}

fn missed(reader: &Reader) -> Result<Option<Event>, LedgerError> {
    let Some(newest) = reader.books()?.newest_epoch()? else {
        let first = epoch(reader, EpochId::FIRST)?;
        return Ok(Some(Event::EpochOpened {
            epoch: first.id,
            terms: first.terms,
        }));
    };
    let known = epoch(reader, newest.epoch)?;
    let EpochState::Closed { cause, .. } = known.state else {
        return Ok(None);
    };
    if newest.stage != Stage::Open {
        return Err(StoreError::Missing("open epoch's account").into());
    }
    let next = epoch(reader, known.id.next())?;
    let block = match cause {
        CloseCause::Command => None,
        CloseCause::OceanBlock { hash, height } => Some(Block { hash, height }),
    };
    Ok(Some(Event::EpochClosed {
        epoch: known.id,
        block,
        work: known.totals.work,
        miners: known.totals.miners,
        next: next.id,
        next_terms: next.terms,
    }))
}

fn epoch(reader: &Reader, id: EpochId) -> Result<Epoch, LedgerError> {
    let epoch = reader.epoch(id)?;
    Ok(epoch.ok_or(StoreError::Missing("epoch that its neighbour leads to"))?)
}

/// Books one event; `None` when it changes nothing.
fn book_one(
    reader: &Reader,
    policy: &Policy,
    event: Event,
    commit: Commit<'_>,
) -> Result<Option<Vec<Effect>>, LedgerError> {
    let rows = StoreRows::begin(reader)?;
    let changes = decide(&rows, policy, event).map_err(|error| match error.refusal() {
        Ok(refusal) => LedgerError::Refused(Box::new(refusal)),
        Err(unread) => unread,
    })?;
    if changes.is_empty() {
        return Ok(None);
    }
    let tables = rows.tables();
    let before = tables.epochs()?;
    let parts = quote_parts(reader, &before, &changes)?;
    let booking = Booking::of_changes(tables, &before, &changes, &parts)?;
    // The snapshot holds pages, and the file where it must be reopened.
    drop(rows);
    commit(booking)?;
    changes.effects.iter().for_each(alarm);
    Ok(Some(changes.effects))
}

/// How the sats are spread where shares have quotes of their own.
fn quote_parts(
    reader: &Reader,
    before: &BTreeMap<EpochId, EpochAccount>,
    changes: &Changes,
) -> Result<QuoteParts, LedgerError> {
    let mut parts = QuoteParts::new();
    for effect in &changes.effects {
        let Effect::PayQuote {
            payout,
            miner,
            epoch,
            sats,
            per: QuotePer::Share,
        } = *effect
        else {
            continue;
        };
        let account = changes.epochs.get(&epoch).or_else(|| before.get(&epoch));
        let account = account.ok_or(StoreError::Missing("account of a paid epoch"))?;
        let spread = reader.quote_parts(account, miner, sats)?;
        parts.insert((payout, miner), spread);
    }
    Ok(parts)
}

/// Makes and keeps the hashes of the audit files that have none yet, so that the next
/// file is made without all those before it.
pub(crate) fn hash_files(reader: &Reader, commit: Commit<'_>) -> Result<(), LedgerError> {
    let hashes = reader.missing_audit_hashes()?;
    if hashes.is_empty() {
        return Ok(());
    }
    commit(Booking::of_hashes(&reader.books()?, hashes)?)
}

fn alarm(effect: &Effect) {
    match effect {
        Effect::Alarm(alarm) => match alarm {
            Alarm::Suspended {
                payout,
                amount,
                why,
            } => {
                tracing::warn!(%payout, amount_msat = amount.get(), ?why, "a payment is in suspense");
            }
            other => tracing::warn!(alarm = ?other, "the books are told what does not fit"),
        },
        Effect::Posting(_) | Effect::CreateQuote { .. } | Effect::PayQuote { .. } => {}
    }
}
