//! The payer's note of an OCEAN payout.

use std::str::FromStr;

use bitcoin::BlockHash;

/// What a payer's note says about its block. Anyone can pay a public offer with any
/// note: it is a hint where the money belongs, never a reason to believe anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The block's hash.
    pub hash: BlockHash,
    /// The block's height, as the note has it.
    pub height: u32,
}

impl Note {
    /// A longer note is not read: the real one has about 130 bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Reads "OCEAN lightning payout running at block `<hash>` at height `<height>`"
    /// (facts-ocean.md). It is tolerant about what payers vary: backticks, other
    /// punctuation, case, spaces, and what stands before and after. Needed are the words
    /// "block" with 64 hex digits next, and after them "height" with a number next.
    /// Anything else is `None`; no input makes it panic.
    pub fn parse(text: &str) -> Option<Note> {
        if text.len() > Self::MAX_BYTES {
            return None;
        }
        let mut words = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|w| !w.is_empty());
        let hash = loop {
            if words.next()?.eq_ignore_ascii_case("block")
                && let Some(hash) = words.clone().next().and_then(block_hash)
            {
                break hash;
            }
        };
        let height = loop {
            if words.next()?.eq_ignore_ascii_case("height")
                && let Some(height) = words.clone().next().and_then(height)
            {
                break height;
            }
        };
        Some(Note { hash, height })
    }
}

fn block_hash(word: &str) -> Option<BlockHash> {
    (word.len() == 64)
        .then(|| BlockHash::from_str(word).ok())
        .flatten()
}

fn height(word: &str) -> Option<u32> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| word.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "00000000000000000001ca1b4a6a1a9d1a8d4a5d1f0b2ad1c8a6f6d3a2b1c0d9";

    #[track_caller]
    fn case(text: &str, height: Option<u32>) {
        let expected = height.map(|height| Note {
            hash: HASH.parse().unwrap(),
            height,
        });
        assert_eq!(Note::parse(text), expected, "{text}");
    }

    #[test]
    fn the_forms_seen_and_their_cousins() {
        case(
            &format!("OCEAN lightning payout running at block `{HASH}` at height `845900`"),
            Some(845_900),
        );
        case(
            &format!("OCEAN lightning payout running at block {HASH} at height 845900"),
            Some(845_900),
        );
        case(
            &format!("ocean  lightning payout running at Block: '{HASH}', at height: 845900."),
            Some(845_900),
        );
        case(
            &format!("block block {} at height x height 7", HASH.to_uppercase()),
            Some(7),
        );
        case(&format!("block {HASH} height 4294967295"), Some(u32::MAX));
    }

    #[test]
    fn what_it_cannot_read_names_nothing() {
        case("", None);
        case("thank you for mining", None);
        case("OCEAN lightning payout running at block", None);
        case(&format!("at block {HASH}"), None);
        case(&format!("at height 5 at block {HASH}"), None);
        case(&format!("block {HASH} height 4294967296"), None);
        case(&format!("block {HASH} height -"), None);
        case(&format!("block {HASH}0 height 5"), None);
        case(&format!("block {} height 5", &HASH[1..]), None);
        case(&format!("block {} height 5", HASH.replace('c', "g")), None);
        case(
            &format!("block {HASH} height 5{}", " ".repeat(Note::MAX_BYTES)),
            None,
        );
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "\\PC*") {
            prop_assert_eq!(Note::parse(&text).is_some() && text.len() > Note::MAX_BYTES, false);
        }

        #[test]
        fn a_mangled_note_is_read_or_not_but_never_misread(cut in 0_usize..140, put in "[^0-9a-fA-F]{0,3}") {
            let real = format!("OCEAN lightning payout running at block `{HASH}` at height `845900`");
            let at = cut.min(real.len());
            let text = format!("{}{put}{}", &real[..at], &real[at..]);
            if let Some(note) = Note::parse(&text) {
                prop_assert_eq!(note.hash, HASH.parse().unwrap());
            }
        }
    }
}
