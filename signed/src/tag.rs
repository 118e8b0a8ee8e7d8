//! Hashes that are signed (BIP340, "tagged hashes").

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};

/// A hash that is none of anything else than `tag` (BIP340, "tagged hashes").
pub fn tagged(tag: &[u8]) -> sha256::HashEngine {
    let tag = sha256::Hash::hash(tag);
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    engine
}
