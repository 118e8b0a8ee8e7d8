//! The hashes credited lately. A proxy needs them after a restart, lest it credit a
//! header a second time when the upstream sends the same job again.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

/// Eight bytes of a share's hash, in the header's byte order from its beginning: random
/// even in the hash of a block. Among two million of them a new hash is met by chance
/// once in nine million million shares, and costs its finder that one share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashMark(u64);

impl HashMark {
    /// The length of [`Self::to_be_bytes`].
    pub const BYTES: usize = 8;

    /// The mark of a hash in the header's byte order.
    pub fn of(hash: &[u8; 32]) -> Self {
        let (mark, _) = hash.split_first_chunk().expect("8 of 32 bytes");
        HashMark(u64::from_be_bytes(*mark))
    }

    /// From its bytes as a big-endian number.
    pub fn from_u64(mark: u64) -> Self {
        HashMark(mark)
    }

    /// Its bytes.
    pub fn to_be_bytes(self) -> [u8; Self::BYTES] {
        self.0.to_be_bytes()
    }
}

/// The hashes that were credited in the last [`Self::KEPT_MS`] before a moment, by eight
/// bytes of each.
#[derive(Clone, Debug, Default)]
pub struct CreditedHashes(Box<[HashMark]>);

impl CreditedHashes {
    /// A hash is remembered for so long, in milliseconds, by the time of the shares. An
    /// upstream gives the same work again within seconds of a restart; after a quarter
    /// of an hour it has had a new template many times.
    pub const KEPT_MS: u64 = 15 * 60 * 1000;

    /// So many hashes are remembered, the newest: 16 MB of them. Ten thousand miners at
    /// eight shares a minute make 1.2 million in [`Self::KEPT_MS`].
    pub const MAX_KEPT: usize = 1 << 21;

    /// The hashes of these marks.
    pub fn new(mut marks: Vec<HashMark>) -> Self {
        marks.sort_unstable();
        marks.dedup();
        CreditedHashes(marks.into())
    }

    /// Whether the hash, in the header's byte order, is one of them.
    pub fn contains(&self, hash: &[u8; 32]) -> bool {
        self.0.binary_search(&HashMark::of(hash)).is_ok()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<[u8; 32]> for CreditedHashes {
    fn from_iter<I: IntoIterator<Item = [u8; 32]>>(hashes: I) -> Self {
        Self::new(hashes.into_iter().map(|hash| HashMark::of(&hash)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_known_by_its_first_bytes() {
        let hash = |number: u64| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            hash
        };
        let credited: CreditedHashes = [7, 3, 7, u64::MAX].map(hash).into_iter().collect();
        assert_eq!(credited.len(), 3);
        assert!(
            [3, 7, u64::MAX]
                .iter()
                .all(|n| credited.contains(&hash(*n)))
        );
        assert!(
            ![0, 4, u64::MAX - 1]
                .iter()
                .any(|n| credited.contains(&hash(*n)))
        );
        assert!(CreditedHashes::default().is_empty());
    }
}
