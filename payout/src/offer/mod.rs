//! The offer that OCEAN pays: made once, by us, so that it outlives every channel.
//!
//! ldk-node's own offers name a channel and die with it. Ours come from the same keys
//! (the node answers them as its own) and name the node: a public node's offer has no
//! path, a private one's has one hop, through its channel peer.

mod desk;
mod make;
mod route;

pub use crate::offer_book::{OfferBook, OfferBookError, Route, StoredOffer};
pub use desk::{Answer, OfferDesk, OfferError};
pub use route::{Obstacle, Standing};
