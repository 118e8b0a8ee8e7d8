//! Hex as Stratum writes it: lower case when we write, any case when we read.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

use thiserror::Error;

/// Why a text is not the hex that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HexError {
    /// A character that is no hex digit.
    #[error("not hex")]
    Digit,
    /// Half a byte is missing, or it is not of the exact size.
    #[error("{digits} hex digits are the wrong number")]
    Length {
        /// How many characters there were.
        digits: usize,
    },
}

const NOT_A_DIGIT: u8 = 0xff;

/// The value of each character, [`NOT_A_DIGIT`] for all but 22 of them.
const VALUES: [u8; 256] = {
    let mut values = [NOT_A_DIGIT; 256];
    let mut digit: u8 = 0;
    #[allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a panic here is a compiler error"
    )]
    while digit < 16 {
        values[b"0123456789abcdef"[digit as usize] as usize] = digit;
        values[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

fn value(digit: u8) -> u8 {
    VALUES
        .get(usize::from(digit))
        .copied()
        .unwrap_or(NOT_A_DIGIT)
}

/// Fills `out` with the bytes of `text`, which must have exactly two digits for each.
pub fn decode_into(text: &[u8], out: &mut [u8]) -> Result<(), HexError> {
    let (pairs, odd) = text.as_chunks::<2>();
    if !odd.is_empty() || pairs.len() != out.len() {
        return Err(HexError::Length { digits: text.len() });
    }
    let mut bad = 0;
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (value(*high), value(*low));
        bad |= high | low;
        *byte = (high << 4) | (low & 0x0f);
    }
    // Digits are below 16; only the mark for "none" has the high bits.
    if bad > 0x0f {
        Err(HexError::Digit)
    } else {
        Ok(())
    }
}

/// Exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let mut bytes = [0; N];
    decode_into(text.as_bytes(), &mut bytes)?;
    Ok(bytes)
}

/// Any number of bytes up to `max_bytes`; memory is taken only after the length is known to be in bounds.
pub fn decode_vec(text: &str, max_bytes: usize) -> Result<Vec<u8>, HexError> {
    let size = text.len() / 2;
    if size > max_bytes {
        return Err(HexError::Length { digits: text.len() });
    }
    let mut bytes = vec![0; size];
    decode_into(text.as_bytes(), &mut bytes)?;
    Ok(bytes)
}

/// A big-endian number of 1 to 8 digits: NerdMiner does not pad its nonce with zeros.
pub fn decode_u32(text: &str) -> Result<u32, HexError> {
    if text.is_empty() || text.len() > 8 {
        return Err(HexError::Length { digits: text.len() });
    }
    text.bytes()
        .try_fold(0u32, |number, digit| match value(digit) {
            NOT_A_DIGIT => Err(HexError::Digit),
            digit => Ok((number << 4) | u32::from(digit)),
        })
}

/// Appends two lower-case digits for each byte.
pub fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'?');
    out.extend(
        bytes
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]),
    );
}

/// Appends a number as 8 lower-case digits, as ntime, nbits, nonce and version are written.
pub fn push_u32(out: &mut Vec<u8>, number: u32) {
    push(out, &number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn number(text: &str, expected: Result<u32, HexError>) {
        assert_eq!(decode_u32(text), expected, "{text:?}");
    }

    #[test]
    fn numbers_need_not_be_padded() {
        number("0", Ok(0));
        number("deadBEEF", Ok(0xdead_beef));
        number("2a", Ok(42));
        number("", Err(HexError::Length { digits: 0 }));
        number("123456789", Err(HexError::Length { digits: 9 }));
        number("0x12", Err(HexError::Digit));
        number("+1", Err(HexError::Digit));
    }

    #[test]
    fn wrong_lengths_and_letters_are_told_apart() {
        assert_eq!(
            decode_array::<2>("abc"),
            Err(HexError::Length { digits: 3 })
        );
        assert_eq!(
            decode_array::<2>("abcdef"),
            Err(HexError::Length { digits: 6 })
        );
        assert_eq!(decode_array::<2>("abcg"), Err(HexError::Digit));
        assert_eq!(decode_array::<2>("é~"), Err(HexError::Length { digits: 3 }));
        assert_eq!(decode_vec("00", 0), Err(HexError::Length { digits: 2 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: Vec<u8>, upper: bool) {
            let mut text = Vec::new();
            push(&mut text, &bytes);
            let mut text = String::from_utf8(text).expect("ascii");
            prop_assert_eq!(&text, &bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
            if upper { text.make_ascii_uppercase(); }
            prop_assert_eq!(decode_vec(&text, bytes.len()), Ok(bytes));
        }

        #[test]
        fn only_hex_digits_are_read(text in "\\PC{2}") {
            let model = u8::from_str_radix(&text, 16).ok().filter(|_| !text.starts_with('+'));
            prop_assert_eq!(decode_array::<1>(&text).ok().map(|[byte]| byte), model.filter(|_| text.len() == 2));
        }
    }
}
