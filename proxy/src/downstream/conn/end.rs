//! The end of a connection: nothing that was promised is dropped with it.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{Conn, deliver};
use crate::clock::monotonic_ms;
use crate::downstream::close::CloseReason;

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a share is not stored whose connection is over.
const CLOSED: &str = "the connection is closed";

/// How long the ledger is waited for, that it decides the last shares.
const LAST_SHARES: Duration = Duration::from_secs(1);

/// What a peer still sends after our last words is read up to here: closing a socket
/// with unread bytes would make the peer's system throw the last words away.
const LINGER_BYTES: u64 = 64 * 1024;

impl<S: AsyncRead + AsyncWrite + Unpin> Conn<S> {
    /// Ends it.
    pub(super) async fn end(mut self, reason: CloseReason) {
        self.shared.metrics.closed(reason);
        tracing::debug!(
            connection = self.entered.connection().number(),
            reason = reason.label(),
            "connection closed"
        );
        if let (CloseReason::RejectStorm, Some(authorized)) = (reason, self.session.authorized()) {
            let address = self.admitted.address();
            let who = authorized.who.clone();
            self.shared.storms.note(address, who, monotonic_ms());
        }
        // Checked shares are credited although nobody waits for the answer. A disk that
        // hangs must not keep the peer: what it has no room for is handed on after the end.
        let handed_on = timeout(LAST_SHARES, self.hand_on_rest()).await;
        // So are they counted: the ledger decides them within milliseconds.
        // A server that stops has waited for them already.
        if reason != CloseReason::Stopping {
            let _ = timeout(LAST_SHARES, self.last_shares()).await;
        }
        if !matches!(reason, CloseReason::Peer | CloseReason::Io) {
            // A peer that is gone by now needs no words.
            let _ = timeout(LAST_WORDS, self.last_words()).await;
        }
        if handed_on.is_err() {
            self.hand_on_rest().await;
        }
    }

    async fn hand_on_rest(&mut self) {
        while !self.outgoing.is_empty() {
            let done = deliver(
                &mut self.outgoing,
                &self.session,
                self.lease.as_ref(),
                &self.shared,
            )
            .await;
            if done.is_err() {
                tracing::warn!(
                    shares = self.outgoing.len(),
                    "shares were lost: the ledger is closed"
                );
                break;
            }
        }
    }

    async fn last_shares(&mut self) {
        while self.session.pending() > 0 {
            let Some(authorized) = self.session.authorized() else {
                return;
            };
            let (ack, decided) = (authorized.ack.clone(), self.decided);
            self.decided = poll_fn(|cx| ack.poll_decided(cx, decided)).await;
            let decided = self.decided;
            // Who is gone is told in vain.
            let _ = self
                .turn(|session, turn| {
                    session.on_decided(decided, || CLOSED.to_owned(), turn);
                    Ok(())
                })
                .await;
        }
    }

    async fn last_words(&mut self) -> std::io::Result<()> {
        let rest = self.unsent.take();
        self.stream.write_all(&rest).await?;
        self.stream.shutdown().await?;
        let mut late = (&mut self.stream).take(LINGER_BYTES);
        let mut sink = [0; 512];
        while late.read(&mut sink).await? > 0 {}
        Ok(())
    }
}

impl<S> Drop for Conn<S> {
    fn drop(&mut self) {
        let unanswered = i64::try_from(self.session.pending()).unwrap_or(i64::MAX);
        self.shared.metrics.pending.sub(unanswered);
        if !self.session.has_credited()
            && let Some(lease) = &mut self.lease
        {
            lease.unused();
        }
    }
}
