//! The pool's own books about its miners, for comparison with others' books.

use std::collections::{BTreeMap, VecDeque};

use super::Reject;
use crate::stratum::Hash;

/// An accepted share.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareEntry {
    /// The username of its submit.
    pub username: String,
    /// The header's hash.
    pub hash: Hash,
    /// The job's id on the wire.
    pub job_id: String,
    /// The difficulty that the job was given out with.
    pub difficulty: f64,
    /// The expected hashes of that difficulty's target.
    pub work: u128,
    /// Extranonce1 and extranonce2 as they were hashed.
    pub extranonce: Vec<u8>,
    /// The version that was hashed.
    pub version: u32,
    /// The header's time.
    pub ntime: u32,
    /// The header's nonce.
    pub nonce: u32,
    /// It also met the network's target.
    pub is_block: bool,
}

/// A block found by one of the pool's miners.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockEntry {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: Hash,
    /// Who found it.
    pub username: String,
}

/// The account of one username.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserBooks {
    /// How often it was authorized.
    pub authorized: u64,
    /// Accepted shares.
    pub accepted: u64,
    /// Their work: expected hashes of the targets assigned.
    pub work: u128,
    /// Rejected shares by reason.
    pub rejected: BTreeMap<Reject, u64>,
}

/// The pool's books.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Books {
    /// Connections accepted since the start.
    pub connections: u64,
    /// Connections that are open.
    pub open_connections: u64,
    /// Subscribes by user agent.
    pub user_agents: BTreeMap<String, u64>,
    /// Version masks that were asked for, and how often.
    pub masks_asked: BTreeMap<u32, u64>,
    /// Difficulties that were suggested, the last 1,000.
    pub suggested: VecDeque<f64>,
    /// Lines that were no requests; each closed its connection.
    pub bad_lines: u64,
    /// The accounts.
    pub users: BTreeMap<String, UserBooks>,
    /// The newest accepted shares, the newest last.
    pub shares: VecDeque<ShareEntry>,
    /// The blocks found.
    pub blocks: Vec<BlockEntry>,
    /// Jobs made, and how many of them were clean.
    pub jobs: u64,
    /// Clean ones among [`Books::jobs`].
    pub clean_jobs: u64,
}

impl Books {
    /// Accepted shares of all users.
    pub fn accepted(&self) -> u64 {
        self.users.values().map(|user| user.accepted).sum()
    }

    /// Work of all users.
    pub fn work(&self) -> u128 {
        self.users.values().map(|user| user.work).sum()
    }

    /// Rejected shares of all users.
    pub fn rejected(&self) -> u64 {
        self.users
            .values()
            .flat_map(|user| user.rejected.values())
            .sum()
    }

    /// Shares of all users that were rejected for this reason.
    pub fn rejected_for(&self, reason: Reject) -> u64 {
        self.users
            .values()
            .filter_map(|user| user.rejected.get(&reason))
            .sum()
    }

    /// True if a share with this hash is among the newest accepted ones.
    pub fn has_share(&self, hash: &Hash) -> bool {
        self.shares.iter().any(|share| share.hash == *hash)
    }

    pub(crate) fn user(&mut self, username: &str) -> &mut UserBooks {
        // Looked up first: almost always the account exists.
        if !self.users.contains_key(username) {
            self.users.insert(username.to_owned(), UserBooks::default());
        }
        self.users.get_mut(username).expect("it was just put there")
    }

    pub(crate) fn accept(&mut self, share: ShareEntry, keep: usize) {
        let user = self.user(&share.username);
        user.accepted += 1;
        user.work = user.work.saturating_add(share.work);
        self.shares.push_back(share);
        while self.shares.len() > keep {
            self.shares.pop_front();
        }
    }

    pub(crate) fn reject(&mut self, username: &str, reason: Reject) {
        *self.user(username).rejected.entry(reason).or_default() += 1;
    }

    pub(crate) fn suggest(&mut self, difficulty: f64) {
        self.suggested.push_back(difficulty);
        while self.suggested.len() > 1_000 {
            self.suggested.pop_front();
        }
    }
}
