//! A connection's bytes: it keeps its places for as long as it lives, also when it has
//! become a WebSocket, times its requests, and ends when its reader does not read.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::places::Place;

/// Plain or with TLS.
pub(super) type Socket = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// How long a write may make no progress: who does not read takes the place of who does.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a connection holds until its last byte.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) ending: CancellationToken,
    clock: Mutex<Clock>,
    is_upgraded: AtomicBool,
    /// The connection's own, and its WebSocket's.
    places: Mutex<Vec<Place>>,
    _descriptor: OwnedSemaphorePermit,
    open: IntGauge,
}

/// Where in a request the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// Nothing came yet.
    New,
    /// Between two requests.
    Waiting,
    /// A request's first byte came.
    Reading(Instant),
    /// Its head was read.
    Answering,
}

impl Connection {
    pub(super) fn new(
        ending: CancellationToken,
        descriptor: OwnedSemaphorePermit,
        open: IntGauge,
    ) -> Arc<Self> {
        open.inc();
        Arc::new(Connection {
            ending,
            clock: Mutex::new(Clock::New),
            is_upgraded: AtomicBool::new(false),
            places: Mutex::default(),
            _descriptor: descriptor,
            open,
        })
    }

    /// Holds `place` for as long as the connection lives.
    pub(super) fn keep(&self, place: Place) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.push(place);
    }

    /// A request's head was read: when its first byte came.
    pub(super) fn asked(&self) -> Instant {
        let mut clock = self.clock();
        match std::mem::replace(&mut *clock, Clock::Answering) {
            Clock::Reading(began) => began,
            // It came together with the one before.
            Clock::New | Clock::Waiting | Clock::Answering => Instant::now(),
        }
    }

    /// Its answer is sent, or nobody sends it any more.
    pub(super) fn answered(&self) {
        *self.clock() = Clock::Waiting;
    }

    /// It is no HTTP from now on.
    pub(super) fn upgraded(&self) {
        self.is_upgraded.store(true, Ordering::Relaxed);
    }

    /// Whether a request of it is being answered.
    pub(super) fn is_answering(&self) -> bool {
        *self.clock() == Clock::Answering
    }

    /// Whether it ended in a request's head, or without one.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(*self.clock(), Clock::New | Clock::Reading(_))
    }

    fn bytes_came(&self) {
        let mut clock = self.clock();
        if matches!(*clock, Clock::New | Clock::Waiting) {
            *clock = Clock::Reading(Instant::now());
        }
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// The bytes.
pub(super) struct Io {
    socket: Socket,
    connection: Arc<Connection>,
    patience: Duration,
    /// Runs while a write waits.
    waits: Option<Pin<Box<Sleep>>>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Io {
    pub(super) fn new(socket: Socket, connection: Arc<Connection>) -> Self {
        Io {
            socket,
            ended: Box::pin(connection.ending.clone().cancelled_owned()),
            connection,
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

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A request under way is finished; nobody else ends a WebSocket.
        if self.connection.is_upgraded.load(Ordering::Relaxed)
            && self.ended.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.connection.bytes_came();
        }
        read
    }
}

impl AsyncWrite for Io {
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
        let descriptors = Arc::new(Semaphore::new(1));
        let descriptor = Arc::clone(&descriptors).try_acquire_owned();
        let open = IntGauge::new("open", "open").expect("a gauge");
        let connection = Connection::new(
            CancellationToken::new(),
            descriptor.expect("a place"),
            open.clone(),
        );
        assert_eq!(open.get(), 1);
        let mut io = Io::new(Either::Left(socket), connection);
        io.patience = Duration::from_millis(20);
        // More than both sockets' buffers hold.
        let writing = async {
            loop {
                if let Err(error) = io.write_all(&[0; 1 << 16]).await {
                    return error;
                }
            }
        };
        let error = timeout(Duration::from_secs(30), writing).await;
        let error = error.expect("it ends");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(io);
        assert_eq!(descriptors.available_permits(), 1);
        assert_eq!(open.get(), 0);
    }
}
