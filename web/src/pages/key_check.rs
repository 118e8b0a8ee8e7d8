//! Validation of a visitor's input in a key field. `assets/set-up.js` says the same in
//! the browser, before anything is sent.

use accounting::{MinerId, MinerKeyError};

/// Why a text is no miner's key. Says nothing of the text itself: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// Nothing was typed.
    Empty,
    /// It may be a secret key, or words that make one.
    MaybeSecret,
    /// A bitcoin address.
    Address,
    /// A lightning address, an invoice or the like.
    Lightning,
    /// Ecash.
    Token,
    /// A key with a typing error.
    Mistyped(MinerKeyError),
}

impl NoKey {
    /// It must not be overlooked.
    pub(super) fn alarming(self) -> bool {
        matches!(self, NoKey::MaybeSecret | NoKey::Token)
    }

    /// In words, for who typed it.
    pub(super) fn words(self) -> String {
        match self {
            NoKey::Empty => "Type a public key first: 66 hex digits that begin with 02 or 03, or \
                             an npub."
                .to_owned(),
            NoKey::MaybeSecret => {
                "This looks like a secret key or a wallet's words. It was sent to this pool just \
                 now, so treat it as known to others: move what it guards, make a new key, and \
                 use its public key here. The pool keeps and logs nothing of it."
                    .to_owned()
            }
            NoKey::Address => "A bitcoin address is no key: nothing could be locked to it that \
                               your wallet can open. Take the public key that your ecash wallet \
                               shows."
                .to_owned(),
            NoKey::Lightning => "Lightning addresses and invoices are no keys. Take the public \
                                 key that your ecash wallet shows; with its ecash you can pay \
                                 over lightning."
                .to_owned(),
            NoKey::Token => "This is ecash: money. It was sent to this pool just now; receive it \
                             in your wallet at once. What belongs here is a public key."
                .to_owned(),
            NoKey::Mistyped(error) => format!("This is no key that could be paid: {error}."),
        }
    }
}

/// The miner of a typed key or username.
pub(super) fn read(typed: &str) -> Result<MinerId, NoKey> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(NoKey::Empty);
    }
    if typed.split_whitespace().count() >= 12 {
        return Err(NoKey::MaybeSecret);
    }
    let key = without_prefix(typed, "nostr:").unwrap_or(typed);
    // A username has the worker's name behind a dot.
    let key = key.split('.').next().unwrap_or(key);
    let begins = |prefixes: &[&str]| {
        prefixes
            .iter()
            .any(|prefix| without_prefix(typed, prefix).is_some())
    };
    match key.parse() {
        Ok(miner) => Ok(miner),
        Err(MinerKeyError::MaybeSecret) => Err(NoKey::MaybeSecret),
        Err(_) if begins(&["xprv", "yprv", "zprv", "tprv", "vprv", "uprv"]) => {
            Err(NoKey::MaybeSecret)
        }
        Err(_) if begins(&["cashuA", "cashuB", "cashu:"]) => Err(NoKey::Token),
        Err(_)
            if typed.contains('@') || begins(&["lnbc", "lntb", "lno1", "lnurl", "lightning:"]) =>
        {
            Err(NoKey::Lightning)
        }
        Err(_) if begins(&["bc1", "tb1", "bcrt1", "bitcoin:", "1", "3"]) => Err(NoKey::Address),
        Err(error) => Err(NoKey::Mistyped(error)),
    }
}

/// The rest behind a prefix, in any case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    let rest = text.get(prefix.len()..)?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    #[track_caller]
    fn refused(typed: &str, why: NoKey) {
        assert_eq!(read(typed), Err(why), "{typed}");
        let words = why.words();
        assert!(
            typed.trim().len() < 4 || !words.contains(typed.trim()),
            "{words}"
        );
    }

    #[test]
    fn keys_are_taken_as_people_paste_them() {
        let miner: MinerId = HEX.parse().expect("a key");
        let npub = miner.npub();
        for typed in [
            HEX.to_owned(),
            format!("  {HEX}\n"),
            HEX.to_uppercase(),
            npub.clone(),
            format!("nostr:{npub}"),
            format!("{npub}.garage"),
        ] {
            assert_eq!(read(&typed), Ok(miner), "{typed}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_for_what_it_is() {
        refused(" ", NoKey::Empty);
        refused(&HEX[2..], NoKey::MaybeSecret);
        refused(
            "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
            NoKey::MaybeSecret,
        );
        refused(
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKm",
            NoKey::MaybeSecret,
        );
        refused(&"abandon ".repeat(12), NoKey::MaybeSecret);
        refused("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", NoKey::Address);
        refused("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", NoKey::Address);
        refused("owner@example.org", NoKey::Lightning);
        refused("LNBC10u1pj9x", NoKey::Lightning);
        refused("cashuBo2F0gqJhaUgA", NoKey::Token);
        refused("garage", NoKey::Mistyped(MinerKeyError::Format));
        refused("npub1é", NoKey::Mistyped(MinerKeyError::Format));
        refused(
            &format!("02{}", "f".repeat(64)),
            NoKey::Mistyped(MinerKeyError::NotOnCurve),
        );
    }
}
