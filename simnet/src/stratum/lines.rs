//! Bounded lines from a socket.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Nothing that we meet sends longer lines; NerdQAxe+ takes 16 KB.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Why there is no further line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The peer closed the connection.
    #[error("closed by the peer")]
    Closed,
    /// More bytes without a line's end than anyone may send.
    #[error("a line of more than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Splits what is read into lines. Dropping a pending [`LineReader::next_line`] loses
/// nothing.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    from: R,
    buffer: Vec<u8>,
    /// Where the first line that was not handed out yet begins.
    start: usize,
    /// Up to where it is known that there is no line's end.
    scanned: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(from: R) -> Self {
        LineReader {
            from,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
        }
    }

    /// The next line without its end.
    pub(crate) async fn next_line(&mut self) -> Result<String, LineError> {
        let place = self.next_place().await?;
        Ok(String::from_utf8_lossy(self.bytes(place))
            .trim_end_matches('\r')
            .to_owned())
    }

    /// Where the next line is, without its end: for [`LineReader::bytes`], until the next
    /// call.
    pub(crate) async fn next_place(&mut self) -> Result<Range<usize>, LineError> {
        loop {
            if let Some(end) = memchr(&self.buffer[self.scanned..]) {
                let end = self.scanned + end;
                let place = self.start..end;
                self.start = end + 1;
                self.scanned = self.start;
                return Ok(place);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            self.scanned = self.buffer.len();
            if self.scanned > MAX_LINE_BYTES {
                return Err(LineError::TooLong);
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Err(LineError::Closed);
            }
        }
    }

    /// The line at a place.
    pub(crate) fn bytes(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn segments_are_no_lines() {
        let mut reader = LineReader::new(&b"one\r\ntwo\n\nlast"[..]);
        for expected in ["one", "two", ""] {
            assert_eq!(reader.next_line().await.unwrap(), expected);
        }
        assert!(matches!(reader.next_line().await, Err(LineError::Closed)));
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused() {
        let endless = vec![b'x'; 1 << 20];
        let mut reader = LineReader::new(&endless[..]);
        assert!(matches!(reader.next_line().await, Err(LineError::TooLong)));
        assert!(reader.buffer.len() < 1 << 18);
    }
}
