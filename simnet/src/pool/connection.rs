//! A connection of the pool's: the shell around a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::session::Session;
use super::shared::{Command, Shared};
use crate::stratum::LineReader;

/// A peer that takes nothing for so long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a connection until either side ends it.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let (number, commands, kill) = shared.state().enter(&shared.cancel);
    shared.books.update(|books| {
        books.connections += 1;
        books.open_connections += 1;
    });
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    converse(&shared, stream, commands, &kill).await;
    shared.state().leave(number);
    shared.books.update(|books| books.open_connections -= 1);
}

async fn converse(
    shared: &Arc<Shared>,
    stream: TcpStream,
    mut commands: mpsc::Receiver<Command>,
    kill: &CancellationToken,
) {
    let (read, mut write) = stream.into_split();
    let mut lines = LineReader::new(read);
    let mut session = Session::new(Arc::clone(shared));
    let subscribe_by = tokio::time::Instant::now() + shared.options.subscribe_timeout;
    loop {
        let due = session.out.next_due();
        tokio::select! {
            biased;
            () = kill.cancelled() => return,
            () = sleep_until(due), if due.is_some() => {
                let writes = session.out.take_due(&shared.faults(), Instant::now());
                if !write_all(&mut write, writes, kill).await {
                    return;
                }
            }
            command = commands.recv() => match command {
                Some(command) => session.command(command),
                None => return,
            },
            line = lines.next_line() => match line {
                Ok(line) if session.line(&line).is_ok() => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(%error, "connection ends");
                    return;
                }
            },
            () = tokio::time::sleep_until(subscribe_by), if !session.is_subscribed() => return,
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// False when the peer is gone or takes nothing.
async fn write_all(
    write: &mut OwnedWriteHalf,
    writes: Vec<Vec<u8>>,
    kill: &CancellationToken,
) -> bool {
    let writing = async {
        for bytes in writes {
            write.write_all(&bytes).await?;
            // Lets the peer read what is there: single bytes stay single.
            tokio::task::yield_now().await;
        }
        Ok::<(), std::io::Error>(())
    };
    tokio::select! {
        () = kill.cancelled() => false,
        written = tokio::time::timeout(WRITE_TIMEOUT, writing) => matches!(written, Ok(Ok(()))),
    }
}
