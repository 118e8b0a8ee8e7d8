//! A connection that holds its place among the allowed ones for as long as it lives,
//! also when it has become a WebSocket, and that ends when its reader does not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// Plain or with TLS.
pub(super) type Socket = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// How long a write may make no progress: who does not read takes the place of who does.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Placed {
    socket: Socket,
    _place: OwnedSemaphorePermit,
    patience: Duration,
    /// Runs while a write waits.
    waits: Option<Pin<Box<Sleep>>>,
}

impl Placed {
    pub(super) fn new(socket: Socket, place: OwnedSemaphorePermit) -> Self {
        Placed {
            socket,
            _place: place,
            patience: PATIENCE,
            waits: None,
        }
    }

    /// Ends what has waited for too long.
    fn bounded<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let patience = self.patience;
        let wait = self
            .waits
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match wait.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.bounded(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.bounded(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_does_not_read_loses_the_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let _reader = TcpStream::connect(address).await.expect("connects");
        let (socket, _) = listener.accept().await.expect("accepts");
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().expect("a place");
        let mut placed = Placed::new(Either::Left(socket), place);
        placed.patience = Duration::from_millis(20);
        // More than both sockets' buffers hold.
        let writing = async {
            loop {
                if let Err(error) = placed.write_all(&[0; 1 << 16]).await {
                    return error;
                }
            }
        };
        let error = timeout(Duration::from_secs(30), writing).await;
        let error = error.expect("it ends");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(placed);
        assert_eq!(places.available_permits(), 1);
    }
}
