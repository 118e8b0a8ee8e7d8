//! The ids of feeds and their entries, which never change.

use accounting::{Incarnation, MinerId};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use signed::tagged;

use super::{Entry, Record};

impl Record {
    /// The entry's id for ever, a UUID (RFC 9562, version 8) in a URN.
    pub(crate) fn entry_id(&self, pool: Incarnation, entry: &Entry) -> String {
        entry_id(pool, &self.miner, entry.number)
    }

    /// The feed's own id.
    pub(crate) fn feed_id(&self, pool: Incarnation) -> String {
        entry_id(pool, &self.miner, 0)
    }
}

/// The id of entry `number` of a miner's feed; 0 is the feed itself.
pub(crate) fn entry_id(pool: Incarnation, miner: &MinerId, number: u64) -> String {
    let mut engine = tagged(b"Axepool/feed");
    engine.input(&pool.to_bytes());
    engine.input(&miner.x_only_bytes());
    engine.input(&number.to_be_bytes());
    let hash = sha256::Hash::from_engine(engine).to_byte_array();
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    // The version, and the variant's two bits.
    format!(
        "urn:uuid:{}-{}-8{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pair;

    #[test]
    fn ids_are_of_the_pool_the_miner_and_the_number() {
        let id = |pool: u8, miner: u8, number: u64| {
            entry_id(Incarnation::from_bytes([pool; 16]), &pair(miner).1, number)
        };
        // Published: readers know entries by it.
        assert_eq!(id(1, 1, 1), id(1, 1, 1));
        let all = [id(1, 1, 1), id(2, 1, 1), id(1, 2, 1), id(1, 1, 2)];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 4, "{all:?}");
        for id in &all {
            let uuid = id.strip_prefix("urn:uuid:").expect("a URN");
            assert_eq!(uuid.len(), 36, "{id}");
            assert_eq!((&uuid[14..15], &uuid[19..20]), ("8", "a"), "{id}");
        }
    }
}
