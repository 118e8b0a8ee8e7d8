//! Money that arrived over lightning, into the books: told at least once, booked exactly
//! once, booked before it is acknowledged.
//!
//! Two ways lead here, and both through the same door: the node's event, and a sweep over
//! its stored payments (at start and every few minutes), which finds what an event was
//! lost for. The books know a payment by its hash, so that coming twice is harmless.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use accounting::Msat;
use accounting::settle::{Event, PaidTo, Payment, Preimage, Via};
use basics::backoff::Backoff;
use basics::clock::now_secs;
use bitcoin::hashes::sha256;
use lightning::offers::offer::OfferId;
use tokio_util::sync::CancellationToken;

use crate::booking::{BookError, Booked, Booking};
use crate::offer_book::OfferBook;

/// While the books are not to be had nothing is acknowledged.
const BOOK_AGAIN: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));

/// How often the node is asked what a payment paid before it goes on without knowing.
/// It stores that before it tells of the payment, so that more than one is never seen.
const ASK_AGAIN: u32 = 5;

/// A payment older than this came at a height that nobody knows any more.
const TIP_KNOWN_FOR: Duration = Duration::from_secs(30 * 60);

/// The door.
pub struct Intake {
    booking: Arc<dyn Booking>,
    offers: OfferBook,
    /// What this process has booked, so that a sweep tells the books of news only.
    booked: HashSet<sha256::Hash>,
    /// What the books refuse: told to a person once, and to the books at every sweep.
    refused: HashSet<sha256::Hash>,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("booked", &self.booked.len())
            .field("refused", &self.refused.len())
            .finish_non_exhaustive()
    }
}

/// A payment that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Its hash.
    pub(crate) hash: sha256::Hash,
    /// What arrived (payers round up and overpay).
    pub(crate) amount: Msat,
    /// Its proof.
    pub(crate) preimage: Option<Preimage>,
    /// When it was claimed, seconds since 1970.
    pub(crate) at_secs: u64,
    /// What it paid.
    pub(crate) paid: Paid,
}

/// What a payment paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    /// An offer of this node.
    Offer {
        /// Which.
        id: OfferId,
        /// The payer's note, as it came.
        note: Option<String>,
    },
    /// An invoice, a refund, or nothing (a keysend).
    Other,
}

/// What the node says of the chain at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Its last block.
    pub(crate) height: u32,
    /// When it last heard of the chain, seconds since 1970.
    pub(crate) heard_secs: Option<u64>,
}

/// What the intake asks of the node. All of it is `None` while the node is down.
pub(crate) trait Arrivals: Sync {
    /// The incoming payment of that hash, if the node has it and it is complete.
    fn received(&self, hash: sha256::Hash) -> impl Future<Output = Option<Received>> + Send;

    /// All that ever arrived over lightning, oldest first.
    fn all_received(&self) -> impl Future<Output = Option<Vec<Received>>> + Send;

    /// What the node says of the chain.
    fn tip(&self) -> impl Future<Output = Option<Tip>> + Send;
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is booked, or a sweep will bring it again: acknowledge.
    Dealt,
    /// We are stopping: the node keeps it.
    Not,
}

impl Intake {
    /// A door to `booking`. Payments to an offer of `offers` are OCEAN's; those to another
    /// offer of this node's key may be, and what pays no offer is the operator's.
    pub fn new(booking: Arc<dyn Booking>, offers: OfferBook) -> Self {
        Intake {
            booking,
            offers,
            booked: HashSet::new(),
            refused: HashSet::new(),
        }
    }

    /// The offers that are OCEAN's.
    pub(crate) fn offers(&self) -> OfferBook {
        self.offers.clone()
    }

    /// The payment of an event. Returns when it is dealt with for good, however long the
    /// books take.
    pub(crate) async fn take(
        &mut self,
        node: &impl Arrivals,
        hash: sha256::Hash,
        amount: Msat,
        stop: &CancellationToken,
    ) -> Taken {
        let Some(received) = ask(node, hash, stop).await else {
            if stop.is_cancelled() {
                return Taken::Not;
            }
            tracing::error!(%hash, %amount, "the node does not report which offer a payment paid: it goes to suspense");
            return self
                .keep_booking(unexplained(hash, amount), hash, stop)
                .await;
        };
        if received.amount != amount {
            // Both come from the same claim; the stored one is what a sweep would tell.
            tracing::warn!(%hash, event = %amount, stored = %received.amount, "a payment was reported with two different amounts");
        }
        let Some(payment) = self.payment(node, received).await else {
            return Taken::Not;
        };
        self.keep_booking(payment, hash, stop).await
    }

    /// Every stored payment, through the same door. What cannot be booked now is left for
    /// the next sweep.
    pub(crate) async fn sweep(&mut self, node: &impl Arrivals, stop: &CancellationToken) {
        let Some(all) = node.all_received().await else {
            return;
        };
        let news = all.into_iter();
        let news: Vec<Received> = news
            .filter(|one| !self.booked.contains(&one.hash))
            .collect();
        for received in news {
            let hash = received.hash;
            let Some(payment) = self.payment(node, received).await else {
                return;
            };
            let booked = stop
                .run_until_cancelled(self.book_once(payment, hash))
                .await;
            match booked {
                None => return,
                Some(Err(BookError::Unavailable(why))) => {
                    tracing::warn!(
                        why,
                        "the sweep over stored payments stops at an error; will retry"
                    );
                    return;
                }
                Some(Ok(Booked::New)) => {
                    tracing::warn!(%hash, "a stored payment was missing in the books and is booked now");
                }
                Some(Ok(Booked::Known) | Err(BookError::Refused(_))) => {}
            }
        }
    }

    async fn payment(&self, node: &impl Arrivals, received: Received) -> Option<Payment> {
        let tip = node.tip().await?;
        let is_ocean = |id: &OfferId| self.offers.has(id);
        Some(as_payment(received, tip, now_secs(), is_ocean))
    }

    async fn keep_booking(
        &mut self,
        payment: Payment,
        hash: sha256::Hash,
        stop: &CancellationToken,
    ) -> Taken {
        let mut backoff = BOOK_AGAIN;
        loop {
            let booking = self.book_once(payment.clone(), hash);
            match stop.run_until_cancelled(booking).await {
                None => return Taken::Not,
                Some(Ok(Booked::New)) => {
                    tracing::info!(%hash, amount_msat = %payment.amount, "a payment is booked");
                    return Taken::Dealt;
                }
                // A refused payment stays in the node's store, where every sweep finds
                // it: it may not hold up those that come after it.
                Some(Ok(Booked::Known) | Err(BookError::Refused(_))) => return Taken::Dealt,
                Some(Err(BookError::Unavailable(why))) => {
                    let wait = backoff.failed();
                    tracing::error!(%hash, why, ?wait, "a payment waits to be booked");
                    if stop
                        .run_until_cancelled(tokio::time::sleep(wait))
                        .await
                        .is_none()
                    {
                        return Taken::Not;
                    }
                }
            }
        }
    }

    async fn book_once(
        &mut self,
        payment: Payment,
        hash: sha256::Hash,
    ) -> Result<Booked, BookError> {
        let booked = self.booking.book(Event::Paid(payment)).await;
        match &booked {
            Ok(_) => {
                self.refused.remove(&hash);
                self.booked.insert(hash);
            }
            Err(BookError::Refused(why)) if self.refused.insert(hash) => {
                tracing::error!(%hash, why, "the books refuse a payment; will retry");
            }
            Err(_) => {}
        }
        booked
    }
}

/// What the node has stored of a payment; `None` when it does not know, or we stop.
async fn ask(
    node: &impl Arrivals,
    hash: sha256::Hash,
    stop: &CancellationToken,
) -> Option<Received> {
    let mut backoff = BOOK_AGAIN;
    for _ in 0..ASK_AGAIN {
        if let Some(received) = node.received(hash).await {
            return Some(received);
        }
        stop.run_until_cancelled(tokio::time::sleep(backoff.failed()))
            .await?;
    }
    None
}

/// A payment as the books want it told. Pure.
fn as_payment(
    received: Received,
    tip: Tip,
    now_secs: u64,
    is_ocean: impl Fn(&OfferId) -> bool,
) -> Payment {
    let fresh = |at_secs: u64| now_secs.saturating_sub(at_secs) <= TIP_KNOWN_FOR.as_secs();
    let heard = tip.heard_secs.is_some_and(fresh);
    let tip_height = (heard && fresh(received.at_secs)).then_some(tip.height);
    let (paid_to, note) = match received.paid {
        Paid::Offer { id, note } if is_ocean(&id) => (PaidTo::OceanOffer, note),
        // LDK takes payments to offers of its own key alone. One that is not in the book
        // was made after the backup that was restored, or before the book was lost.
        Paid::Offer { note, .. } => (PaidTo::UnknownOffer, note),
        Paid::Other => (PaidTo::NoOffer, None),
    };
    Payment {
        amount: received.amount,
        received_ms: received.at_secs.saturating_mul(1000),
        via: Via::Lightning {
            payment_hash: received.hash,
            preimage: received.preimage,
            paid_to,
            note,
            tip_height,
        },
    }
}

/// A payment of which only hash and amount are known. Without note and height the books
/// put what is for the offer into suspense: nobody's until the operator says whose, or
/// the node does (then a sweep brings the note).
fn unexplained(hash: sha256::Hash, amount: Msat) -> Payment {
    Payment {
        amount,
        received_ms: now_secs().saturating_mul(1000),
        via: Via::Lightning {
            payment_hash: hash,
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: None,
            tip_height: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash as _;

    const NOW: u64 = 1_800_000_000;
    const OURS: OfferId = OfferId([7; 32]);

    fn received(paid: Paid, at_secs: u64) -> Received {
        Received {
            hash: sha256::Hash::from_byte_array([1; 32]),
            amount: Msat::new(996),
            preimage: None,
            at_secs,
            paid,
        }
    }

    #[track_caller]
    fn case(paid: Paid, at_secs: u64, heard_secs: Option<u64>, expected: PaidTo, tip: Option<u32>) {
        let chain = Tip {
            height: 900_000,
            heard_secs,
        };
        let payment = as_payment(received(paid, at_secs), chain, NOW, |id| *id == OURS);
        let Via::Lightning {
            paid_to,
            tip_height,
            ..
        } = payment.via
        else {
            panic!("it came over lightning");
        };
        assert_eq!((paid_to, tip_height), (expected, tip));
        assert_eq!(payment.amount, Msat::new(996));
        assert_eq!(payment.received_ms, at_secs * 1000);
    }

    fn offer(id: u8) -> Paid {
        Paid::Offer {
            id: OfferId([id; 32]),
            note: Some("a note".into()),
        }
    }

    #[test]
    fn what_was_paid_says_whose_it_is() {
        let known = Some(900_000);
        case(offer(7), NOW, Some(NOW), PaidTo::OceanOffer, known);
        case(offer(8), NOW, Some(NOW), PaidTo::UnknownOffer, known);
        case(Paid::Other, NOW, Some(NOW), PaidTo::NoOffer, known);
    }

    #[test]
    fn a_height_is_told_only_while_it_is_known() {
        let hour = 3600;
        let ours = PaidTo::OceanOffer;
        case(offer(7), NOW - hour, Some(NOW), ours, None);
        case(offer(7), NOW, Some(NOW - hour), ours, None);
        case(offer(7), NOW, None, ours, None);
        case(offer(7), NOW - 60, Some(NOW - 60), ours, Some(900_000));
    }
}
