//! The offers that were made for OCEAN, kept: an old one stays payable, so what it
//! brings must stay the miners'.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bitcoin::secp256k1::PublicKey;
use lightning::offers::offer::{Offer, OfferId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files;

/// How a payer finds the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// By its id in the network's map: the node is announced.
    Public,
    /// Through one peer that it has a channel with.
    Through(PublicKey),
}

/// An offer that OCEAN was, or may have been, given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredOffer {
    /// `lno1...`.
    pub offer: String,
    /// The address in its description.
    pub address: String,
    /// How a payer finds the node.
    pub route: Route,
    /// When it was made, seconds since 1970.
    pub made_secs: u64,
}

/// All of them, oldest first; the last one of an address is the one to show.
#[derive(Clone, Debug)]
pub struct OfferBook {
    path: Arc<PathBuf>,
    offers: Arc<RwLock<Vec<Known>>>,
}

#[derive(Clone, Debug)]
struct Known {
    id: OfferId,
    stored: StoredOffer,
}

/// Why the book cannot be used.
#[derive(Debug, Error)]
pub enum OfferBookError {
    /// It cannot be read or written.
    #[error("{path} cannot be used: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what we wrote. It is not put right by guessing: payments to an offer
    /// that is forgotten would not be the miners'.
    #[error("{path} is damaged: {error}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        error: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    offers: Vec<StoredOffer>,
}

const VERSION: u32 = 1;

impl OfferBook {
    /// Opens the book at `path`; a missing file is an empty book.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn open(path: &Path) -> Result<OfferBook, OfferBookError> {
        let damaged = |error: String| OfferBookError::Damaged {
            path: path.to_owned(),
            error,
        };
        let text = files::read_if_there(path).map_err(|error| OfferBookError::File {
            path: path.to_owned(),
            error,
        })?;
        let mut offers = Vec::new();
        if let Some(text) = text {
            let file: File =
                serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
            if file.version != VERSION {
                return Err(damaged(format!(
                    "its version is {}, the newest known here is {VERSION}: start the newer \
                     version of this program again",
                    file.version
                )));
            }
            for stored in file.offers {
                let offer: Offer = stored
                    .offer
                    .parse()
                    .map_err(|error| damaged(format!("{}: {error:?}", stored.offer)))?;
                offers.push(Known {
                    id: offer.id(),
                    stored,
                });
            }
        }
        Ok(OfferBook {
            path: Arc::new(path.to_owned()),
            offers: Arc::new(RwLock::new(offers)),
        })
    }

    /// True when the offer of that id is one of these.
    pub fn has(&self, id: &OfferId) -> bool {
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        offers.iter().any(|known| known.id == *id)
    }

    /// The newest offer for `address`.
    pub fn current(&self, address: &str) -> Option<StoredOffer> {
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        let of_address = |known: &&Known| known.stored.address == address;
        offers
            .iter()
            .rev()
            .find(of_address)
            .map(|known| known.stored.clone())
    }

    /// Keeps one more; it is on disk before anybody can be shown it. It blocks for the
    /// disk.
    ///
    /// # Errors
    /// If it cannot be written; then it is not kept at all.
    pub(crate) fn add(&self, offer: &Offer, stored: StoredOffer) -> Result<(), OfferBookError> {
        let mut offers = self.offers.write().unwrap_or_else(PoisonError::into_inner);
        let kept = offers.iter().map(|known| known.stored.clone());
        let file = File {
            version: VERSION,
            offers: kept.chain([stored.clone()]).collect(),
        };
        let failed = |error| OfferBookError::File {
            path: (*self.path).clone(),
            error,
        };
        let text = serde_json::to_string_pretty(&file).map_err(|error| failed(error.into()))?;
        files::write_whole(&self.path, &text).map_err(failed)?;
        offers.push(Known {
            id: offer.id(),
            stored,
        });
        Ok(())
    }
}
