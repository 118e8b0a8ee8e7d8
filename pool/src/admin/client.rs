//! The commands' side of the admin socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

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
    /// The running process said no.
    #[error("{0}")]
    Refused(String),
}

/// Asks the process whose admin socket is `path`.
///
/// # Errors
/// See [`AskError`]; `NotRunning` is the one that a caller may answer by opening the
/// store itself.
pub async fn ask(path: &Path, request: &Request) -> Result<Reply, AskError> {
    socket::check_length(path)?;
    tokio::time::timeout(PATIENCE, exchange(path, request))
        .await
        .map_err(|_| AskError::TimedOut)?
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
    match serde_json::from_slice(&answer)? {
        Reply::Error { why } => Err(AskError::Refused(why)),
        reply => Ok(reply),
    }
}
