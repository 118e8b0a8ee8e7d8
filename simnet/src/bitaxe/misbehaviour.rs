//! Faults of a miner, by mistake or on purpose.

/// A fault of the device's or of its owner's.
#[derive(Clone, Debug, PartialEq)]
pub enum Misbehaviour {
    /// Sends every n-th share twice; 0 sends none twice.
    Duplicate {
        /// 1: every share.
        every: u64,
    },
    /// Submits what meets the difficulty told times this factor, below 1: too little.
    WrongDifficulty {
        /// Times the difficulty told.
        factor: f64,
    },
    /// Submits under another username than it authorized.
    SubmitAs {
        /// The username.
        username: String,
    },
    /// Keeps shares of at least this difficulty to itself, to hurt the pool: with the
    /// upstream's difficulty these are the ones that the pool is paid for.
    Withhold {
        /// The least difficulty withheld.
        difficulty: f64,
    },
    /// Sends submits of jobs that do not exist, so many a second.
    Flood {
        /// Submits a second.
        per_second: u32,
    },
    /// Goes on with the job at hand, whatever comes.
    IgnoreNewJobs,
}
