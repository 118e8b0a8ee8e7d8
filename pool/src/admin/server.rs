//! The running process's side of the admin socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::Call;
use super::client::AskError;
use super::protocol::{Reply, Request};
use super::{AdminSocket, line};

/// The longest request: a command's name and a few numbers.
const MAX_REQUEST_BYTES: usize = 4096;

/// How long an asker may take to ask.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an asker may take to read the answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections answered at once. The next one waits in the socket's backlog.
const MAX_ASKERS: usize = 16;

/// What answers the requests.
pub trait Answers: Send + Sync + 'static {
    /// The answer to `request`; a failure is a [`Reply::Error`].
    fn answer(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// The answer that belongs to `call`, for callers within the process.
    ///
    /// # Errors
    /// As [`Call::read`].
    fn call<A: Send>(&self, call: Call<A>) -> impl Future<Output = Result<A, AskError>> + Send {
        async move {
            let reply = self.answer(call.request().clone()).await;
            call.read(reply)
        }
    }
}

/// Answers at `socket` until `cancel`; requests that are under way are finished in
/// tasks of `tracker`.
pub async fn serve(
    socket: AdminSocket,
    answers: Arc<impl Answers>,
    cancel: CancellationToken,
    tracker: TaskTracker,
) {
    let askers = Arc::new(Semaphore::new(MAX_ASKERS));
    loop {
        let Ok(place) = Arc::clone(&askers).acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: it passes.
                    tracing::warn!(%error, "the admin socket cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let answers = Arc::clone(&answers);
        tracker.spawn(async move {
            if let Err(error) = attend(stream, answers.as_ref()).await {
                tracing::debug!(%error, "an asker at the admin socket went away");
            }
            drop(place);
        });
    }
}

async fn attend(stream: UnixStream, answers: &impl Answers) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let asked =
        tokio::time::timeout(ASK_TIMEOUT, line::read(&mut stream, MAX_REQUEST_BYTES)).await?;
    let reply = match asked {
        Ok(line) => match read(&line) {
            Ok(request) => {
                tracing::debug!(?request, "asked at the admin socket");
                answers.answer(request).await
            }
            Err(error) => Reply::Error {
                why: format!("not a request: {error}"),
            },
        },
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Reply::Error {
            why: format!("not a request: {error}"),
        },
        Err(error) => return Err(error),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    tokio::time::timeout(READ_TIMEOUT, stream.get_mut().write_all(&text)).await?
}

/// A request with nothing in it that no command knows. What is unknown to a command
/// without fields serde lets pass, although a typing mistake may be behind it: a request
/// has to say the same when it is written again.
fn read(line: &[u8]) -> Result<Request, serde_json::Error> {
    let asked: Value = serde_json::from_slice(line)?;
    let request: Request = serde_json::from_value(asked.clone())?;
    match unknown(&asked, &serde_json::to_value(&request)?) {
        None => Ok(request),
        Some(field) => Err(serde::de::Error::custom(format_args!(
            "unknown field `{field}`"
        ))),
    }
}

/// A field of `asked` that `known` does not have.
fn unknown<'a>(asked: &'a Value, known: &Value) -> Option<&'a str> {
    match (asked, known) {
        (Value::Object(asked), Value::Object(known)) => {
            asked
                .iter()
                .find_map(|(name, value)| match known.get(name) {
                    None => Some(name.as_str()),
                    Some(known) => unknown(value, known),
                })
        }
        (Value::Array(asked), Value::Array(known)) => {
            let mut pairs = asked.iter().zip(known);
            pairs.find_map(|(asked, known)| unknown(asked, known))
        }
        _ => None,
    }
}
