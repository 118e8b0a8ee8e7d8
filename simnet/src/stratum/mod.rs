//! The parts common to both sides of the wire: targets, lines, the layout of a job.

mod lines;
mod notify;
mod server_message;
mod target;

pub(crate) use notify::swap_words;
pub use notify::{BadNotify, Notify};
pub use target::{Target, achieved_difficulty};

pub(crate) use lines::{LineError, LineReader};
pub(crate) use server_message::ServerMessage;

use bitcoin::hex::FromHex as _;

/// The header's hash, in the byte order of the header (as `sha256d` puts it out).
pub type Hash = [u8; 32];

/// Shows a hash as explorers do: reversed, in hex.
pub fn hash_hex(hash: &Hash) -> String {
    use bitcoin::hex::DisplayHex as _;
    let mut reversed = *hash;
    reversed.reverse();
    reversed.to_lower_hex_string()
}

/// The bytes of a hex string.
pub(crate) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    Vec::<u8>::from_hex(text).ok()
}

/// A number of one to eight hex digits, most significant first: stratum's way for
/// version, ntime, nonce and bits.
pub(crate) fn u32_of_hex(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok()
}

/// SHA256 twice.
pub(crate) fn sha256d(parts: &[&[u8]]) -> Hash {
    use sha2::{Digest as _, Sha256};
    let mut first = Sha256::new();
    for part in parts {
        first.update(part);
    }
    Sha256::digest(first.finalize()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_hex_digits_and_nothing_else() {
        #[track_caller]
        fn case(text: &str, expected: Option<u32>) {
            assert_eq!(u32_of_hex(text), expected);
        }
        case("1fffe000", Some(0x1fff_e000));
        case("FFFFFFFF", Some(u32::MAX));
        case("7", Some(7));
        case("", None);
        case("+1", None);
        case("0x10", None);
        case("123456789", None);
        case("é", None);
    }
}
