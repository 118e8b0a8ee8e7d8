//! Keys and signed requests for tests.

use accounting::{MinerId, Sat};
use bitcoin::secp256k1::{Keypair, Secp256k1, SecretKey, XOnlyPublicKey};
use signed::{Target, Wish, digest};

pub(crate) fn pair(byte: u8) -> (Keypair, MinerId) {
    let secret = SecretKey::from_slice(&[byte; 32]).expect("a secret");
    let pair = Keypair::from_secret_key(&Secp256k1::new(), &secret);
    (pair, MinerId::from_public_key(&pair.public_key()))
}

pub(crate) fn pool_key() -> XOnlyPublicKey {
    pair(9).0.x_only_public_key().0
}

pub(crate) fn signed(byte: u8, target: Option<Target>, time_ms: u64) -> Wish {
    let (pair, miner) = pair(byte);
    let least_sat = Sat::new(1);
    let digest = digest(&pool_key(), &miner, target.as_ref(), least_sat, time_ms);
    Wish {
        target,
        least_sat,
        time_ms,
        signature: Secp256k1::new().sign_schnorr_no_aux_rand(&digest, &pair),
    }
}
