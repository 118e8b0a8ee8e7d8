//! A token as a moving QR code (NUT-16), for scanners that cannot read a dense one.

use std::str::FromStr as _;

use cdk_common::nuts::Token;
use thiserror::Error;

/// Payload bytes per frame: a code of about 69 modules a side, which a phone reads at
/// arm's length.
const FRAGMENT_BYTES: usize = 150;

/// The token cannot be shown as a moving code.
#[derive(Debug, Error)]
#[error("the token cannot be shown as an animated QR code: {0}")]
pub struct FramesError(String);

/// The frames of `token`, to be shown one after the other, again and again: first those
/// that cover it, then as many that make up for missed ones.
///
/// # Errors
/// It is no token of version 3 or 4.
pub fn token_frames(token: &str) -> Result<Vec<String>, FramesError> {
    let refuse = |error: &dyn std::fmt::Display| FramesError(error.to_string());
    let token = Token::from_str(token).map_err(|error| refuse(&error))?;
    let mut encoder = token
        .ur_encoder(FRAGMENT_BYTES)
        .map_err(|error| refuse(&error))?;
    let count = match encoder.fragment_count() {
        1 => 1,
        many => many.saturating_mul(2),
    };
    (0..count)
        .map(|_| encoder.next_part().map_err(|error| refuse(&error)))
        .collect()
}
