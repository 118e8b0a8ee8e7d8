//! Logs go to stderr, for people; `--log` or `AXEPOOL_LOG` says how many.
//!
//! Whoever reads stderr may stop reading: a full disk under the journal, a terminal on
//! hold. Then a write there waits for ever, and mining must not wait with it. So a
//! thread of its own writes, and lines that come while it waits for too long are
//! dropped and counted.

use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use prometheus::{IntCounter, Opts};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for stderr. Full, further ones are dropped: a log is no paid fact.
const WAITING_LINES: usize = 1_024;

/// How long the end waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The process has one log, however many pools run in it.
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::with_opts(Opts::new(
        "axepool_log_lines_dropped_total",
        "Lines of the log that were dropped because nobody read stderr",
    ))
    .expect("the name is a metric's")
});

/// Counts the lines that were dropped.
pub(crate) fn dropped() -> IntCounter {
    DROPPED.clone()
}

/// Starts logging with `filter`, such as `debug` or `info,proxy=trace`. The lines are
/// written until what is returned is dropped.
///
/// # Errors
/// When the filter cannot be read, or the thread that writes cannot be started.
pub(crate) fn start(filter: &str) -> Result<Logs> {
    let parsed = EnvFilter::try_new(filter).with_context(|| {
        format!(
            "--log {filter:?}: give a level (error, warn, info, debug, trace) or info,proxy=trace"
        )
    })?;
    let (sender, lines) = sync_channel(WAITING_LINES);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write(&lines, io::stderr()))
        .context("the log's thread cannot be started")?;
    tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(Lines(sender.clone()))
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging was started twice: {error}"))?;
    Ok(Logs(sender))
}

/// The running log. Dropped, it waits a moment until what was logged is written.
#[derive(Debug)]
#[must_use = "what is logged last is written when it is dropped"]
pub(crate) struct Logs(SyncSender<Message>);

impl Drop for Logs {
    fn drop(&mut self) {
        let deadline = Instant::now() + LAST_LINES;
        let (written, done) = sync_channel(1);
        while let Err(TrySendError::Full(_)) = self.0.try_send(Message::Tell(written.clone())) {
            if Instant::now() > deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // In vain when nobody reads: the end does not wait for that.
        let _ = done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// What the thread is sent.
#[derive(Debug)]
enum Message {
    /// A line, with its end.
    Line(Vec<u8>),
    /// All before it is to be written; then tell.
    Tell(SyncSender<()>),
}

/// Writes until nobody is left to send.
fn write(lines: &Receiver<Message>, mut to: impl Write) {
    for message in lines {
        // What cannot be written cannot be told either: nobody reads.
        let _ = match message {
            Message::Line(line) => to.write_all(&line).is_ok(),
            Message::Tell(written) => written.try_send(()).is_ok(),
        };
    }
}

/// Where the subscriber puts its lines.
#[derive(Debug)]
struct Lines(SyncSender<Message>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

/// Takes one line, in one piece: the subscriber formats it before it writes.
#[derive(Debug)]
struct Line<'a>(&'a SyncSender<Message>);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Message::Line(line.to_vec())).is_err() {
            DROPPED.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Somebody who reads only while the lock is free.
    #[derive(Clone, Default)]
    struct Reader(Arc<Mutex<Vec<u8>>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_the_rest_is_written_in_order() {
        let reader = Reader::default();
        let (sender, lines) = sync_channel(2);
        let held = reader.0.lock().unwrap();
        let (to, before) = (reader.clone(), dropped().get());
        let thread = std::thread::spawn(move || write(&lines, to));
        let log = Lines(sender.clone());
        for number in 0..10 {
            let line = format!("{number}\n");
            log.make_writer().write_all(line.as_bytes()).unwrap();
        }
        // Two wait, and the thread holds one at most.
        let dropped = dropped().get() - before;
        assert!((7..=8).contains(&dropped), "{dropped}");
        drop(held);
        drop(Logs(sender));
        drop(log);
        thread.join().unwrap();
        let text = String::from_utf8(reader.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("0\n1\n"), "{text}");
        assert_eq!(text.lines().count() as u64, 10 - dropped);
    }
}
