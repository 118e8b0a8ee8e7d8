//! The health of a ledger.

/// Whether shares can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They can.
    Ok,
    /// They are refused, and the ledger keeps trying to write.
    Failing {
        /// What the disk says.
        reason: String,
    },
}
