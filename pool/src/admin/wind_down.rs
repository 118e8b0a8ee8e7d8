//! Orders about winding down.

use serde::{Deserialize, Serialize};

/// A question or an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum WindDownRequest {
    /// How far is it?
    Look,
    /// Begin, or state another time.
    Begin {
        /// Until when mint and melts stay up, milliseconds since 1970.
        until_ms: u64,
    },
    /// Take it back: miners are served again.
    Cancel,
}
