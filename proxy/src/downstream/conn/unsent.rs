//! Bytes that a peer has not read yet.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Bytes that the socket did not take. Empty, and without memory, nearly always.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    at: usize,
    /// A layer below (TLS) still holds something.
    unflushed: bool,
}

impl Unsent {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// True when nothing waits, below neither.
    pub(super) fn is_clear(&self) -> bool {
        self.len() == 0 && !self.unflushed
    }

    /// Writes `bytes` behind what waits, as far as the socket takes them now; the rest
    /// waits. What is ready wakes the task later.
    pub(super) fn send<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        mut bytes: &[u8],
    ) -> Result<(), Error> {
        if self.len() == 0 {
            while !bytes.is_empty() {
                match Pin::new(&mut *stream).poll_write(cx, bytes)? {
                    Poll::Ready(0) => return Err(ErrorKind::WriteZero.into()),
                    Poll::Ready(written) => bytes = &bytes[written..],
                    Poll::Pending => break,
                }
            }
        }
        self.bytes.extend_from_slice(bytes);
        self.flush(stream, cx)
    }

    /// Goes on with what waits.
    pub(super) fn resume<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        while self.len() > 0 {
            match Pin::new(&mut *stream).poll_write(cx, &self.bytes[self.at..])? {
                Poll::Ready(0) => return Err(ErrorKind::WriteZero.into()),
                Poll::Ready(written) => self.at += written,
                Poll::Pending => return Ok(()),
            }
        }
        if self.at > 0 {
            self.bytes = Vec::new();
            self.at = 0;
        }
        self.flush(stream, cx)
    }

    fn flush<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        self.unflushed = Pin::new(stream).poll_flush(cx)?.is_pending();
        Ok(())
    }

    /// What waits, to be written at the end.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.drain(..std::mem::take(&mut self.at));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, duplex};

    #[tokio::test]
    async fn what_does_not_fit_waits_in_order() {
        let (mut near, mut far) = duplex(10);
        let mut unsent = Unsent::default();
        std::future::poll_fn(|cx| {
            unsent.send(&mut near, cx, b"0123456789ab").unwrap();
            unsent.send(&mut near, cx, b"cdef").unwrap();
            Poll::Ready(())
        })
        .await;
        assert_eq!(unsent.len(), 6);
        let mut read = [0; 10];
        far.read_exact(&mut read).await.unwrap();
        std::future::poll_fn(|cx| {
            unsent.resume(&mut near, cx).unwrap();
            Poll::Ready(())
        })
        .await;
        assert!(unsent.is_clear());
        assert_eq!(unsent.bytes.capacity(), 0);
        drop(near);
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!([read.as_slice(), &rest].concat(), b"0123456789abcdef");
    }
}
