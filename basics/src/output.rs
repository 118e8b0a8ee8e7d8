//! What the commands say: results to stdout, remarks to stderr. The only place that
//! writes there; everything else returns text.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;

/// Writes `text` and a line's end to stdout.
///
/// # Errors
/// When nobody reads any more (`axepool miners | head`), among others: see
/// [`exit`].
pub fn line(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes `value` to stdout as JSON that people can read too.
///
/// # Errors
/// Like [`line`].
pub fn json(value: &impl serde::Serialize) -> io::Result<()> {
    line(serde_json::to_string_pretty(value).map_err(io::Error::other)?)
}

/// Writes a remark to stderr. With a stderr that is closed there is nobody to tell.
pub fn remark(text: impl AsRef<str>) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{}", text.as_ref());
}

/// True when stdout is a person's screen, which can be redrawn.
pub fn is_screen() -> bool {
    io::stdout().is_terminal()
}

/// Clears the screen and writes `text` from its upper left corner.
///
/// # Errors
/// Like [`line`].
pub fn redraw(text: impl AsRef<str>) -> io::Result<()> {
    // Home and clear below, line by line, instead of clear all: it does not flicker.
    let mut frame = String::from("\x1b[H");
    for row in text.as_ref().lines() {
        frame.push_str(row);
        frame.push_str("\x1b[K\n");
    }
    frame.push_str("\x1b[J");
    let mut out = io::stdout().lock();
    out.write_all(frame.as_bytes())?;
    out.flush()
}

/// How a program ends: with the code of its command, or after its error is told. A reader
/// of stdout who has gone is no error.
pub fn exit(done: Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            remark(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// True when an error only says that the reader of our output has gone.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
