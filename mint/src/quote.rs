//! Mint quotes as this pool makes them: their key, their id, their row.

use std::fmt;
use std::str::FromStr;

use accounting::{EpochId, KeyPrefix, Lineage, MinerId, MinerKey, SessionId, ShareId};
use bitcoin::hashes::{Hash, HashEngine, Hmac, HmacEngine, sha256};
use cdk_common::mint::MintQuote;
use cdk_common::payment::PaymentIdentifier;
use cdk_common::quote_id::QuoteId;
use cdk_common::{Amount, CurrencyUnit, PaymentMethod, PublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The payment method of every mint quote here: what pays it is work.
pub const METHOD: &str = "axepool";

/// All the coins there will ever be: no quote is worth more.
pub(crate) const MAX_MONEY_SAT: u64 = 2_100_000_000_000_000;

/// Far beyond any clock, so that cdk never asks a backend whether a quote was paid
/// (9999-12-31, in seconds since 1970).
const NEVER_ASK: u64 = 253_402_300_799;

/// The key of a quote, which pays a miner's work of one epoch, or one accepted share of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuoteKey {
    /// The miner to whose key it is locked.
    pub miner: MinerId,
    /// The epoch that it is paid for.
    pub epoch: EpochId,
    /// The share, where there is one quote per share.
    pub share: Option<ShareId>,
}

impl QuoteKey {
    /// The quote of a miner's work in an epoch.
    pub const fn of_epoch(miner: MinerId, epoch: EpochId) -> Self {
        QuoteKey {
            miner,
            epoch,
            share: None,
        }
    }
}

/// `miner/epoch` or `miner/epoch/session/sequence`, numbers in decimal.
impl fmt::Display for QuoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.miner, self.epoch)?;
        match self.share {
            Some(share) => write!(f, "/{}/{}", share.session.to_u64(), share.sequence),
            None => Ok(()),
        }
    }
}

/// The text names no quote of a miner.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not the name of a quote: miner/epoch or miner/epoch/session/sequence")]
pub struct QuoteKeyError(String);

impl FromStr for QuoteKey {
    type Err = QuoteKeyError;

    fn from_str(text: &str) -> Result<Self, QuoteKeyError> {
        parse_key(text).ok_or_else(|| QuoteKeyError(text.chars().take(160).collect()))
    }
}

fn parse_key(text: &str) -> Option<QuoteKey> {
    let mut parts = text.split('/');
    let miner = parts.next()?.parse().ok()?;
    let epoch = parts.next()?.parse().ok()?;
    let share = match (parts.next(), parts.next(), parts.next()) {
        (None, None, None) => None,
        (Some(session), Some(sequence), None) => Some(ShareId {
            session: SessionId::from_u64(session.parse().ok()?),
            sequence: sequence.parse().ok()?,
        }),
        _ => return None,
    };
    Some(QuoteKey {
        miner,
        epoch,
        share,
    })
}

impl Serialize for QuoteKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QuoteKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Derives quote ids: the same quote has the same id however often it is made, and
/// nobody without the secret can tell one from its miner and epoch (a quote can be
/// looked at by whoever knows its id).
#[derive(Clone)]
pub(crate) struct QuoteIds {
    secret: [u8; 32],
    lineage: Lineage,
}

impl QuoteIds {
    /// The ids of one ledger, under a secret that lasts as long as the mint.
    pub(crate) const fn new(secret: [u8; 32], lineage: Lineage) -> Self {
        QuoteIds { secret, lineage }
    }

    /// A UUID of version 8, which is what cdk and its wallets take as an id: 4 bytes of
    /// the epoch, 2 of the key, and 74 bits of HMAC-SHA256 over incarnation, miner,
    /// epoch and share.
    ///
    /// The first bytes keep the quotes of an epoch together in the store, in the order
    /// in which a settlement pays them: with ids all random each payment is on another
    /// page of five indices, and a hundred thousand of them rewrite the whole file many
    /// times over. They say nothing that the quote itself does not say.
    pub(crate) fn id(&self, key: &QuoteKey) -> QuoteId {
        let mut mac = HmacEngine::<sha256::Hash>::new(&self.secret);
        mac.input(b"Axepool_QuoteId_v1");
        mac.input(&self.lineage.of(key.epoch).to_bytes());
        mac.input(&key.miner.x_only_bytes());
        mac.input(&key.epoch.get().to_be_bytes());
        if let Some(share) = key.share {
            mac.input(&share.session.to_u64().to_be_bytes());
            mac.input(&share.sequence.to_be_bytes());
        }
        let mac = Hmac::<sha256::Hash>::from_engine(mac).to_byte_array();
        let mut id = [0; 16];
        id.copy_from_slice(&mac[..16]);
        id[..4].copy_from_slice(&key.epoch.get().to_be_bytes()[4..]);
        id[4..6].copy_from_slice(&key.miner.x_only_bytes()[..2]);
        uuid::Builder::from_custom_bytes(id).into_uuid().into()
    }
}

/// The key of a stored quote of `miner`; `None` for a quote that we did not make.
pub(crate) fn key_of(miner: &MinerId, quote: &MintQuote) -> Option<QuoteKey> {
    let extra = quote.extra_json.as_ref()?;
    let epoch = EpochId::new(extra.get("epoch")?.as_u64()?);
    match extra.get("share") {
        None => Some(QuoteKey::of_epoch(*miner, epoch)),
        Some(share) => parse_key(&format!("{miner}/{epoch}/{}", share.as_str()?)),
    }
}

/// The method as cdk writes it.
pub(crate) fn method() -> PaymentMethod {
    PaymentMethod::Custom(METHOD.to_owned())
}

/// The key that a quote or a token is locked to.
pub(crate) fn locking_key(key: MinerKey) -> PublicKey {
    key.public_key().into()
}

/// An unpaid quote, locked to its miner in this spelling of the key (NUT-20), that never
/// expires.
pub(crate) fn unpaid(id: QuoteId, key: &QuoteKey, prefix: KeyPrefix, now_secs: u64) -> MintQuote {
    let miner = key.miner;
    let name = format!("{METHOD}:{id}");
    let zero = Amount::new(0, CurrencyUnit::Sat);
    let mut extra = serde_json::json!({ "epoch": key.epoch.get() });
    if let Some(share) = key.share {
        extra["share"] = format!("{}/{}", share.session.to_u64(), share.sequence).into();
    }
    let mut quote = MintQuote::new(
        Some(id),
        name.clone(),
        CurrencyUnit::Sat,
        None,
        0,
        PaymentIdentifier::CustomId(name),
        Some(locking_key(MinerKey { miner, prefix })),
        zero.clone(),
        zero,
        method(),
        now_secs,
        now_secs,
        Vec::new(),
        Vec::new(),
        Some(extra),
    );
    quote.set_last_checked(NEVER_ASK);
    quote
}

/// True when `quote` is the one that [`unpaid`] makes for this miner in either spelling of
/// the key, whatever was paid since.
pub(crate) fn is_of(quote: &MintQuote, miner: &MinerId) -> bool {
    quote.unit == CurrencyUnit::Sat
        && quote.payment_method == method()
        // Every signature of the one key holds for the other spelling, too.
        && quote.pubkey.is_some_and(|key| {
            matches!(key.to_bytes().split_first(), Some((_, x)) if *x == miner.x_only_bytes())
        })
}

#[cfg(test)]
pub(crate) mod tests {
    use accounting::Incarnation;

    use super::*;

    pub(crate) const MINER: &str =
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn key(epoch: u64, share: Option<u64>) -> QuoteKey {
        QuoteKey {
            miner: MINER.parse().expect("the generator"),
            epoch: EpochId::new(epoch),
            share: share.map(|sequence| ShareId {
                session: SessionId::new(1, 2),
                sequence,
            }),
        }
    }

    #[test]
    fn an_id_depends_on_all_that_it_is_for() {
        let ids = |secret, incarnation| {
            QuoteIds::new(
                [secret; 32],
                Incarnation::from_bytes([incarnation; 16]).into(),
            )
        };
        let mut seen = std::collections::BTreeSet::new();
        for ids in [ids(1, 1), ids(2, 1), ids(1, 2)] {
            for key in [key(1, None), key(2, None), key(1, Some(1)), key(1, Some(2))] {
                assert_eq!(ids.id(&key), ids.id(&key));
                assert!(seen.insert(ids.id(&key).to_string()), "{key} twice");
            }
        }
    }

    #[test]
    fn an_id_is_what_wallets_take() {
        let ids = QuoteIds::new([7; 32], Incarnation::from_bytes([9; 16]).into());
        let id = ids.id(&key(3, None)).to_string();
        // Fixed for ever (computed apart from this code): another derivation would make
        // every quote of a running pool again.
        assert_eq!(id, "00000003-79be-8ef0-b95b-e2e9aeb09ba5");
        assert_eq!(id.parse::<QuoteId>().expect("a uuid").to_string(), id);
    }

    #[test]
    fn a_key_reads_back() {
        for key in [key(1, None), key(u64::MAX, Some(u64::MAX))] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for bad in [
            "",
            MINER,
            &format!("{MINER}/1/2"),
            &format!("{MINER}/1/2/3/4"),
            "x/1",
        ] {
            assert!(bad.parse::<QuoteKey>().is_err(), "{bad}");
        }
    }
}
