//! The body of a request, read whole under the request's clock, and the body of its
//! answer, which keeps the request's place.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::counts::Refused;
use super::io::Connection;
use super::memory::BodyBytes;
use super::places::Place;

/// Reads `body` to its end. Its memory is that of `bytes`, which the caller keeps for as
/// long as it keeps the body.
///
/// # Errors
/// Longer than `limit`, not there at `deadline`, or beyond the memory for bodies. `None`:
/// the connection ended.
pub(super) async fn whole(
    mut body: Incoming,
    limit: usize,
    deadline: Instant,
    bytes: &mut BodyBytes,
) -> Result<Bytes, Option<Refused>> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Some(Refused::BodyTooLong));
    }
    let mut whole = Vec::new();
    while !body.is_end_stream() {
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let frame = match timeout_at(deadline, next).await {
            Err(_) => return Err(Some(Refused::BodyTooSlow)),
            Ok(None) => break,
            Ok(Some(frame)) => frame.map_err(|_| None)?,
        };
        // Trailers tell nothing here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len().saturating_add(data.len()) > limit {
            return Err(Some(Refused::BodyTooLong));
        }
        if !bytes.grow(data.len()) {
            return Err(Some(Refused::BodyMemory));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

/// An answer's body.
pub(super) struct Answer {
    body: Body,
    connection: Arc<Connection>,
    _place: Option<Place>,
}

impl Answer {
    pub(super) fn new(body: Body, connection: Arc<Connection>, place: Option<Place>) -> Self {
        Answer {
            body,
            connection,
            _place: place,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.answered();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
