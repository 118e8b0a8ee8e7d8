//! Statistics of a device.

use std::collections::{BTreeMap, VecDeque};

use crate::stratum::{Hash, Target};

/// Which of its two pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolSide {
    /// The one it should be at.
    #[default]
    Primary,
    /// The one that it goes to when the primary fails.
    Fallback,
}

/// A share that was answered with `true`.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedShare {
    /// The header's hash.
    pub hash: Hash,
    /// Where.
    pub side: PoolSide,
    /// The difficulty of its job, as the device was told.
    pub difficulty: f64,
}

impl AcceptedShare {
    /// The expected hashes of its difficulty.
    pub fn work(&self) -> u128 {
        Target::of_difficulty(self.difficulty).map_or(0, Target::work)
    }
}

/// The device's own view of things.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BitaxeStats {
    /// The pool that it uses or tries.
    pub side: PoolSide,
    /// It has a connection.
    pub connected: bool,
    /// The last authorize was answered with `true`, on the open connection.
    pub authorized: bool,
    /// Authorizes answered with anything else.
    pub authorize_refused: u64,
    /// Connections that came about.
    pub connections: u64,
    /// Connections that did not come about, or were lost.
    pub failures: u64,
    /// Changes between primary and fallback, either way.
    pub switches: u64,
    /// Probes of the primary from the fallback.
    pub probes: u64,
    /// Probes whose one read had `mining.notify` in it.
    pub good_probes: u64,
    /// It has a hashrate of 0, or nothing left that it may do, and has noticed.
    pub resting: bool,
    /// Hashes computed.
    pub hashes: u64,
    /// Shares submitted, duplicates and junk included.
    pub sent: u64,
    /// Submits answered with `true`.
    pub accepted: u64,
    /// The work of these by the difficulties told.
    pub accepted_work: u128,
    /// Submits answered with an error, by code and text.
    pub rejected: BTreeMap<(i64, String), u64>,
    /// Those of them whose text AxeOS has no explanation for.
    pub unexplained: u64,
    /// Submits whose answer is still to come.
    pub unanswered: u64,
    /// Submits whose connection was lost before the answer.
    pub lost: u64,
    /// Shares kept back on purpose.
    pub withheld: u64,
    /// The difficulty of the job at hand.
    pub difficulty: f64,
    /// The highest difficulty that it was ever told, in force or not.
    pub max_difficulty: f64,
    /// The best difficulty of a share submitted.
    pub best_difficulty: f64,
    /// The job at hand.
    pub job_id: String,
    /// The extranonce1 at hand.
    pub extranonce1: Vec<u8>,
    /// The size of extranonce2.
    pub extranonce2_size: usize,
    /// The version mask that it was granted, 0 for none.
    pub version_mask: u32,
    /// Jobs taken up.
    pub jobs: u64,
    /// Jobs ignored because their id had been seen.
    pub ignored_jobs: u64,
    /// Jobs that it was told to discard the others for.
    pub clean_jobs: u64,
    /// `client.reconnect`s obeyed.
    pub reconnects: u64,
    /// Lines that it did not understand.
    pub unknown_lines: u64,
    /// The last 16 messages for the owner.
    pub messages: VecDeque<String>,
    /// The newest accepted shares, the newest last.
    pub accepted_shares: VecDeque<AcceptedShare>,
}

impl BitaxeStats {
    /// Submits answered with an error.
    pub fn rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Submits answered with an error of this code.
    pub fn rejected_with(&self, code: i64) -> u64 {
        self.rejected
            .iter()
            .filter(|((with, _), _)| *with == code)
            .map(|(_, n)| n)
            .sum()
    }

    pub(crate) fn accept(&mut self, share: AcceptedShare, keep: usize) {
        self.accepted += 1;
        self.accepted_work = self.accepted_work.saturating_add(share.work());
        self.accepted_shares.push_back(share);
        while self.accepted_shares.len() > keep {
            self.accepted_shares.pop_front();
        }
    }

    pub(crate) fn message(&mut self, text: String) {
        self.messages.push_back(text);
        if self.messages.len() > 16 {
            self.messages.pop_front();
        }
    }

    /// The log left out: it would hide the rest.
    pub(crate) fn summary(&self) -> String {
        let short = BitaxeStats {
            accepted_shares: VecDeque::new(),
            ..self.clone()
        };
        format!("{short:?}")
    }
}
