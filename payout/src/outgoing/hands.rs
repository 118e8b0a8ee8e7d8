//! What the desk and the node say to each other.

use accounting::Msat;

use super::record::{Key, Name};
use super::request::{Order, Place};

/// What the desk needs of the node. Its calls block for locks and the disk, never for the
/// network.
pub(crate) trait Hands {
    /// Who pays, and when.
    fn place(&self) -> Place;

    /// What the usable channels can send in all.
    fn spendable(&self) -> Msat;

    /// The outgoing payment of that key in the node's store.
    fn by_key(&self, key: &Key) -> Option<Outbound>;

    /// The outgoing payment of that name in the node's store.
    fn by_name(&self, name: Name) -> Option<Outbound>;

    /// Hands it over; the node's name for it.
    fn send(&self, order: &Order, key: &Key, fee_limit: Msat) -> Result<Name, Unsent>;
}

/// Why there is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// It never left, and never will.
    Certain(String),
    /// It may have left.
    Unknown(String),
}

/// An outgoing payment in the node's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outbound {
    pub(crate) status: Status,
    /// Without the fees.
    pub(crate) amount: Option<Msat>,
    pub(crate) fee: Option<Msat>,
    pub(crate) preimage: Option<String>,
    pub(crate) note: Option<String>,
    /// When the node last wrote of it, seconds since 1970.
    pub(crate) at_secs: u64,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Succeeded,
    Failed,
}

/// What an event of the node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A payment arrived.
    Arrived {
        name: Name,
        preimage: Option<String>,
        fee: Option<Msat>,
    },
    /// A payment failed.
    Failed { name: Name },
}

impl Heard {
    pub(super) fn name(&self) -> Name {
        match self {
            Heard::Arrived { name, .. } | Heard::Failed { name } => *name,
        }
    }
}
