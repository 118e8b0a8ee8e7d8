//! Who decides: what is handed to the node, and what is known of it. One at a time, under
//! one lock, so that nobody asks after a payment that is half-way in.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounting::{Msat, StoreMark};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::hex::DisplayHex as _;
use lightning::offers::offer::OfferId;

use super::error::{GIVE_UP_SECS, MAX_ID_BYTES, PayError};
use super::hands::{Hands, Heard, Status, Unsent};
use super::journal::{Gap, Journal, JournalError};
use super::record::{Key, Ordered, Record, State};
use super::request::{Order, Request, RequestError};
use super::{Outcome, Quote, Undecided};
use crate::marks::{Found, MarkKeeper};
use crate::offer_book::OfferBook;
use crate::settings::Fees;

/// The desk.
#[derive(Debug)]
pub(crate) struct Desk {
    path: PathBuf,
    /// The node's own offers, which it cannot pay.
    own_offers: OfferBook,
    /// Opened when it is first needed: damaged, it keeps us from paying and not from
    /// being paid.
    journal: Mutex<Option<Journal>>,
    /// Told how far the journal is.
    keeper: Arc<dyn MarkKeeper>,
}

impl Desk {
    pub(crate) fn new(path: PathBuf, own_offers: OfferBook, keeper: Arc<dyn MarkKeeper>) -> Desk {
        Desk {
            path,
            own_offers,
            journal: Mutex::new(None),
            keeper,
        }
    }

    /// The journal as it is on disk, for the comparison at a start: whatever was known of it
    /// is forgotten, since another one may have been put in its place.
    pub(crate) fn found(&self) -> Result<Found, JournalError> {
        *self.journal.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.with_journal(|journal| Ok(journal.found()))
    }

    /// Goes on although the journal may not know payments of before `now_secs`; nor the
    /// node's store, if it `lost_store`.
    pub(crate) fn forgets(
        &self,
        now_secs: u64,
        lost_store: bool,
    ) -> Result<StoreMark, JournalError> {
        self.with_journal(|journal| {
            journal.begin_anew(Gap {
                until_secs: now_secs,
                of_store_secs: lost_store.then_some(now_secs),
            })
        })
    }

    /// Before when payments may be missing, seconds since 1970; `None` where none is.
    pub(crate) fn forgot_until(&self) -> Result<Option<u64>, JournalError> {
        self.with_journal(|journal| Ok(journal.gap().map(|gap| gap.until_secs)))
    }

    pub(crate) fn quote(
        &self,
        node: &impl Hands,
        request: &Request,
        fees: &Fees,
    ) -> Result<Quote, PayError> {
        let order = self.order(node, request)?;
        let amount = order.amount();
        let fee_limit = fees
            .reserve_ceil(amount)
            .ok_or(RequestError::Amount(amount))?;
        if let Some(hash) = order.hash() {
            self.with_journal(|journal| admit(journal, node, (hash, order.made_secs())).map(drop))?;
        }
        can_send(node, amount, fee_limit)?;
        Ok(Quote { amount, fee_limit })
    }

    /// Pays, unless `id` is known.
    pub(crate) fn pay(
        &self,
        node: &impl Hands,
        id: &str,
        request: &Request,
        fee_limit: Msat,
    ) -> Result<Outcome, PayError> {
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(PayError::Id(id.len()));
        }
        self.with_journal(|journal| {
            if journal.get(id).is_some() || is_remembered(journal, node, id)? {
                return Ok(resolve(journal, node, id)?);
            }
            match self.prepare(journal, node, id, request, fee_limit) {
                Ok((order, ordered)) => hand_over(journal, node, id, &order, ordered),
                Err(PayError::Journal(error)) => Err(error.into()),
                // Refused before the node heard of it: that is certain, and stays so.
                Err(refusal) => {
                    let why = refusal.to_string();
                    tracing::info!(id, why, "a payment is refused");
                    refuse(journal, node, id, None, why)
                }
            }
        })
    }

    /// What became of `id`. One that was never ordered never will be; one that may have been
    /// ordered before the journal was lost is not known, for the operator to decide.
    pub(crate) fn look_up(&self, node: &impl Hands, id: &str) -> Result<Outcome, PayError> {
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(PayError::Id(id.len()));
        }
        self.with_journal(|journal| {
            if journal.get(id).is_some() || is_remembered(journal, node, id)? {
                return Ok(resolve(journal, node, id)?);
            }
            if let Some(gap) = journal.gap() {
                return unknown(journal, node, id, gap);
            }
            // Whoever is told so gives the money back: an order that comes after all
            // must find this line.
            let why = "it was never ordered".to_owned();
            refuse(journal, node, id, None, why)
        })
    }

    /// An event of the node. What its store knows is found there later as well; for what
    /// it does not, this is the only word that ever comes.
    ///
    /// # Errors
    /// If it cannot be written down: it should be told again.
    pub(crate) fn hear(&self, node: &impl Hands, heard: &Heard) -> Result<(), PayError> {
        self.with_journal(|journal| {
            let name = heard.name();
            let stored = node.by_name(name);
            let note = stored.as_ref().and_then(|stored| stored.note.clone());
            let is_it = |record: &&Record| {
                let key = record.order.as_ref().map(|order| &order.key);
                let by_key = match key {
                    Some(Key::Hash(hash)) => hash.to_byte_array() == name.0,
                    Some(Key::Note(ours)) => note.as_ref() == Some(ours),
                    None => false,
                };
                by_key || record.state == State::Sent(name)
            };
            let Some(record) = journal.undecided().find(is_it).cloned() else {
                if stored.is_none() && journal.undecided().next().is_some() {
                    tracing::error!(%name, ?heard, "the node's store does not know a payment: it may be the missing one");
                }
                return Ok(());
            };
            let Some(order) = &record.order else {
                return Ok(());
            };
            let state = match (heard, stored.map(|stored| stored.status)) {
                (Heard::Arrived { preimage, fee, .. }, _) => arrived(order, None, *fee, preimage.clone()),
                (Heard::Failed { .. }, _) if !knows_failures(journal, &record) => return Ok(()),
                // The event is older than what the store says.
                (Heard::Failed { .. }, Some(Status::Pending | Status::Succeeded)) => return Ok(()),
                (Heard::Failed { .. }, Some(Status::Failed) | None) => failed(),
            };
            Ok(journal.write(Record { state, ..record })?)
        })
    }

    /// What is neither paid nor certain not to be.
    pub(crate) fn undecided(&self, node: &impl Hands) -> Result<Vec<Undecided>, PayError> {
        self.with_journal(|journal| {
            let ids: Vec<String> = journal.undecided().map(|one| one.id.clone()).collect();
            for id in &ids {
                resolve(journal, node, id)?;
            }
            let left = journal.undecided().map(|record| {
                let order = record.order.as_ref();
                let order = order.map(|order| (order.amount, order.fee_limit));
                let (amount, fee_limit) = order.unwrap_or_default();
                Undecided {
                    id: record.id.clone(),
                    amount,
                    fee_limit,
                    since_secs: record.made_secs,
                }
            });
            Ok(left.collect())
        })
    }

    /// Declares an old payment as not made, on the operator's word.
    pub(crate) fn give_up(&self, node: &impl Hands, id: &str) -> Result<Outcome, PayError> {
        self.with_journal(|journal| {
            let outcome = resolve(journal, node, id)?;
            let Some(record) = journal.get(id).cloned() else {
                return Err(PayError::Unknown(id.to_owned()));
            };
            if outcome != Outcome::Pending {
                return Ok(outcome);
            }
            let age_secs = node.place().now_secs.saturating_sub(record.made_secs);
            if age_secs < GIVE_UP_SECS {
                let id = record.id;
                return Err(PayError::TooYoung { id, age_secs });
            }
            tracing::warn!(
                id,
                age_secs,
                "a payment is given up by the operator: its ecash is unlocked"
            );
            let state = State::NotPaid {
                why: "the operator gave it up".into(),
                was_handed: true,
            };
            let outcome = state.outcome();
            journal.write(Record { state, ..record })?;
            Ok(outcome)
        })
    }

    fn order(&self, node: &impl Hands, request: &Request) -> Result<Order, RequestError> {
        let order = request.order(&node.place())?;
        let is_own = |id: &OfferId| self.own_offers.has(id);
        if matches!(&order, Order::Bolt12 { offer, .. } if is_own(&offer.id())) {
            return Err(RequestError::Ours);
        }
        Ok(order)
    }

    fn prepare(
        &self,
        journal: &mut Journal,
        node: &impl Hands,
        id: &str,
        request: &Request,
        fee_limit: Msat,
    ) -> Result<(Order, Ordered), PayError> {
        let order = self.order(node, request)?;
        let (key, failed_before_secs) = match order.hash() {
            Some(hash) => {
                let admitted = admit(journal, node, (hash, order.made_secs()))?;
                (Key::Hash(hash), admitted)
            }
            None => (Key::Note(note(id)), None),
        };
        can_send(node, order.amount(), Msat::ZERO)?;
        let ordered = Ordered {
            amount: order.amount(),
            fee_limit,
            key,
            failed_before_secs,
        };
        Ok((order, ordered))
    }

    fn with_journal<T, E: From<JournalError>>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut guard: MutexGuard<'_, Option<Journal>> =
            self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let journal = match guard.as_mut() {
            Some(journal) => journal,
            None => guard.insert(Journal::open(&self.path, Arc::clone(&self.keeper))?),
        };
        work(journal)
    }
}

/// A note that belongs to one id alone and says nothing of it: whoever has a melt quote's
/// id can ask the mint about it, and the receiver reads this.
fn note(id: &str) -> String {
    let mut engine = sha256::Hash::engine();
    engine.input(b"axepool outgoing payment\0");
    engine.input(id.as_bytes());
    let hash = sha256::Hash::from_engine(engine).to_byte_array();
    format!("Cashu melt {}", hash[..16].as_hex())
}

/// An id that the journal does not know while the node's store has a payment with its
/// note: the journal is of an older backup. Taken back into it.
fn is_remembered(journal: &mut Journal, node: &impl Hands, id: &str) -> Result<bool, JournalError> {
    let key = Key::Note(note(id));
    let Some(found) = node.by_key(&key) else {
        return Ok(false);
    };
    tracing::error!(
        id,
        "the journal of payments lacked a payment that the node knows"
    );
    journal.write(Record {
        id: id.to_owned(),
        made_secs: found.at_secs,
        order: Some(Ordered {
            amount: found.amount.unwrap_or_default(),
            fee_limit: Msat::ZERO,
            key,
            failed_before_secs: None,
        }),
        state: State::Recorded,
    })?;
    Ok(true)
}

/// An id that the journal does not know, and may have known: it is kept as one that nobody
/// knows, so that the operator sees it and its ecash stays locked until it is decided.
fn unknown(
    journal: &mut Journal,
    node: &impl Hands,
    id: &str,
    gap: Gap,
) -> Result<Outcome, PayError> {
    tracing::error!(
        id,
        lost_secs = gap.until_secs,
        "a payment is not known to the journal of payments, which was lost or an older copy: it is not decided by itself (axepool node payments)"
    );
    journal.write(Record {
        id: id.to_owned(),
        made_secs: node.place().now_secs,
        order: None,
        state: State::Recorded,
    })?;
    Ok(Outcome::Pending)
}

/// Whether the node's word that a payment failed is certain. It is not for one that was
/// ordered before the node's store was lost: with an older channel state the node may tell
/// of an HTLC that its peer has long been paid.
fn knows_failures(journal: &Journal, record: &Record) -> bool {
    let lost_secs = journal.gap().and_then(|gap| gap.of_store_secs);
    lost_secs.is_none_or(|lost_secs| record.made_secs > lost_secs)
}

/// Whether an invoice of that hash, made at that time, may be paid: once in its life. Where
/// an earlier try failed before the node had it, when the node's store wrote of that.
fn admit(
    journal: &mut Journal,
    node: &impl Hands,
    (hash, made_secs): (sha256::Hash, Option<u64>),
) -> Result<Option<u64>, PayError> {
    let key = Key::Hash(hash);
    let before = journal.newest(&key).map(|record| record.id.clone());
    if let Some(id) = &before {
        resolve(journal, node, id)?;
        match journal.get(id).map(|record| &record.state) {
            Some(State::NotPaid { was_handed, .. }) if !was_handed => {}
            Some(State::NotPaid { .. }) => return Err(PayError::FailedBefore(hash)),
            _ => return Err(PayError::Again(hash)),
        }
    }
    let stored = node.by_key(&key);
    let lost_secs = journal.gap().and_then(|gap| gap.of_store_secs);
    let is_older = lost_secs
        .zip(made_secs)
        .is_some_and(|(lost, made)| made <= lost);
    match stored.map(|stored| (stored.status, stored.at_secs)) {
        // It may be in the store that was lost.
        None if before.is_none() && is_older => Err(PayError::Forgotten(hash)),
        None => Ok(None),
        Some((Status::Failed, at_secs)) if before.is_some() => Ok(Some(at_secs)),
        // Paid from elsewhere, by the operator's command.
        Some((Status::Failed, _)) => Err(PayError::FailedBefore(hash)),
        Some(_) => Err(PayError::Again(hash)),
    }
}

fn can_send(node: &impl Hands, amount: Msat, fees: Msat) -> Result<(), PayError> {
    let spendable = node.spendable();
    let with_fees = amount.checked_add(fees);
    let with_fees = with_fees.ok_or(RequestError::Amount(amount))?;
    if with_fees > spendable {
        return Err(PayError::Balance {
            amount: with_fees,
            spendable,
        });
    }
    Ok(())
}

/// Writes the order down, then hands it over.
fn hand_over(
    journal: &mut Journal,
    node: &impl Hands,
    id: &str,
    order: &Order,
    ordered: Ordered,
) -> Result<Outcome, PayError> {
    let record = Record {
        id: id.to_owned(),
        made_secs: node.place().now_secs,
        order: Some(ordered.clone()),
        state: State::Recorded,
    };
    journal.write(record.clone())?;
    match node.send(order, &ordered.key, ordered.fee_limit) {
        Ok(name) => {
            let state = State::Sent(name);
            if let Err(error) = journal.write(Record { state, ..record }) {
                // It is found by its key as well.
                tracing::error!(id, %name, %error, "the id of a payment could not be stored");
            }
            Ok(Outcome::Pending)
        }
        Err(Unsent::Certain(why)) => {
            tracing::info!(id, why, "the node refuses a payment");
            refuse(journal, node, id, Some(ordered), why)
        }
        Err(Unsent::Unknown(why)) => {
            tracing::error!(id, why, "it is unknown whether the node has a payment");
            Ok(Outcome::Pending)
        }
    }
}

/// Writes down that the node never had it.
fn refuse(
    journal: &mut Journal,
    node: &impl Hands,
    id: &str,
    order: Option<Ordered>,
    why: String,
) -> Result<Outcome, PayError> {
    let state = State::NotPaid {
        why,
        was_handed: false,
    };
    let outcome = state.outcome();
    let made_secs = journal.get(id).map(|record| record.made_secs);
    journal.write(Record {
        id: id.to_owned(),
        made_secs: made_secs.unwrap_or_else(|| node.place().now_secs),
        order,
        state,
    })?;
    Ok(outcome)
}

/// What the node's store says of an undecided record, written down when it decides it.
fn resolve(journal: &mut Journal, node: &impl Hands, id: &str) -> Result<Outcome, JournalError> {
    let Some(record) = journal.get(id).cloned() else {
        return Ok(Outcome::Pending);
    };
    let Some(order) = &record.order else {
        return Ok(record.state.outcome());
    };
    let found = match &record.state {
        State::Recorded => node.by_key(&order.key).filter(|found| {
            found.status != Status::Failed || order.failed_before_secs != Some(found.at_secs)
        }),
        State::Sent(name) => node.by_name(*name),
        State::Paid { .. } | State::NotPaid { .. } => return Ok(record.state.outcome()),
    };
    let Some(found) = found else {
        return Ok(Outcome::Pending);
    };
    let state = match found.status {
        Status::Pending => return Ok(Outcome::Pending),
        Status::Failed if !knows_failures(journal, &record) => return Ok(Outcome::Pending),
        Status::Failed => failed(),
        Status::Succeeded => arrived(order, found.amount, found.fee, found.preimage),
    };
    let outcome = state.outcome();
    journal.write(Record { state, ..record })?;
    Ok(outcome)
}

fn failed() -> State {
    State::NotPaid {
        why: "it did not get through".into(),
        was_handed: true,
    }
}

/// A payment that arrived. A fee that the node does not tell is taken for all that it was
/// allowed: what left the node must not be more than what was burnt for it.
fn arrived(
    order: &Ordered,
    amount: Option<Msat>,
    fee: Option<Msat>,
    preimage: Option<String>,
) -> State {
    let fee = fee.unwrap_or(order.fee_limit);
    let amount = amount.unwrap_or(order.amount);
    State::Paid {
        spent: amount.checked_add(fee).unwrap_or(amount),
        preimage,
    }
}
