//! Extranonces as short byte strings that live inline.

use std::fmt;

use crate::hex::{self, HexError};

/// The most bytes of an extranonce2, ours and the miner's part together: ESP-Miner's limit.
pub const MAX_EXTRANONCE_BYTES: usize = 32;

/// The most bytes of a miner's extranonce1: the upstream's, which has up to 16, and the
/// longest prefix.
pub const MAX_WHOLE_BYTES: usize = 40;

/// Up to [`MAX_WHOLE_BYTES`] bytes: an extranonce1, an extranonce2 or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extranonce {
    len: u8,
    // Zero past `len`, so that the derived equality holds.
    bytes: [u8; MAX_WHOLE_BYTES],
}

impl Default for Extranonce {
    fn default() -> Self {
        Extranonce {
            len: 0,
            bytes: [0; MAX_WHOLE_BYTES],
        }
    }
}

impl Extranonce {
    /// From bytes; `None` when there are too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        Self::concat(bytes, &[])
    }

    /// Two parts one after the other; `None` when there are too many bytes.
    pub fn concat(head: &[u8], tail: &[u8]) -> Option<Self> {
        let mut whole = Extranonce::default();
        let size = head.len().checked_add(tail.len())?;
        let (start, end) = whole
            .bytes
            .get_mut(..size)?
            .split_at_mut_checked(head.len())?;
        start.copy_from_slice(head);
        end.copy_from_slice(tail);
        whole.len = u8::try_from(size).ok()?;
        Some(whole)
    }

    /// From hex, up to [`MAX_EXTRANONCE_BYTES`] of them: what others send.
    pub fn from_hex(text: &str) -> Result<Self, HexError> {
        let mut whole = Extranonce::default();
        let wrong = HexError::Length { digits: text.len() };
        let size = text.len() / 2;
        if size > MAX_EXTRANONCE_BYTES {
            return Err(wrong);
        }
        hex::decode_into(text.as_bytes(), whole.bytes.get_mut(..size).ok_or(wrong)?)?;
        whole.len = u8::try_from(size).map_err(|_| wrong)?;
        Ok(whole)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.len))
            .unwrap_or(&self.bytes)
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Display for Extranonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Extranonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extranonce({self})")
    }
}

/// What a downstream session knows as its extranonce1: the upstream's, then our prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Extranonce1 {
    whole: Extranonce,
    upstream_len: u8,
}

impl Extranonce1 {
    /// The upstream's extranonce1 followed by a session's prefix; `None` when they
    /// are more than [`MAX_WHOLE_BYTES`] together.
    pub fn new(upstream: &[u8], prefix: &[u8]) -> Option<Self> {
        let whole = Extranonce::concat(upstream, prefix)?;
        Some(Extranonce1 {
            whole,
            upstream_len: u8::try_from(upstream.len()).ok()?,
        })
    }

    /// All of it, as the miner is told.
    pub fn as_bytes(&self) -> &[u8] {
        self.whole.as_bytes()
    }

    /// Our prefix: the first bytes of the upstream's extranonce2.
    pub fn prefix(&self) -> &[u8] {
        self.as_bytes()
            .get(usize::from(self.upstream_len)..)
            .unwrap_or_default()
    }
}
