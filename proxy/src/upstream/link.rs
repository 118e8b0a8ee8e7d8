//! One connection to the pool: its socket and its [`Client`].

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::client::{Client, Event, Options};
use super::connect::Stream;
use super::failure::Failure;
use super::redirect::Redirects;
use super::shared::Forward;
use crate::Difficulty;
use crate::clock::monotonic_ms;
use crate::wire::LineDecoder;
use crate::wire::upstream::{MAX_LINE_BYTES, UpstreamWireError};

/// Read at once from the socket.
const READ_BYTES: usize = 16 * 1024;

/// So many bytes may wait to be written: as many shares as may wait for answers.
const MAX_UNWRITTEN_BYTES: usize = 512 * 1024;

/// When nothing could be written for so long, the connection is dead.
const WRITE_TIMEOUT_MS: u64 = 15_000;

/// So many events are kept until the first job; of more, what is only for the log is
/// dropped. A pool that talks rubbish for the whole handshake must not fill the memory.
const MAX_EVENTS: usize = 256;

/// A share that was sent, kept for its answer.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) forward: Forward,
    pub(super) sent_ms: u64,
}

/// A connection. [`Self::step`] is safe to drop at any await, so that its owner can
/// wait for other things at the same time.
pub(super) struct Link {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    buffer: Box<[u8]>,
    decoder: LineDecoder,
    client: Client<Sent>,
    redirects: Redirects,
    /// Written, but perhaps still in TLS's own buffer.
    unflushed: bool,
    /// Since when bytes wait without any being written.
    unwritten_since_ms: Option<u64>,
    /// Happened, and not taken yet.
    events: Vec<Event<Sent>>,
    /// When the first job came.
    established_ms: Option<u64>,
}

impl Link {
    /// Greets the pool, as soon as [`Self::step`] is called.
    pub(super) fn new(stream: Box<dyn Stream>, options: Options, redirects: Redirects) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Link {
            reader,
            writer,
            buffer: vec![0; READ_BYTES].into(),
            decoder: LineDecoder::new(MAX_LINE_BYTES),
            client: Client::new(options, monotonic_ms()),
            redirects,
            unflushed: false,
            unwritten_since_ms: None,
            events: Vec::new(),
            established_ms: None,
        }
    }

    /// Goes on until the first job has come; it and what came before it are kept for
    /// [`Self::take_events`].
    pub(super) async fn until_first_job(&mut self) -> Result<(), Failure> {
        while self.established_ms.is_none() {
            self.step().await?;
        }
        Ok(())
    }

    pub(super) fn take_events(&mut self) -> Vec<Event<Sent>> {
        std::mem::take(&mut self.events)
    }

    /// How long it has had work.
    pub(super) fn lived(&self) -> Duration {
        self.established_ms.map_or(Duration::ZERO, |at_ms| {
            Duration::from_millis(monotonic_ms().saturating_sub(at_ms))
        })
    }

    pub(super) fn is_answered(&self) -> bool {
        self.client.is_answered()
    }

    /// What was wrong with the last job that came, if no good one came since.
    pub(super) fn dropped_job(&self) -> Option<UpstreamWireError> {
        self.client.dropped_job()
    }

    /// What the pool asks of shares of jobs from now on.
    pub(super) fn difficulty(&self) -> Option<Difficulty> {
        self.client.difficulty()
    }

    /// Whether it sent `mining.extranonce.subscribe`, or would have.
    pub(super) fn asks_for_extranonces(&self) -> bool {
        self.client.options().extranonce_subscribe
    }

    /// See [`Client::hangs_up_after_authorize`].
    pub(super) fn hangs_up_after_authorize(&self) -> Option<bool> {
        self.client.hangs_up_after_authorize(monotonic_ms())
    }

    pub(super) fn can_submit(&self) -> bool {
        self.client.can_submit()
    }

    pub(super) fn has_unanswered(&self) -> bool {
        self.client.unanswered() > 0
    }

    pub(super) fn take_unanswered(&mut self) -> impl Iterator<Item = Sent> + use<> {
        self.client.take_unanswered()
    }

    /// Puts a share on the way: the next [`Self::step`] writes it before all else.
    pub(super) fn submit(&mut self, forward: Forward) {
        let now_ms = monotonic_ms();
        let submit = forward.submit.clone();
        self.client.submit(
            &submit,
            Sent {
                forward,
                sent_ms: now_ms,
            },
            now_ms,
        );
    }

    /// Writes what is to be written, reads what has come, or lets time pass: whichever
    /// is possible first.
    pub(super) async fn step(&mut self) -> Result<(), Failure> {
        let now_ms = monotonic_ms();
        let unwritten = self.unflushed || !self.client.out().is_empty();
        let since_ms = unwritten.then(|| *self.unwritten_since_ms.get_or_insert(now_ms));
        let write_due_ms = since_ms.map(|since_ms| since_ms.saturating_add(WRITE_TIMEOUT_MS));
        let due_ms = self
            .client
            .next_tick_ms()
            .min(write_due_ms.unwrap_or(u64::MAX));
        let wait = Duration::from_millis(due_ms.saturating_sub(now_ms));
        tokio::select! {
            biased;
            written = write_or_flush(&mut self.writer, self.client.out()), if unwritten => {
                self.wrote(written.map_err(Failure::Io)?)?;
            }
            read = self.reader.read(&mut self.buffer) => {
                let bytes = read.map_err(Failure::Io)?;
                self.read(bytes)?;
            }
            () = tokio::time::sleep(wait) => {
                let now_ms = monotonic_ms();
                if write_due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
                    return Err(Failure::WriteStuck);
                }
                self.client.tick(now_ms);
            }
        }
        self.collect()
    }

    fn wrote(&mut self, written: Written) -> Result<(), Failure> {
        match written {
            Written::Bytes(0) => {
                return Err(Failure::Closed {
                    answered: self.is_answered(),
                });
            }
            Written::Bytes(bytes) => {
                self.client.out().drain(..bytes);
                self.unflushed = true;
            }
            Written::Flushed => self.unflushed = false,
        }
        self.unwritten_since_ms = None;
        Ok(())
    }

    fn read(&mut self, bytes: usize) -> Result<(), Failure> {
        if bytes == 0 {
            return Err(Failure::Closed {
                answered: self.is_answered(),
            });
        }
        let now_ms = monotonic_ms();
        let mut segment = self.buffer.get(..bytes).unwrap_or_default();
        loop {
            match self.decoder.next_line(&mut segment) {
                Ok(Some(line)) => self.client.receive(line, now_ms),
                Ok(None) => return Ok(()),
                Err(error) => return Err(Failure::LineTooLong(error.limit)),
            }
        }
    }

    /// Takes the client's events, and turns those that end the connection into failures.
    fn collect(&mut self) -> Result<(), Failure> {
        if self.client.out().len() > MAX_UNWRITTEN_BYTES {
            return Err(Failure::WriteStuck);
        }
        let mut end = None;
        for event in self.client.take_events() {
            if let Some(failure) = self.failure(&event) {
                end.get_or_insert(failure);
                continue;
            }
            if matches!(event, Event::Job(_)) {
                self.established_ms.get_or_insert_with(monotonic_ms);
            }
            if matches!(event, Event::MaskChanged(_)) {
                // The last one counts; a pool may say it a million times before its first job.
                self.events
                    .retain(|event| !matches!(event, Event::MaskChanged(_)));
            }
            let only_for_the_log = matches!(event, Event::Ignored(_) | Event::Message(_));
            if self.events.len() < MAX_EVENTS || !only_for_the_log {
                self.events.push(event);
            }
        }
        end.map_or(Ok(()), Err)
    }

    fn failure(&self, event: &Event<Sent>) -> Option<Failure> {
        let options = self.client.options();
        Some(match event {
            Event::Unauthorized(reason) => Failure::Unauthorized {
                username: options.username.clone(),
                reason: reason.clone(),
            },
            Event::SubscribeRefused(reason) => Failure::SubscribeRefused(reason.clone()),
            Event::BadExtranonce {
                extranonce1_size,
                extranonce2_size,
            } => Failure::BadExtranonce {
                extranonce1: *extranonce1_size,
                extranonce2: *extranonce2_size,
            },
            Event::NoFirstJob => Failure::FirstJobTimeout {
                after: Duration::from_millis(options.first_job_timeout_ms),
                dropped: self.dropped_job(),
            },
            Event::Reconnect { host, port, wait } => {
                match self.redirects.follow(host.clone(), *port, *wait) {
                    Ok(failure) => failure,
                    Err(host) => {
                        tracing::warn!(
                            ?host,
                            "the upstream asks to connect to another host: not followed, see upstream.allow_reconnect_elsewhere"
                        );
                        return None;
                    }
                }
            }
            Event::Stalled => Failure::Stalled {
                after: Duration::from_millis(options.no_job_timeout_ms),
                dropped: self.dropped_job(),
            },
            Event::Job(_)
            | Event::MaskChanged(_)
            | Event::Answered { .. }
            | Event::Unanswered(_)
            | Event::Message(_)
            | Event::Ignored(_) => return None,
        })
    }
}

/// What a write came to.
enum Written {
    /// So many bytes were taken.
    Bytes(usize),
    /// There was nothing to write, and all that was written is on its way.
    Flushed,
}

async fn write_or_flush(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    bytes: &[u8],
) -> io::Result<Written> {
    if bytes.is_empty() {
        return writer.flush().await.map(|()| Written::Flushed);
    }
    writer.write(bytes).await.map(Written::Bytes)
}
