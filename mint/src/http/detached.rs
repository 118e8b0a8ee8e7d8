//! A request that may change the mint's store runs to its end, whether or not its client is
//! still there. A server drops the handler of a client that hangs up; cdk's swap and mint,
//! dropped between two of their steps, leave ecash and outputs pending until the next start
//! of the mint, and their owner is told that a payment is under way.

use axum::http::StatusCode;
use axum::response::Response;

use super::error::refusal;
use crate::refused::OTHER;

/// Runs `work` in a task of its own. The number of such tasks is bounded by the places that
/// they hold: a client that hangs up frees none early.
pub(super) async fn to_the_end(work: impl Future<Output = Response> + Send + 'static) -> Response {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request of the mint's panicked");
        let why = "the mint failed: ask for the state of your ecash before you try again";
        refusal(StatusCode::INTERNAL_SERVER_ERROR, OTHER, why)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::Router;
    use axum::extract::Request;
    use axum::middleware::{Next, from_fn};
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{Notify, mpsc};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn detached(request: Request, next: Next) -> Response {
        to_the_end(next.run(request)).await
    }

    /// Tells how the work of a handler ended.
    struct Work {
        ended: mpsc::UnboundedSender<&'static str>,
        is_done: bool,
    }

    impl Drop for Work {
        fn drop(&mut self) {
            let how = if self.is_done { "done" } else { "dropped" };
            self.ended.send(how).expect("the test listens");
        }
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_stops_no_work() {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (ended, mut ends) = mpsc::unbounded_channel();
        let handler = {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            move || async move {
                let mut work = Work {
                    ended,
                    is_done: false,
                };
                begun.notify_one();
                go_on.notified().await;
                work.is_done = true;
            }
        };
        let (gone, mut leaves) = mpsc::unbounded_channel();
        let watch = move |request: Request, next: Next| {
            let gone = gone.clone();
            async move {
                // Dropped when the server notices that the client is gone.
                let _told = Told(gone);
                next.run(request).await
            }
        };
        let router = Router::new()
            .route("/", post(handler))
            .layer(from_fn(detached))
            .layer(from_fn(watch));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });

        let mut client = TcpStream::connect(address).await.expect("connects");
        let request = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n";
        client.write_all(request).await.expect("sends");
        timeout(PATIENCE, begun.notified())
            .await
            .expect("it begins");
        drop(client);
        timeout(PATIENCE, leaves.recv())
            .await
            .expect("it is noticed");
        go_on.notify_one();
        let how = timeout(PATIENCE, ends.recv()).await.expect("it ends");
        assert_eq!(how, Some("done"));
    }

    struct Told(mpsc::UnboundedSender<()>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(()).expect("the test listens");
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let panics = || async {
            if true {
                panic!("of the test");
            }
        };
        let router = Router::new()
            .route("/", post(panics))
            .layer(from_fn(detached));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut client = TcpStream::connect(address).await.expect("connects");
        let request =
            b"POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        client.write_all(request).await.expect("sends");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("answers");
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    }
}
