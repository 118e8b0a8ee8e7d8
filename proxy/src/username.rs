//! The username of `mining.authorize`: `<key>[.worker]`, in all the ways in which
//! firmwares and people write it. An npub has 63 characters and a key in hex 66, so that
//! where the key ends is never in doubt, whatever stands between it and the worker. Wrong
//! usernames are never printed: they may be secrets.

use std::borrow::Cow;

use accounting::{MinerId, MinerKeyError, TypedKey, WorkerName};
use thiserror::Error;

/// The longest username that is looked at, percent-encoding included: AxeOS sends up to
/// 255 characters, and each may be encoded as three.
pub const MAX_USERNAME_BYTES: usize = 1024;

/// Why a username cannot be paid. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UsernameError {
    /// Nothing, or nothing before the worker.
    #[error(
        "the username is empty: it must be your public key, an npub or 66 hex digits, and may be followed by .worker"
    )]
    Empty,
    /// Past [`MAX_USERNAME_BYTES`].
    #[error("the username is longer than {MAX_USERNAME_BYTES} bytes")]
    TooLong,
    /// What it begins with is no key, or something in it may be a secret one.
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

/// Reads a username. Percent-encoding, the schemes of Nostr's links, `0x`, any case and
/// spaces around are taken; the worker is what follows the key and one sign or space.
pub fn parse(raw: &str) -> Result<(TypedKey, WorkerName), UsernameError> {
    if raw.len() > MAX_USERNAME_BYTES {
        return Err(UsernameError::TooLong);
    }
    let decoded = percent_decode(raw);
    let text = without_prefixes(decoded.trim_matches(is_invisible));
    let (key, rest) = split_key(text);
    if key.is_empty() {
        let nothing = text.chars().next().is_none_or(|c| c.is_ascii());
        return Err(match nothing {
            true => UsernameError::Empty,
            false => UsernameError::Key(MinerKeyError::Format),
        });
    }
    // Phones begin words with a capital: an npub in mixed case is no bech32, and yet meant.
    let key = key.to_ascii_lowercase().parse()?;
    let rest = rest.trim_start();
    let worker = rest.strip_prefix(|c: char| c.is_ascii_punctuation());
    let worker = worker.unwrap_or(rest).trim();
    // Workers are shown to everybody.
    if holds_secret(worker) {
        return Err(UsernameError::Key(MinerKeyError::MaybeSecret));
    }
    Ok((key, WorkerName::clean(worker)))
}

/// What may stand before a key: NIP-21's scheme, in the spellings of links and of social
/// media, the `P2PK:` that Nutshell prints (`cashu lock p2pk`), and the sign of numbers in
/// hex.
const PREFIXES: [&str; 6] = ["web+nostr:", "nostr:", "p2pk:", "//", "@", "0x"];

/// The characters of an npub.
const NPUB_CHARS: usize = 63;

/// The digits of a key without its parity: a secret key has as many.
const SECRET_DIGITS: usize = 64;

/// True for what a copied text may begin or end with without being seen.
fn is_invisible(c: char) -> bool {
    let has_no_width = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    c.is_whitespace() || c.is_control() || has_no_width
}

fn without_prefixes(mut text: &str) -> &str {
    loop {
        let stripped = PREFIXES.iter().find_map(|prefix| {
            let head = text.get(..prefix.len())?;
            let rest = text.get(prefix.len()..)?;
            head.eq_ignore_ascii_case(prefix).then_some(rest)
        });
        match stripped {
            Some(rest) => text = rest.trim_start(),
            None => return text,
        }
    }
}

/// Divides a username behind its key: at the first character that is in no key. A name
/// can follow an npub without a sign between, since its checksum tells where it ends; of
/// 67 digits in hex one is a typing error.
fn split_key(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric());
    let (word, rest) = text
        .split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""));
    match text.split_at_checked(NPUB_CHARS) {
        Some((npub, rest)) if word.len() > NPUB_CHARS && is_npub(npub) => (npub, rest),
        _ => (word, rest),
    }
}

fn is_npub(text: &str) -> bool {
    let begins = text
        .get(..5)
        .is_some_and(|head| head.eq_ignore_ascii_case("npub1"));
    begins && text.to_ascii_lowercase().parse::<MinerId>().is_ok()
}

/// True for a text with a word in it that may be a secret key.
fn holds_secret(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| {
        let nsec = word
            .get(..5)
            .is_some_and(|head| head.eq_ignore_ascii_case("nsec1"));
        let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        nsec || (is_hex && word.len() >= SECRET_DIGITS)
    })
}

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
    use accounting::KeyPrefix;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    const HEX: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn key() -> TypedKey {
        HEX.parse().expect("the generator")
    }

    fn miner() -> MinerId {
        key().miner
    }

    #[track_caller]
    fn names(raw: &str, worker: &str) {
        let read = parse(raw).map(|(key, worker)| (key.miner, worker));
        assert_eq!(read, Ok((miner(), WorkerName::clean(worker))), "{raw}");
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
    fn the_end_of_the_key_is_never_in_doubt() {
        let npub = miner().npub();
        for key in [npub.as_str(), HEX, &format!("0x{HEX}"), &format!("0X{HEX}")] {
            for sign in [".", "/", "_", ":", "+", " ", "#", "-", "=", ",", " / ", "|"] {
                names(&format!("{key}{sign}garage"), "garage");
            }
            names(&format!("{key}+5000"), "5000");
            names(&format!("\u{feff}{key}\u{200b}"), "");
            names(&format!("{key}%20garage"), "garage");
            names(&format!("{key}/"), "");
            names(&format!("{key}.гараж"), "гараж");
            names(&format!("{key} 🔥"), "🔥");
            names(&format!("{key}.a/b"), "a/b");
            names(&format!("{key}..a"), ".a");
            for prefix in [
                "@",
                "P2PK:",
                "nostr:",
                "nostr://",
                "NOSTR://",
                "web+nostr:",
                "web+nostr://",
            ] {
                names(&format!("{prefix}{key}"), "");
                names(&format!(" {prefix}{key}/garage"), "garage");
            }
        }
        // The npub's checksum tells where it ends.
        names(&format!("{npub}garage"), "garage");
        names(&format!("{npub}🔥"), "🔥");
        refused(&format!("{HEX}7"), "format");
        refused(&format!("{HEX}garage"), "format");
        refused(&format!("{}7", &npub[..62]), "checksum");
    }

    #[test]
    fn a_key_of_either_parity_is_one_miner() {
        let odd = HEX.replacen("02", "03", 1);
        for (raw, worker) in [(odd.clone(), ""), (format!("0x{odd}/garage"), "garage")] {
            let (key, name) = parse(&raw).expect("a key");
            // One miner, with the spelling beside it.
            assert_eq!((key.miner, key.prefix), (miner(), Some(KeyPrefix::Odd)));
            assert_eq!(name, WorkerName::clean(worker));
        }
    }

    #[test]
    fn workers_that_differ_stay_apart() {
        let worker = |name: &str| parse(&format!("{HEX}.{name}")).expect("a worker").1;
        let names = [
            "гараж",
            "дача",
            "🔥",
            "❄",
            "車庫",
            "倉庫",
            "a b",
            "a_b",
            "a\u{202e}b",
        ];
        for (at, one) in names.iter().enumerate() {
            for other in &names[at + 1..] {
                assert_ne!(worker(one), worker(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_secret_is_refused_wherever_it_stands() {
        let nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
        let secret = &HEX[2..];
        for prefix in ["", "@", "0x", "nostr://", "web+nostr:"] {
            for sign in ["", ".x", "/x", " x"] {
                refused(&format!("{prefix}{nsec}{sign}"), "maybe_secret");
                refused(&format!("{prefix}{secret}{sign}"), "maybe_secret");
            }
        }
        for sign in [".", "/", " ", "+"] {
            refused(&format!("{HEX}{sign}{nsec}"), "maybe_secret");
            refused(&format!("{HEX}{sign}a:{secret}"), "maybe_secret");
            refused(
                &format!("{HEX}{sign}{}", nsec.to_uppercase()),
                "maybe_secret",
            );
        }
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

        /// What is read names the same miner and worker when it is written again.
        #[test]
        fn what_is_read_is_read_again(rest in "[./_:+# -]\\PC{0,40}|\\PC{0,8}") {
            if let Ok((key, worker)) = parse(&format!("{HEX}{rest}")) {
                for text in [key.miner.to_string(), key.miner.npub()] {
                    let again = parse(&format!("{text}.{worker}"));
                    let again = again.map(|(again, worker)| (again.miner, worker));
                    prop_assert_eq!(again, Ok((key.miner, worker.clone())));
                }
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
            prop_assert_eq!(parse(&encoded), Ok((key(), WorkerName::clean(&worker))));
        }
    }
}
