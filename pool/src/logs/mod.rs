//! The log goes to stderr, as lines for people, and with `[log] dir` also to files, as JSON
//! for programs. `[log] levels`, `--log`, `AXEPOOL_LOG` and `axepool log` set the levels.
//!
//! The reader of stderr may stop reading: a full disk under the journal, a terminal on
//! hold. A write to stderr then blocks for ever, and mining must not wait for it. So stderr
//! and the files each have a thread and a bounded queue of their own; lines that do not fit
//! are dropped and counted.
//!
//! Strangers can cause only a bounded number of lines: each call site has a budget of lines
//! at INFO and above, and lines beyond it are summed up in one line a minute (`limit.rs`).
//! Crates that log the actions of strangers, such as the mint's library, are quiet unless a
//! level names them (`levels.rs`).
//!
//! No level logs a username, a worker's name, a secret, or more of an address than its /24
//! or /48.

mod files;
mod levels;
mod limit;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use basics::mask;
use prometheus::{IntCounter, Opts};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use files::Files;
pub use levels::{LevelsError, check as check_levels, current as levels, set as set_levels};
use limit::Limit;
pub(crate) use limit::left_out;

/// The log's settings.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// What is logged, `info,proxy=debug`.
    pub levels: String,
    /// Where the files are, if there are any.
    pub dir: Option<PathBuf>,
    /// Bytes of a file at most.
    pub max_bytes: u64,
    /// Files at most.
    pub keep: u32,
}

/// Lines that wait to be written. Full, further ones are dropped: a log is no paid fact.
const WAITING_LINES: usize = 1_024;

/// How often it is told how many lines were left out.
const SUMMED_UP: Duration = Duration::from_secs(60);

/// How long the end waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The layer that writes to files; none while there are none.
type Pages = reload::Layer<FileLayer, Registry>;
type FileLayer = Option<Box<dyn Layer<Registry> + Send + Sync>>;

/// The process has one log, however many pools run in it.
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::with_opts(Opts::new(
        "axepool_log_lines_dropped_total",
        "Log lines that were dropped because nobody read stderr or the disk was too slow",
    ))
    .expect("the name is a metric's")
});

/// Counts the lines that were dropped.
pub(crate) fn dropped() -> IntCounter {
    DROPPED.clone()
}

/// Starts logging what `levels` say, such as `debug` or `info,proxy=trace`, to stderr. The
/// lines are written until what is returned is dropped.
///
/// # Errors
/// When the levels cannot be read, or the thread that writes cannot be started.
pub fn start(levels: &str) -> Result<Logs> {
    let filter = levels::parse(levels).with_context(|| format!("--log {levels:?}"))?;
    let (filter, control) = reload::Layer::new(filter);
    let limit = Limit::new();
    let (pages, files) = reload::Layer::new(FileLayer::None);
    let stderr = writer("log", io::stderr())?;
    let people = fmt::layer()
        .with_writer(Lines(stderr.clone()))
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(pages)
        .with(filter)
        .with(people)
        .with(limit.clone())
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging was started twice: {error}"))?;
    levels::begin(levels, control);
    Ok(Logs {
        writers: vec![stderr],
        files,
        summing: sum_up(limit.clone())?,
        limit,
    })
}

/// Starts a thread that tells from time to time how many lines were left out, until what
/// is returned is dropped.
fn sum_up(limit: Limit) -> Result<SyncSender<()>> {
    let (summing, end) = sync_channel(1);
    let run = move || {
        while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(SUMMED_UP) {
            limit.tell();
        }
    };
    std::thread::Builder::new()
        .name("log-sums".to_owned())
        .spawn(run)
        .context("the log's second thread cannot be started")?;
    Ok(summing)
}

/// Starts a thread that writes what it is sent.
fn writer(name: &str, to: impl Write + Send + 'static) -> Result<SyncSender<Message>> {
    let (sender, lines) = sync_channel(WAITING_LINES);
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || write(&lines, to))
        .context("the log's thread cannot be started")?;
    Ok(sender)
}

/// The running log. Dropped, it waits a moment until what was logged is written.
#[must_use = "what is logged last is written when it is dropped"]
pub struct Logs {
    writers: Vec<SyncSender<Message>>,
    files: reload::Handle<FileLayer, Registry>,
    limit: Limit,
    /// Held until the end.
    summing: SyncSender<()>,
}

impl Logs {
    /// From now on writes to files too, if the config wants it.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_files(&mut self, config: &LogConfig) -> Result<()> {
        let Some(dir) = &config.dir else {
            return Ok(());
        };
        let files = Files::open(dir, config.max_bytes, config.keep)
            .with_context(|| format!("log.dir {} cannot be written", dir.display()))?;
        let lines = writer("log-files", files)?;
        let programs = fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(Lines(lines.clone()));
        self.writers.push(lines);
        self.files
            .reload(Some(programs.boxed()))
            .context("the log's files")?;
        Ok(())
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.limit.tell();
        // Its thread may have panicked.
        let _ = self.summing.try_send(());
        let deadline = Instant::now() + LAST_LINES;
        for writer in &self.writers {
            let (written, done) = sync_channel(1);
            while let Err(TrySendError::Full(_)) = writer.try_send(Message::Tell(written.clone())) {
                if Instant::now() > deadline {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            // In vain when nobody reads: the end does not wait for that.
            let _ = done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
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
        match message {
            Message::Line(line) => {
                if to.write_all(&line).is_err() {
                    DROPPED.inc();
                }
            }
            // Whoever asked may have gone.
            Message::Tell(written) => drop(written.try_send(())),
        }
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

/// A line without the secrets of URLs: errors of libraries print them.
fn masked(line: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(line) {
        Ok(text) => mask::text(text).into_owned().into_bytes(),
        Err(_) => line.to_vec(),
    }
}

/// Takes one line, in one piece: the subscriber formats it before it writes.
#[derive(Debug)]
struct Line<'a>(&'a SyncSender<Message>);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Message::Line(masked(line))).is_err() {
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
    fn no_line_has_a_secret_of_a_url() {
        let (sender, lines) = sync_channel(1);
        let line = b"{\"why\":\"error for url (http://me:s3cret@host/)\",\"target\":\"ldk\"}\n";
        Lines(sender).make_writer().write_all(line).unwrap();
        let Ok(Message::Line(written)) = lines.recv() else {
            panic!("a line");
        };
        let text = String::from_utf8(written).unwrap();
        let shown = "{\"why\":\"error for url (http://***@host/)\",\"target\":\"ldk\"}\n";
        assert_eq!(text, shown);
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
        drop((log, sender));
        thread.join().unwrap();
        let text = String::from_utf8(reader.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("0\n1\n"), "{text}");
        assert_eq!(text.lines().count() as u64, 10 - dropped);
    }
}
