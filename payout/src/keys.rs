//! The keys of the node and of its on-chain wallet, derived from the seed of its words as
//! ldk-node derives them. The wallet's are BIP 84.

use std::time::{SystemTime, UNIX_EPOCH};

use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv};
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{Address, CompressedPublicKey, Network, NetworkKind, PrivateKey};
use lightning::sign::KeysManager;
use thiserror::Error;

use crate::seed::Seed;

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the node's keys: {0}")]
pub struct KeyError(String);

/// One of the wallet's two rows of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keychain {
    /// To be paid to.
    External = 0,
    /// Its own change.
    Internal = 1,
}

/// The wallet's account, `m/84'/coin'/0'`.
pub(crate) struct WalletKeys {
    secp: Secp256k1<All>,
    account: Xpriv,
    network: Network,
}

/// A key of the wallet and the address that pays to it.
pub(crate) struct WalletKey {
    pub(crate) private: PrivateKey,
    pub(crate) address: Address,
}

impl WalletKeys {
    /// # Errors
    /// If the seed gives no key (it does for all but one in 2^127).
    pub(crate) fn new(seed: &Seed, network: Network) -> Result<Self, KeyError> {
        let secp = Secp256k1::new();
        let coin = u32::from(network != Network::Bitcoin);
        let path: DerivationPath = [84, coin, 0]
            .map(|index| ChildNumber::Hardened { index })
            .as_slice()
            .into();
        let account = Xpriv::new_master(NetworkKind::from(network), &seed.bytes())
            .and_then(|master| master.derive_priv(&secp, &path))
            .map_err(|error| KeyError(error.to_string()))?;
        Ok(WalletKeys {
            secp,
            account,
            network,
        })
    }

    pub(crate) fn secp(&self) -> &Secp256k1<All> {
        &self.secp
    }

    /// The key at `index` (below 2^31) of a keychain.
    pub(crate) fn key(&self, keychain: Keychain, index: u32) -> Result<WalletKey, KeyError> {
        let path = [keychain as u32, index].map(|index| ChildNumber::Normal { index });
        let key = self
            .account
            .derive_priv(&self.secp, &path)
            .map_err(|error| KeyError(error.to_string()))?;
        let private = PrivateKey::new(key.private_key, self.network);
        let public = CompressedPublicKey::from_private_key(&self.secp, &private)
            .map_err(|error| KeyError(error.to_string()))?;
        Ok(WalletKey {
            private,
            address: Address::p2wpkh(&public, self.network),
        })
    }
}

/// LDK's keys: from the master key of the wallet's seed.
///
/// # Errors
/// If the seed gives no key, or the clock is before 1970.
pub(crate) fn node_keys(seed: &Seed, network: Network) -> Result<KeysManager, KeyError> {
    let master =
        Xpriv::new_master(network, &seed.bytes()).map_err(|error| KeyError(error.to_string()))?;
    // The time only keeps the random numbers of two starts apart.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| KeyError(error.to_string()))?;
    let secret = master.private_key.secret_bytes();
    Ok(KeysManager::new(
        &secret,
        now.as_secs(),
        now.subsec_nanos(),
        true,
    ))
}

/// The pool's payout address, where OCEAN pays on-chain: the first external address of
/// the node's wallet, the same for ever. The node pays nothing else to it and hands it
/// out to nobody ([`crate::Lightning::deposit_address`] begins behind it).
///
/// # Errors
/// If the seed gives no key.
pub fn payout_address(seed: &Seed, network: Network) -> Result<Address, KeyError> {
    let keys = WalletKeys::new(seed, network)?;
    Ok(keys.key(Keychain::External, 0)?.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    /// The test vectors of BIP 84.
    #[test]
    fn addresses_are_those_of_bip_84() {
        let keys = WalletKeys::new(&Seed::for_tests(WORDS), Network::Bitcoin).unwrap();
        for (keychain, index, address) in [
            (
                Keychain::External,
                0,
                "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
            ),
            (
                Keychain::External,
                1,
                "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g",
            ),
            (
                Keychain::Internal,
                0,
                "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el",
            ),
        ] {
            assert_eq!(
                keys.key(keychain, index).unwrap().address.to_string(),
                address
            );
        }
    }

    #[test]
    fn the_payout_address_is_the_first_of_its_network() {
        let seed = Seed::for_tests(WORDS);
        let address = |network| payout_address(&seed, network).unwrap().to_string();
        assert_eq!(
            address(Network::Bitcoin),
            "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
        );
        assert!(address(Network::Regtest).starts_with("bcrt1q"));
        assert_eq!(address(Network::Signet), address(Network::Testnet));
    }
}
