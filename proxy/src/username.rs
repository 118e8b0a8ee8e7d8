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
