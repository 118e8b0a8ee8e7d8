//! The simulated OCEAN's lightning node: it opens a channel to whoever is to be paid, and
//! pays an offer with OCEAN's note some blocks after each block that was found.
//!
//! A real node (ldk-node) over [`chain`](crate::chain). It also makes invoices and
//! offers, so that ecash can be melted back to it.

mod node;
mod payouts;

pub use node::{OceanNode, OceanNodeOptions, Received, Sending, Sent};
pub use payouts::{NoteNames, note, payout};
