//! Where the operator gets the offer.

use basics::clock::now_secs;
use bitcoin::Network;
use thiserror::Error;

use super::make::{self, MakeError};
use super::route::{Obstacle, Standing, choose, standing};
use crate::node::{Lightning, NodeError, NodeView};
use crate::offer_book::{OfferBook, OfferBookError, Route, StoredOffer};
use crate::seed::{Seed, SeedError};
use crate::settings::Settings;

/// Makes the offer once and tells how it stands.
#[derive(Clone, Debug)]
pub struct OfferDesk {
    lightning: Lightning,
    settings: Settings,
    book: OfferBook,
    /// The payout address, as it stands in the description.
    address: String,
}

/// What the operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The offer to give to OCEAN, or the one that it has.
    pub offer: StoredOffer,
    /// It was made just now: OCEAN does not know it yet.
    pub is_new: bool,
    /// How it stands.
    pub standing: Standing,
    /// What else the operator has to do for payments to arrive.
    pub advice: Vec<String>,
}

/// Why there is no offer.
#[derive(Debug, Error)]
pub enum OfferError {
    /// No offer made now would work.
    #[error("no offer would work now: {0}")]
    Hindered(Obstacle),
    /// The node is not up.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node's words.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The offer could not be made.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The offer could not be kept.
    #[error(transparent)]
    Book(#[from] OfferBookError),
}

impl OfferDesk {
    /// A desk for the payout address `address`, written as OCEAN knows it.
    pub fn new(lightning: Lightning, settings: Settings, book: OfferBook, address: String) -> Self {
        OfferDesk {
            lightning,
            settings,
            book,
            address,
        }
    }

    /// The offer: the one that there is, else a new one. With `renew`, a new one where
    /// the one that there is does not work any more (and no other time: OCEAN must be
    /// told of each).
    ///
    /// # Errors
    /// If there is none and none would work, or it could not be made and kept.
    pub async fn offer(&self, renew: bool) -> Result<Answer, OfferError> {
        let view = self.lightning.view().await?;
        let current = self.book.current(&self.address);
        if let Some(offer) = current {
            let standing = standing(&offer.route, &view, &self.settings);
            if !(renew && matches!(standing, Standing::Outdated(_))) {
                return Ok(self.answer(offer, false, standing, &view));
            }
        }
        let route = choose(&view, &self.settings).map_err(OfferError::Hindered)?;
        let offer = self.make(&view, route).await?;
        tracing::warn!(
            offer = offer.offer,
            "a new offer was made: give it to OCEAN with axepool ocean-sign"
        );
        Ok(self.answer(offer, true, Standing::Good, &view))
    }

    /// How the offer that OCEAN has stands; none when none was made.
    ///
    /// # Errors
    /// If the node is not up.
    pub async fn standing(&self) -> Result<Option<Standing>, NodeError> {
        let view = self.lightning.view().await?;
        let current = self.book.current(&self.address);
        Ok(current.map(|offer| standing(&offer.route, &view, &self.settings)))
    }

    async fn make(&self, view: &NodeView, route: Route) -> Result<StoredOffer, OfferError> {
        let desk = self.clone();
        let node = view.node_id;
        let network: Network = self.settings.network;
        let made = self.lightning.with(move |_| {
            let words = &desk.settings.mnemonic_file;
            let seed = Seed::open(words, &desk.settings.storage_dir)?;
            let offer = make::make(&seed, network, node, &desk.address, &route)?;
            let stored = StoredOffer {
                offer: offer.to_string(),
                address: desk.address.clone(),
                route,
                made_secs: now_secs(),
            };
            desk.book.add(&offer, stored.clone())?;
            Ok::<_, OfferError>(stored)
        });
        made.await?
    }

    fn answer(
        &self,
        offer: StoredOffer,
        is_new: bool,
        standing: Standing,
        view: &NodeView,
    ) -> Answer {
        let mut advice = Vec::new();
        let ocean = &self.settings.peers.ocean;
        let connected = |id| {
            view.peers
                .iter()
                .any(|peer| peer.node_id == id && peer.is_connected)
        };
        // A payer often names itself in its reply path, and then we must reach it.
        if matches!(offer.route, Route::Through(_)) && !ocean.is_empty() {
            for id in ocean.iter().filter(|id| !connected(**id)) {
                advice.push(format!(
                    "a private node needs a connection of its own to OCEAN's node {id}: put it into peers.persistent"
                ));
            }
        }
        let reserve = self.settings.anchors.reserve_sat;
        advice.extend(view.balances.lacks_reserve(reserve));
        Answer {
            offer,
            is_new,
            standing,
            advice,
        }
    }
}
