//! The pool's key for receipts: a file of its own, made once.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bitcoin::secp256k1::{Keypair, Secp256k1, SecretKey, SignOnly, XOnlyPublicKey};
use tempfile::NamedTempFile;

use super::{Claim, Receipt};

/// Signs receipts.
#[derive(Clone)]
pub(crate) struct ReceiptKey {
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
    pub(crate) fn open(path: &Path) -> Result<ReceiptKey> {
        let shown = path.display();
        match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path)?.mode() & 0o777;
                if mode & 0o077 != 0 {
                    bail!(
                        "{shown} can be read by others (mode {mode:o}): make it yours alone with chmod 600"
                    );
                }
                let secret = text.trim().parse::<SecretKey>();
                // The parser's words do not show what it was given.
                let secret =
                    secret.with_context(|| format!("{shown} has no key of 64 hex digits"))?;
                Ok(Self::new(&secret))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = generate();
                write(path, &secret).with_context(|| format!("{shown} cannot be written"))?;
                Ok(Self::new(&secret))
            }
            Err(error) => Err(error).with_context(|| format!("{shown} cannot be read")),
        }
    }

    fn new(secret: &SecretKey) -> Self {
        let secp = Secp256k1::signing_only();
        let pair = Keypair::from_secret_key(&secp, secret);
        ReceiptKey { secp, pair }
    }

    /// The key to check with.
    pub(crate) fn public(&self) -> XOnlyPublicKey {
        self.pair.x_only_public_key().0
    }

    /// Signs `claim`, which becomes one of this key's.
    pub(crate) fn sign(&self, claim: Claim) -> Receipt {
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

/// The file is whole on the disk before it has its name, and is for its owner alone.
fn write(path: &Path, secret: &SecretKey) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut draft = NamedTempFile::new_in(directory)?;
    writeln!(draft, "{}", secret.display_secret())?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}
