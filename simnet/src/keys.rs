//! Deterministic miner keys, as the usernames that owners type.

use bitcoin::hex::DisplayHex as _;
use bitcoin::secp256k1::{Keypair, Secp256k1, SecretKey};
use sha2::{Digest as _, Sha256};

/// A miner's key: the secret that a wallet would hold, and what is typed into a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimKey {
    /// The secret key, 32 bytes.
    pub secret: [u8; 32],
    /// The public key, compressed, in hex (66 characters, begins with 02: the even
    /// point of its x, as wallets' keys do).
    pub hex: String,
    /// The public key as an npub (NIP-19, 63 characters).
    pub npub: String,
}

impl SimKey {
    /// The key number `index` of `seed`; the same for ever.
    pub fn derive(seed: u64, index: u64) -> SimKey {
        let secp = Secp256k1::new();
        for attempt in 0u8..=u8::MAX {
            let mut hasher = Sha256::new();
            hasher.update(b"simnet key");
            hasher.update(seed.to_be_bytes());
            hasher.update(index.to_be_bytes());
            hasher.update([attempt]);
            let Ok(secret) = SecretKey::from_slice(&hasher.finalize()) else {
                continue;
            };
            let (x_only, _) = Keypair::from_secret_key(&secp, &secret).x_only_public_key();
            let x = x_only.serialize();
            let hrp = bech32::Hrp::parse_unchecked("npub");
            let npub = bech32::encode::<bech32::Bech32>(hrp, &x)
                .expect("33 bytes and a short prefix are far below bech32's length limit");
            return SimKey {
                secret: secret.secret_bytes(),
                hex: format!("02{}", x.to_lower_hex_string()),
                npub,
            };
        }
        unreachable!("a hash is outside the curve's order once in 2^128 tries");
    }

    /// The username of one of the miner's devices: `<npub>.<worker>`.
    pub fn username(&self, worker: &str) -> String {
        format!("{}.{worker}", self.npub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_deterministic_and_its_own() {
        let key = SimKey::derive(7, 1);
        assert_eq!(key, SimKey::derive(7, 1));
        assert_ne!(key.npub, SimKey::derive(7, 2).npub);
        assert_ne!(key.npub, SimKey::derive(8, 1).npub);
        assert_eq!(key.npub.len(), 63);
        assert_eq!(key.hex.len(), 66);
        let (hrp, data) = bech32::decode(&key.npub).unwrap();
        assert_eq!(hrp.as_str(), "npub");
        assert_eq!(data.to_lower_hex_string(), key.hex[2..]);
    }
}
