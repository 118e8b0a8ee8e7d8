//! The commands' side of the admin socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::call::Call;
use super::protocol::{Reply, Request};
use super::{line, socket};

/// Longer than the slowest answer, which waits for the disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer: the miners of an epoch, some hundred bytes each.
const MAX_REPLY_BYTES: usize = 256 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// No process listens there: nothing is running, or it was killed.
    #[error("no running axepool answers at {0}")]
    NotRunning(PathBuf),
    /// The path fits no socket address.
    #[error(transparent)]
    Path(#[from] socket::PathTooLong),
    /// It took too long.
    #[error("the running axepool did not answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    /// The socket failed.
    #[error("the admin socket failed")]
    Io(#[from] io::Error),
    /// The other side speaks another version.
    #[error("the running axepool's answer cannot be read: is it of another version?")]
    Reply(#[from] serde_json::Error),
    /// It answered another request than the one that was sent.
    #[error("the running axepool answered something else: is it of another version?")]
    OtherAnswer,
    /// The running process said no.
    #[error("{0}")]
    Refused(String),
}

/// Asks the process whose admin socket is `path`, and gives the answer that belongs to
/// `call`.
///
/// # Errors
/// See [`AskError`]; `NotRunning` is the one that a caller may answer by opening the
/// store itself.
pub async fn call_at<A>(path: &Path, call: Call<A>) -> Result<A, AskError> {
    let reply = ask(path, call.request()).await?;
    call.read(reply)
}

/// Sends `request` to the process whose admin socket is `path`, and gives whatever it
/// answers.
///
/// # Errors
/// As [`call_at`], but for an answer of another kind.
pub async fn ask(path: &Path, request: &Request) -> Result<Reply, AskError> {
    socket::check_length(path)?;
    let exchange = tokio::time::timeout(PATIENCE, exchange(path, request));
    match exchange.await.map_err(|_| AskError::TimedOut)?? {
        Reply::Error { why } => Err(AskError::Refused(why)),
        reply => Ok(reply),
    }
}

async fn exchange(path: &Path, request: &Request) -> Result<Reply, AskError> {
    let mut stream = UnixStream::connect(path)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                AskError::NotRunning(path.to_owned())
            }
            _ => AskError::Io(error),
        })?;
    let mut question = serde_json::to_vec(request)?;
    question.push(b'\n');
    stream.write_all(&question).await?;
    let answer = line::read(&mut BufReader::new(stream), MAX_REPLY_BYTES).await?;
    Ok(serde_json::from_slice(&answer)?)
}
