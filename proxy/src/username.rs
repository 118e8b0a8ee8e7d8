//! The username of `mining.authorize`: `<key>[.worker]`, in all the ways in which
//! firmwares and people write it. Wrong ones are never printed: they may be secrets.

use std::borrow::Cow;

use ledger::{MinerId, MinerKeyError, WorkerName};
use thiserror::Error;

/// The longest username that is looked at, percent-encoding included: AxeOS sends up to
/// 255 characters, and each may be encoded as three.
pub const MAX_USERNAME_BYTES: usize = 1024;

/// Why a username cannot be paid. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UsernameError {
    /// Nothing, or nothing before the first dot.
    #[error(
        "the username is empty: it must be your public key, an npub or 66 hex digits, and may be followed by .worker"
    )]
    Empty,
    /// Past [`MAX_USERNAME_BYTES`].
    #[error("the username is longer than {MAX_USERNAME_BYTES} bytes")]
    TooLong,
    /// What stands before the first dot is no key.
    #[error(transparent)]
    Key(#[from] MinerKeyError),
}

impl UsernameError {
    /// Every value of [`Self::label`].
    pub const LABELS: [&'static str; 6] = [
        "empty",
        "too_long",
        "format",
        "checksum",
        "maybe_secret",
        "not_on_curve",
    ];

    /// The name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            UsernameError::Empty => "empty",
            UsernameError::TooLong => "too_long",
            UsernameError::Key(MinerKeyError::Format) => "format",
            UsernameError::Key(MinerKeyError::Checksum) => "checksum",
            UsernameError::Key(MinerKeyError::MaybeSecret) => "maybe_secret",
            UsernameError::Key(MinerKeyError::NotOnCurve) => "not_on_curve",
        }
    }
}

/// Reads a username. Percent-encoding, a `nostr:` prefix, any case and spaces around
/// are taken; the worker is what follows the first dot, cleaned.
pub fn parse(raw: &str) -> Result<(MinerId, WorkerName), UsernameError> {
    if raw.len() > MAX_USERNAME_BYTES {
        return Err(UsernameError::TooLong);
    }
    let decoded = percent_decode(raw);
    let text = decoded.trim();
    let text = match text.get(..SCHEME.len()) {
        Some(head) if head.eq_ignore_ascii_case(SCHEME) => {
            text.get(SCHEME.len()..).unwrap_or_default()
        }
        _ => text,
    };
    let (key, worker) = text.split_once('.').unwrap_or((text, ""));
    let key = key.trim();
    if key.is_empty() {
        return Err(UsernameError::Empty);
    }
    // Phones begin words with a capital: an npub in mixed case is no bech32, and yet meant.
    Ok((
        key.to_ascii_lowercase().parse()?,
        WorkerName::clean(worker.trim()),
    ))
}

/// NIP-21's.
const SCHEME: &str = "nostr:";

/// Replaces `%41` by `A`. A percent sign that begins no such thing stays; bytes that
/// are no UTF-8 afterwards become the replacement character, which is in no key.
fn percent_decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let mut decoded = [0];
        match tail.split_at_checked(2) {
            Some((digits, after))
                if first == b'%' && crate::hex::decode_into(digits, &mut decoded).is_ok() =>
            {
                bytes.extend(decoded);
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    const HEX: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn miner() -> MinerId {
        HEX.parse().expect("the generator's x")
    }

    #[track_caller]
    fn names(raw: &str, worker: &str) {
        assert_eq!(
            parse(raw),
            Ok((miner(), WorkerName::clean(worker))),
            "{raw}"
        );
    }

    #[track_caller]
    fn refused(raw: &str, label: &str) {
        let error = parse(raw).expect_err("refused");
        assert_eq!(error.label(), label, "{raw}");
        assert!(UsernameError::LABELS.contains(&label));
        assert!(raw.len() < 8 || !format!("{error} {error:?}").contains(raw.trim()));
    }

    #[test]
    fn all_the_ways_to_write_it() {
        let npub = miner().npub();
        for key in [
            HEX.to_owned(),
            HEX.to_uppercase(),
            npub.clone(),
            npub.to_uppercase(),
            npub.replacen('n', "N", 1),
        ] {
            names(&key, "");
            names(&format!(" {key} "), "");
            names(&format!("nostr:{key}.garage"), "garage");
            names(&format!("NOSTR:{key}.garage"), "garage");
            names(&format!("nostr%3A{key}%2egarage%20"), "garage");
            names(&format!("{key}.a.b%"), "a.b%");
            names(&format!("{key}."), "");
        }
        let encoded: String = npub.bytes().map(|byte| format!("%{byte:02X}")).collect();
        names(&encoded, "");
    }

    #[test]
    fn what_cannot_be_paid() {
        refused("", "empty");
        refused("  ", "empty");
        refused(".worker", "empty");
        refused("nostr:", "empty");
        refused(&"a".repeat(MAX_USERNAME_BYTES + 1), "too_long");
        refused("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq.x", "format");
        refused("%ff%fe%", "format");
        refused(&HEX[2..], "maybe_secret");
        refused(
            "nostr:nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
            "maybe_secret",
        );
        refused(&format!("02{}", "f".repeat(64)), "not_on_curve");
        let npub = miner().npub();
        let mistyped = if npub.ends_with('q') { 'p' } else { 'q' };
        refused(&format!("{}{mistyped}.x", &npub[..62]), "checksum");
    }

    proptest! {
        #![proptest_config(cases(2_000))]

        #[test]
        fn nothing_panics_and_nothing_is_repeated(raw in "\\PC{0,100}") {
            if let Err(error) = parse(&raw) {
                let text = format!("{error} {error:?}");
                prop_assert!(raw.chars().count() < 24 || !text.contains(raw.as_str()));
            }
        }

        #[test]
        fn any_character_may_be_percent_encoded(worker in "[a-z0-9-]{1,32}", which: u128) {
            let raw = format!("{HEX}.{worker}");
            let encoded: String = raw
                .chars()
                .enumerate()
                .map(|(at, c)| if which >> (at % 128) & 1 == 1 { format!("%{:02x}", u32::from(c)) } else { c.to_string() })
                .collect();
            prop_assert_eq!(parse(&encoded), Ok((miner(), WorkerName::clean(&worker))));
        }
    }
}
