//! One line of bounded length from a stream.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Reads up to a line's end, which is left out.
///
/// # Errors
/// `InvalidData` past `most` bytes, `UnexpectedEof` when the stream ends first.
pub(super) async fn read(
    stream: &mut (impl AsyncBufRead + Unpin),
    most: usize,
) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let with_end = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    stream.take(with_end).read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() == most => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a line of more than {most} bytes"),
        )),
        _ => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the other side hung up within a line",
        )),
    }
}
