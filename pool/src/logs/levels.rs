//! The log levels: one, or one per room. A change at run time lasts until the process
//! ends.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use thiserror::Error;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::Pages;

/// The levels there are, the quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Crates that say at ERROR or WARN what any stranger can make them say, or what is their
/// ordinary work: they are as quiet as this unless they, or what their name begins with,
/// are named. What strangers do is counted: see the metrics of the HTTP routes.
const QUIET: [(&str, &str); 9] = [
    // Each frame that cannot be read, each pong, each refused request is an ERROR.
    ("cdk_axum", "off"),
    // WARNs for each transaction that does not balance, and at each migration.
    ("cdk", "error"),
    ("cdk_common", "error"),
    ("cdk_signatory", "error"),
    ("cdk_sqlite", "error"),
    // A query of 20 ms is a WARN.
    ("cdk_sql_common", "error"),
    // Each refused quote is an ERROR. What becomes of money is said below.
    ("cdk::mint::melt", "off"),
    ("cdk::mint::melt::", "error"),
    ("cdk::mint::issue", "off"),
];

/// Rooms that whoever names `axepool` means, too, unless they are named themselves: what
/// they say was said by the binary's own modules.
const PARTS: [&str; 6] = ["basics", "listener", "notices", "pool", "signed", "web"];

/// The filter of the process's one log.
static CURRENT: OnceLock<reload::Handle<EnvFilter, Below>> = OnceLock::new();

/// What is below the filter: the registry and the layer of the files.
pub(super) type Below = tracing_subscriber::layer::Layered<Pages, Registry>;

/// Why levels are not taken.
#[derive(Debug, Error)]
pub enum LevelsError {
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

/// The levels as they were asked for last.
static ASKED: Mutex<String> = Mutex::new(String::new());

/// Reads levels, `info` or `info,proxy=debug,mint::worker=trace`.
///
/// Stricter than the filter is by itself: to that a mistyped level is the name of a
/// room, of which everything would be told.
pub(super) fn parse(levels: &str) -> Result<EnvFilter, LevelsError> {
    let is_room = |room: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
        !room.is_empty() && room.chars().all(fits)
    };
    let (mut named, mut general, mut own) = (Vec::new(), "off", None);
    for part in levels.split(',').filter(|part| !part.is_empty()) {
        let (room, level) = part.split_once('=').unwrap_or(("all", part));
        if !is_room(room) || !LEVELS.contains(&level) {
            return Err(LevelsError::Unknown(part.to_owned()));
        }
        if part == level {
            general = level;
        } else {
            named.push(room);
            own = (room == "axepool").then_some(level).or(own);
        }
    }
    let mut whole = levels.to_owned();
    for room in PARTS.iter().filter(|room| !named.contains(*room)) {
        if let Some(level) = own {
            whole.push_str(&format!(",{room}={level}"));
        }
    }
    // Where nothing is told in general, to be quiet would be louder than that.
    let quiet = QUIET.iter().filter(|_| general != "off");
    for (room, level) in quiet {
        if !named.iter().any(|named| room.starts_with(named)) {
            whole.push_str(&format!(",{room}={level}"));
        }
    }
    EnvFilter::try_new(&whole).map_err(|_| LevelsError::Unknown(levels.to_owned()))
}

/// An error unless `levels` can be logged.
pub fn check(levels: &str) -> Result<(), LevelsError> {
    parse(levels).map(drop)
}

/// The log begins, with `levels`.
pub(super) fn begin(levels: &str, control: reload::Handle<EnvFilter, Below>) {
    // Only the first one comes as far as here.
    let _ = CURRENT.set(control);
    levels.clone_into(&mut asked());
}

/// From now on logs what `levels` say.
pub fn set(levels: &str) -> Result<(), LevelsError> {
    let filter = parse(levels)?;
    let current = CURRENT.get().ok_or(LevelsError::NoLog)?;
    let mut asked = asked();
    current.reload(filter).map_err(|_| LevelsError::NoLog)?;
    levels.clone_into(&mut asked);
    Ok(())
}

/// What is logged now, as it was asked for.
pub fn current() -> Result<String, LevelsError> {
    CURRENT.get().ok_or(LevelsError::NoLog)?;
    Ok(asked().clone())
}

fn asked() -> MutexGuard<'static, String> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn what_strangers_cause_is_quiet_unless_it_is_named() {
        #[track_caller]
        fn case(levels: &str, told: &[&str], quiet: &[&str]) {
            let filter = format!(",{},", parse(levels).unwrap());
            for (parts, is_there) in [(told, true), (quiet, false)] {
                for part in parts {
                    let found = filter.contains(&format!(",{part},"));
                    assert_eq!(found, is_there, "{part} in {filter} of {levels}");
                }
            }
        }
        case("info", &["info", "cdk_axum=off", "cdk=error"], &[]);
        case("debug", &["cdk_axum=off", "cdk_sql_common=error"], &[]);
        case(
            "info,cdk=debug",
            &["cdk=debug"],
            &["cdk_axum=off", "cdk=error"],
        );
        let quiet = ["cdk_axum=off", "cdk::mint::issue=off"];
        case(
            "info,cdk_axum=warn",
            &["cdk_axum=warn", "cdk=error"],
            &quiet[..1],
        );
        case("info,cdk::mint=warn", &["cdk_axum=off"], &quiet[1..]);
        // To be quiet is never louder than the rest.
        case("off", &["off"], &["cdk=error"]);
        case("proxy=debug", &["proxy=debug"], &["cdk=error"]);
        // Who names the binary means the rooms that are parts of it.
        case("info,axepool=debug", &["notices=debug"], &[]);
        case(
            "info,axepool=debug,notices=warn",
            &["notices=warn", "listener=debug"],
            &["notices=debug"],
        );
    }

    #[test]
    fn the_most_exact_name_of_a_place_counts() {
        use tracing_subscriber::layer::SubscriberExt as _;

        let log = tracing_subscriber::registry().with(parse("info").unwrap());
        tracing::subscriber::with_default(log, || {
            let said = [
                (
                    tracing::enabled!(target: "cdk_axum::ws", tracing::Level::ERROR),
                    false,
                ),
                (
                    tracing::enabled!(target: "cdk::mint::melt", tracing::Level::ERROR),
                    false,
                ),
                (
                    tracing::enabled!(target: "cdk::mint::issue", tracing::Level::ERROR),
                    false,
                ),
                (
                    tracing::enabled!(target: "cdk::mint::melt::melt_saga", tracing::Level::ERROR),
                    true,
                ),
                (
                    tracing::enabled!(target: "cdk::mint::melt::shared", tracing::Level::WARN),
                    false,
                ),
                (
                    tracing::enabled!(target: "cdk::mint::swap", tracing::Level::ERROR),
                    true,
                ),
                (
                    tracing::enabled!(target: "cdk_sql_common::common", tracing::Level::WARN),
                    false,
                ),
                (
                    tracing::enabled!(target: "mint::melts", tracing::Level::INFO),
                    true,
                ),
            ];
            for (number, (is_told, expected)) in said.into_iter().enumerate() {
                assert_eq!(is_told, expected, "number {number}");
            }
        });
    }
}
