//! What is logged: a level, or levels per room. Changed while the process runs, it holds
//! until the process ends.

use std::sync::OnceLock;

use thiserror::Error;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::Pages;

/// The levels there are, the quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter of the process's one log.
pub(super) static CURRENT: OnceLock<reload::Handle<EnvFilter, Below>> = OnceLock::new();

/// What is below the filter: the registry and the layer of the files.
pub(super) type Below = tracing_subscriber::layer::Layered<Pages, Registry>;

/// Why levels are not taken.
#[derive(Debug, Error)]
pub(crate) enum LevelsError {
    /// A part of them is none.
    #[error(
        "{0:?} is no level: give error, warn, info, debug or trace, with rooms of their own such \
         as info,proxy=debug"
    )]
    Unknown(String),
    /// Nothing is logged here.
    #[error("the log is not running")]
    NoLog,
}

/// Reads levels, `info` or `info,proxy=debug,mint::worker=trace`.
///
/// Stricter than the filter is by itself: to that a mistyped level is the name of a
/// room, of which everything would be told.
pub(super) fn parse(levels: &str) -> Result<EnvFilter, LevelsError> {
    let is_room = |room: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
        !room.is_empty() && room.chars().all(fits)
    };
    for part in levels.split(',').filter(|part| !part.is_empty()) {
        let (room, level) = part.split_once('=').unwrap_or(("all", part));
        if !is_room(room) || !LEVELS.contains(&level) {
            return Err(LevelsError::Unknown(part.to_owned()));
        }
    }
    EnvFilter::try_new(levels).map_err(|_| LevelsError::Unknown(levels.to_owned()))
}

/// An error unless `levels` can be logged.
pub(crate) fn check(levels: &str) -> Result<(), LevelsError> {
    parse(levels).map(drop)
}

/// From now on logs what `levels` say.
pub(crate) fn set(levels: &str) -> Result<(), LevelsError> {
    let filter = parse(levels)?;
    let current = CURRENT.get().ok_or(LevelsError::NoLog)?;
    current.reload(filter).map_err(|_| LevelsError::NoLog)?;
    Ok(())
}

/// What is logged now.
pub(crate) fn current() -> Result<String, LevelsError> {
    let current = CURRENT.get().ok_or(LevelsError::NoLog)?;
    let levels = current.with_current(ToString::to_string);
    levels.map_err(|_| LevelsError::NoLog)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_strictly() {
        #[track_caller]
        fn case(levels: &str, is_good: bool) {
            assert_eq!(parse(levels).is_ok(), is_good, "{levels}");
        }
        for good in [
            "info",
            "off",
            "info,proxy=debug",
            "warn,mint::worker=trace,ldk=off",
        ] {
            case(good, true);
        }
        for bad in [
            "verbose",
            "INFO!",
            "info,proxy=loud",
            "=info",
            "info,pro xy=debug",
            "proxy=",
            "[span]=info",
        ] {
            case(bad, false);
        }
    }
}
