//! Differences between an audit file and its recomputation.

use thiserror::Error;

use super::allocate::AllocationError;
use super::file_hash::FileHash;
use crate::{EpochId, MinerId, Msat, Work};

/// Where a file and its recomputation part.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Difference {
    /// Of another time.
    #[error("version {0} is unknown, or does not match its rules")]
    Version(u32),
    /// The chain of files is broken.
    #[error("it follows {}, but the file before is {}", hash(*.file), hash(*.before))]
    Chain {
        /// What it says.
        file: Option<FileHash>,
        /// What was checked before it.
        before: Option<FileHash>,
    },
    /// The proof of the payment is none.
    #[error("the preimage is not that of the payment hash")]
    Preimage,
    /// A list has doubles or another order.
    #[error("{0} are not in strict order")]
    Order(&'static str),
    /// The named epoch is not the newest of the candidates.
    #[error("epoch {0} is named but it is not the newest candidate")]
    Named(EpochId),
    /// The epochs' parts of the payment.
    #[error("the parts of the payment are {}, not {}", parts(.computed), parts(.file))]
    Parts {
        /// What it says.
        file: Vec<(EpochId, Msat)>,
        /// What follows from the candidates.
        computed: Vec<(EpochId, Msat)>,
    },
    /// What gathered before cannot be added.
    #[error("the payment and the {0} msat gathered before exceed 2^64 msat")]
    Gathered(Msat),
    /// A part is not over the work that its terms say.
    #[error("the part of epoch {0} is not split over the work that its terms name")]
    Slices(EpochId),
    /// What falls on the slices of a part, or the fees of them.
    #[error("the slices of the part of epoch {0} do not follow from their work and fees")]
    Shares(EpochId),
    /// The miners' work does not add up, or is not there.
    #[error("the work of epoch {epoch} is {computed}, not {file}")]
    Work {
        /// Where.
        epoch: EpochId,
        /// What the split says.
        file: Work,
        /// What the miners' work adds up to.
        computed: Work,
    },
    /// A part cannot be split at all.
    #[error("splitting it again: {0}")]
    Split(#[from] AllocationError),
    /// The fee of a part.
    #[error("the fee on the part of epoch {epoch} is {computed} msat, not {file} msat")]
    Fee {
        /// Where.
        epoch: EpochId,
        /// What it says.
        file: Msat,
        /// What it is.
        computed: Msat,
    },
    /// The sum of the fees.
    #[error("the fees do not add up to {0} msat")]
    FeeSum(Msat),
    /// A miner's part.
    #[error("miner {miner} gets {}, not {}", amount(*.computed), amount(*.file))]
    Miner {
        /// Who.
        miner: MinerId,
        /// What it says.
        file: Option<Msat>,
        /// What it is.
        computed: Option<Msat>,
    },
    /// A miner's quote is of another epoch.
    #[error("the sats of {miner} belong to the quote of epoch {computed}, not {file}")]
    QuoteEpoch {
        /// Who.
        miner: MinerId,
        /// What it says.
        file: EpochId,
        /// What it is.
        computed: EpochId,
    },
    /// A miner's carry or paid sats.
    #[error("the carry of {0} does not add up")]
    Carry(MinerId),
    /// What an epoch had received is not what the files before gave it.
    #[error("epoch {epoch} had received {computed} msat before, not {file} msat")]
    Received {
        /// Where.
        epoch: EpochId,
        /// What it says.
        file: Msat,
        /// What the files before add up to.
        computed: Msat,
    },
    /// It cannot be written as JSON, so it has no hash.
    #[error("the file cannot be written: {0}")]
    Write(String),
}

fn hash(hash: Option<FileHash>) -> String {
    hash.map_or_else(|| "no other".to_owned(), |hash| hash.to_string())
}

fn amount(amount: Option<Msat>) -> String {
    amount.map_or_else(|| "nothing".to_owned(), |amount| format!("{amount} msat"))
}

fn parts(parts: &[(EpochId, Msat)]) -> String {
    let part = |(epoch, amount): &(EpochId, Msat)| format!("{amount} msat for epoch {epoch}");
    match parts {
        [] => "none".to_owned(),
        parts => parts.iter().map(part).collect::<Vec<_>>().join(", "),
    }
}
