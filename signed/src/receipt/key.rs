//! The pool's key for receipts: a file of its own, made once.

use std::path::Path;

use anyhow::{Context, Result};
use basics::secret_file;
use bitcoin::secp256k1::{Keypair, Secp256k1, SecretKey, SignOnly, XOnlyPublicKey};

use super::{Claim, Receipt};

/// Signs receipts.
#[derive(Clone)]
pub struct ReceiptKey {
    secp: Secp256k1<SignOnly>,
    pair: Keypair,
}

/// Never shows the secret.
impl std::fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReceiptKey({})", self.public())
    }
}

impl ReceiptKey {
    /// Reads the key in `path`; makes it when there is none.
    ///
    /// # Errors
    /// It cannot be read or written, others may read it, or it is no key.
    pub fn open(path: &Path) -> Result<ReceiptKey> {
        let make = || generate().display_secret().to_string();
        let text = secret_file::read_or_make(path, make)?;
        // The parser's words do not show what it was given.
        let secret = text.parse::<SecretKey>();
        let secret =
            secret.with_context(|| format!("{} has no key of 64 hex digits", path.display()))?;
        Ok(Self::new(&secret))
    }

    fn new(secret: &SecretKey) -> Self {
        let secp = Secp256k1::signing_only();
        let pair = Keypair::from_secret_key(&secp, secret);
        ReceiptKey { secp, pair }
    }

    /// The key to check with.
    pub fn public(&self) -> XOnlyPublicKey {
        self.pair.x_only_public_key().0
    }

    /// Signs `claim`, which becomes one of this key's.
    pub fn sign(&self, claim: Claim) -> Receipt {
        let claim = Claim {
            pool: self.public(),
            ..claim
        };
        // Without fresh randomness: the same claim has the same signature, and there is
        // nothing here that a side channel could be watched with.
        let signature = self
            .secp
            .sign_schnorr_no_aux_rand(&claim.digest(), &self.pair);
        Receipt { claim, signature }
    }
}

fn generate() -> SecretKey {
    loop {
        // One in 2^128 is none.
        if let Ok(secret) = SecretKey::from_slice(&rand::random::<[u8; 32]>()) {
            return secret;
        }
    }
}
