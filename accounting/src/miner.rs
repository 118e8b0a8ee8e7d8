//! The paid party: a miner is a public key, and has workers.

use std::fmt;
use std::str::FromStr;

use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{Parity, PublicKey, XOnlyPublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The paid party: the x coordinate of a secp256k1 public key. As text, the compressed key
/// with the prefix `02`: 66 hex digits.
///
/// The y coordinate's parity is dropped on purpose. NUT-20 and NUT-11 verify BIP340
/// signatures, which see x alone, and an npub has no parity: the same secret key typed in
/// any of these forms is one miner with one account. Which prefix was typed is kept beside
/// it ([`MinerKey`](crate::MinerKey)), for the wallets that compare the whole key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(extend("pattern" = "^02[0-9a-f]{64}$"))]
pub struct MinerId(#[schemars(with = "String")] [u8; 32]);

/// Why a text is not a key that could be paid. The text itself is never part of the
/// error: people paste secret keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MinerKeyError {
    /// Neither 66 hex digits nor an npub.
    #[error("a miner's key is 66 hex digits beginning with 02 or 03, or an npub")]
    Format,
    /// An npub with a wrong letter.
    #[error("the npub's checksum does not match: one of its letters is mistyped")]
    Checksum,
    /// 64 hex digits or an nsec: it may well be a secret.
    #[error("this looks like a secret key: use the public key, and treat the secret as leaked")]
    MaybeSecret,
    /// The x coordinate is on no point.
    #[error("the key is not a point on the curve: one of its digits is mistyped")]
    NotOnCurve,
}

impl MinerId {
    /// The miner of a public key.
    pub fn from_public_key(key: &PublicKey) -> Self {
        MinerId(key.x_only_public_key().0.serialize())
    }

    /// The miner of an x-only key; `None` when no point has this x coordinate.
    pub fn from_x_only_bytes(bytes: [u8; 32]) -> Option<Self> {
        XOnlyPublicKey::from_slice(&bytes)
            .ok()
            .map(|_| MinerId(bytes))
    }

    /// From the bytes of [`Self::x_only_bytes`], out of a store of our own: they were
    /// checked when the key was typed, and the check costs a square root.
    pub const fn from_stored(bytes: [u8; 32]) -> Self {
        MinerId(bytes)
    }

    /// The x coordinate, big endian.
    pub const fn x_only_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The key with even y.
    pub fn public_key(&self) -> PublicKey {
        XOnlyPublicKey::from_slice(&self.0)
            .expect("checked to be on the curve when it was made")
            .public_key(Parity::Even)
    }

    /// The key as an npub (NIP-19): bech32, 63 characters, with a checksum.
    pub fn npub(&self) -> String {
        let hrp = bech32::Hrp::parse_unchecked("npub");
        bech32::encode::<bech32::Bech32>(hrp, &self.0)
            .expect("33 data characters are far below bech32's limit")
    }

    fn from_npub(text: &str) -> Result<Self, MinerKeyError> {
        let (_, data) = bech32::decode(text).map_err(|error| match error {
            bech32::DecodeError::Checksum(_) => MinerKeyError::Checksum,
            _ => MinerKeyError::Format,
        })?;
        let bytes = <[u8; 32]>::try_from(data.as_slice()).map_err(|_| MinerKeyError::Format)?;
        // NIP-19 is bech32; the same letters with a bech32m checksum are a typing error.
        let miner = Self::from_x_only_bytes(bytes).ok_or(MinerKeyError::NotOnCurve)?;
        if miner.npub().eq_ignore_ascii_case(text) {
            Ok(miner)
        } else {
            Err(MinerKeyError::Checksum)
        }
    }
}

/// Reads 66 hex digits or an npub, in any one case.
impl FromStr for MinerId {
    type Err = MinerKeyError;

    fn from_str(text: &str) -> Result<Self, MinerKeyError> {
        let begins = |prefix: &str| {
            text.get(..prefix.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        };
        let hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if begins("nsec") || (hex && text.len() == 64) {
            return Err(MinerKeyError::MaybeSecret);
        }
        if begins("npub1") {
            return Self::from_npub(text);
        }
        if !hex || text.len() != 66 || !(begins("02") || begins("03")) {
            return Err(MinerKeyError::Format);
        }
        let key = PublicKey::from_str(text).map_err(|_| MinerKeyError::NotOnCurve)?;
        Ok(Self::from_public_key(&key))
    }
}

/// The compressed key with even y, in hex: `02` and 64 digits.
impl fmt::Display for MinerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("02")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MinerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MinerId({self})")
    }
}

impl Serialize for MinerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MinerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One device of a miner: at most 32 characters, each a letter or a digit of any script,
/// an emoji, `-`, `_`, or a dot or a space between others. At most 128 bytes.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct WorkerName(Box<str>);

impl WorkerName {
    /// The most characters that a worker's name keeps.
    pub const MAX_CHARS: usize = 32;

    /// The name of a device that gave none.
    pub const UNNAMED: &'static str = "default";

    /// A name from whatever a device sent, without the spaces around it. Nothing at all
    /// becomes [`Self::UNNAMED`]. A name that is too long is cut, and what cannot be shown
    /// safely (controls, what changes the direction of a text, what is invisible, markup)
    /// becomes `_`; such a name ends in a dash and six digits of the hash of what was sent,
    /// so that names which differ stay apart. A cleaned name is cleaned to itself.
    pub fn clean(raw: &str) -> Self {
        let raw = raw.trim();
        if raw.is_empty() {
            return WorkerName(Self::UNNAMED.into());
        }
        if raw.chars().count() <= Self::MAX_CHARS && raw.chars().all(is_shown) {
            return WorkerName(raw.into());
        }
        let keep = Self::MAX_CHARS - 1 - HASH_DIGITS;
        let shown = raw.chars().take(keep);
        let mut name: String = shown.map(|c| if is_shown(c) { c } else { '_' }).collect();
        let hash = sha256::Hash::hash(raw.as_bytes()).to_string();
        name.push('-');
        name.extend(hash.chars().take(HASH_DIGITS));
        WorkerName(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What tells cleaned names apart: one in 16 million of two names is the same by chance,
/// and a miner has 64 of them.
const HASH_DIGITS: usize = 6;

/// True for a character that every page, table and terminal shows as itself, and that
/// means nothing in HTML, in a shell or in a spreadsheet.
fn is_shown(c: char) -> bool {
    // Letters of no width: Hangul's fillers.
    const FILLERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];
    match c {
        '-' | '_' | '.' | ' ' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        // Emoji and other pictures, each by itself: what joins them has no width.
        '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}' => true,
        c => c.is_alphanumeric() && !FILLERS.contains(&c),
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The generator point, the best-known public key there is.
    const HEX: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn npub() -> String {
        HEX.parse::<MinerId>().expect("a key").npub()
    }

    #[track_caller]
    fn refused(text: &str, why: MinerKeyError) {
        assert_eq!(text.parse::<MinerId>(), Err(why));
    }

    #[test]
    fn every_form_of_a_key_is_one_miner() {
        let miner: MinerId = HEX.parse().expect("a key");
        assert_eq!(miner.to_string(), HEX);
        for form in [
            HEX.to_uppercase(),
            HEX.replacen("02", "03", 1),
            npub(),
            npub().to_uppercase(),
        ] {
            assert_eq!(form.parse(), Ok(miner), "{form}");
        }
        assert_eq!(miner.public_key().to_string(), HEX);
    }

    #[test]
    fn what_cannot_be_paid_is_refused() {
        refused("", MinerKeyError::Format);
        refused(
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            MinerKeyError::Format,
        );
        refused(&HEX[2..], MinerKeyError::MaybeSecret);
        refused(
            "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
            MinerKeyError::MaybeSecret,
        );
        refused(&HEX.replacen("02", "04", 1), MinerKeyError::Format);
        refused(&format!("02{}", "f".repeat(64)), MinerKeyError::NotOnCurve);
        refused("npub1é", MinerKeyError::Format);
        let mut mistyped = npub().into_bytes();
        mistyped[20] = if mistyped[20] == b'q' { b'p' } else { b'q' };
        refused(
            std::str::from_utf8(&mistyped).expect("ascii"),
            MinerKeyError::Checksum,
        );
    }

    #[test]
    fn worker_names_are_shown_as_they_are_where_that_is_safe() {
        for name in [
            "garage-1",
            "Bitaxe_601",
            "Keller 2.OG",
            "гараж",
            "車庫-3",
            "مرآب",
            "garaż",
            "🔥",
            "⛏axe",
            "🐝🐝",
        ] {
            assert_eq!(WorkerName::clean(name).as_str(), name);
            assert_eq!(WorkerName::clean(&format!(" {name}\t")).as_str(), name);
        }
        for nothing in ["", "  ", "\t"] {
            assert_eq!(WorkerName::clean(nothing).as_str(), WorkerName::UNNAMED);
        }
        let long = "😀".repeat(WorkerName::MAX_CHARS);
        assert_eq!(WorkerName::clean(&long).as_str().len(), 128);
    }

    #[test]
    fn what_is_not_safe_is_replaced_and_told_apart() {
        let cleaned = |raw: &str| WorkerName::clean(raw).as_str().to_owned();
        for (raw, shown) in [
            ("<b>x</b>", "_b_x__b_-"),
            ("a\u{7}b", "a_b-"),
            ("a\u{202e}b", "a_b-"),
            ("a\u{200b}b", "a_b-"),
            ("a\u{3164}b", "a_b-"),
            ("=cmd()", "_cmd__-"),
            ("e\u{301}", "e_-"),
        ] {
            let name = cleaned(raw);
            let hash = name.strip_prefix(shown).expect(&name);
            assert!(hash.len() == 6 && hash.bytes().all(|c| c.is_ascii_hexdigit()));
        }
        // Names that differ in what is replaced or cut stay apart.
        let beyond = |last: &str| format!("{}{last}", "x".repeat(32));
        for (one, other) in [
            ("a/b", "a+b"),
            ("a/b", "a_b"),
            (&beyond("1"), &beyond("2")),
            ("👨\u{200d}👩", "👨👩"),
            ("e\u{301}", "e\u{300}"),
        ] {
            assert_ne!(cleaned(one), cleaned(other));
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(1_000))]

        #[test]
        fn cleaned_names_are_bounded_and_cleaned_to_themselves(raw in "\\PC{0,60}|.{0,40}") {
            let name = WorkerName::clean(&raw);
            proptest::prop_assert!(name.as_str().chars().count() <= WorkerName::MAX_CHARS);
            proptest::prop_assert!(!name.as_str().is_empty());
            proptest::prop_assert!(name.as_str().chars().all(is_shown));
            proptest::prop_assert_eq!(WorkerName::clean(name.as_str()), name);
        }
    }
}
