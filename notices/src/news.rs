//! What a miner is told, as data and in words.

use std::time::Duration;

use accounting::{Sat, WorkerName};
use basics::humane;
use serde::{Deserialize, Serialize};

/// Something that changed. In JSON it has a `kind`; amounts are satoshis, times are
/// milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum News {
    /// Workers that sent no share for some time.
    Silent {
        /// Which, and when their last share came.
        workers: Vec<Quiet>,
        /// How many more there are.
        #[serde(default, skip_serializing_if = "is_zero")]
        more: usize,
    },
    /// Workers that were told to be silent and send shares again.
    Back {
        /// Which.
        workers: Vec<WorkerName>,
        /// How many more there are.
        #[serde(default, skip_serializing_if = "is_zero")]
        more: usize,
    },
    /// Workers of whose shares many are rejected.
    Rejects {
        /// Which, and how many.
        workers: Vec<Rejecting>,
        /// How many more there are.
        #[serde(default, skip_serializing_if = "is_zero")]
        more: usize,
    },
    /// Paid quotes wait to be fetched.
    Ready {
        /// How much there is now, in all.
        sat: Sat,
    },
    /// From now on notices are sent somewhere.
    Begun,
    /// Notices could not be sent for too long, and are sent no more.
    Dropped,
    /// Other keys with more work took the place, and notices are sent no more.
    Displaced,
}

/// A worker without shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quiet {
    /// Its name.
    pub(crate) name: WorkerName,
    /// Its last share's time.
    pub(crate) last_ms: u64,
}

/// A worker with rejected shares, of the last hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rejecting {
    /// Its name.
    pub(crate) name: WorkerName,
    /// So many were rejected ...
    pub(crate) rejected: u64,
    /// ... of so many.
    pub(crate) of: u64,
}

/// What is told at most once an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Topic {
    /// [`News::Silent`]
    Silent,
    /// [`News::Back`]
    Back,
    /// [`News::Rejects`]
    Rejects,
    /// [`News::Ready`]
    Ready,
}

/// So many workers are named in a sentence.
const NAMED: usize = 5;

/// So many workers are listed in the data. Names are the miner's to choose, and a record
/// keeps twenty such lists, so they must not fill the memory.
const LISTED: usize = 8;

fn is_zero(more: &usize) -> bool {
    *more == 0
}

impl News {
    /// The same with lists of bounded length, as it is kept.
    pub(crate) fn bounded(mut self) -> News {
        match &mut self {
            News::Silent { workers, more } => shorten(workers, more),
            News::Back { workers, more } => shorten(workers, more),
            News::Rejects { workers, more } => shorten(workers, more),
            News::Ready { .. } | News::Begun | News::Dropped | News::Displaced => {}
        }
        self
    }

    /// One line, for a lock screen.
    pub(crate) fn headline(&self) -> String {
        match self {
            News::Silent { workers, more } => match workers.as_slice() {
                [one] => format!("{} is silent", one.name),
                many => format!("{} workers are silent", many.len() + more),
            },
            News::Back { workers, more } => match workers.as_slice() {
                [one] => format!("{one} is back"),
                many => format!("{} workers are back", many.len() + more),
            },
            News::Rejects { workers, more } => match workers.as_slice() {
                [one] => format!("{}: many shares rejected", one.name),
                many => format!("{} workers: many shares rejected", many.len() + more),
            },
            News::Ready { sat } => format!("{} sat ready", humane::count(sat.get())),
            News::Begun => "Notices are on".to_owned(),
            News::Dropped | News::Displaced => "Notices are off".to_owned(),
        }
    }

    /// The whole of it, told at `time_ms`.
    pub(crate) fn text(&self, time_ms: u64) -> String {
        match self {
            News::Silent { workers, more } => format!(
                "No share from {}. Is it powered, and does it reach the pool?",
                listed(workers, *more, |one| format!(
                    "{} for {}",
                    one.name,
                    humane::duration(Duration::from_millis(time_ms.saturating_sub(one.last_ms)))
                ))
            ),
            News::Back { workers, more } => format!(
                "Shares come again from {}.",
                listed(workers, *more, ToString::to_string)
            ),
            News::Rejects { workers, more } => format!(
                "Rejected within the last hour: {}. A few are normal; so many mean a slow \
                 connection or a chip that is pushed too far.",
                listed(workers, *more, |one| format!(
                    "{} of {} shares of {}",
                    humane::count(one.rejected),
                    humane::count(one.of),
                    one.name
                ))
            ),
            News::Ready { sat } => format!(
                "{} sat wait for you: fetch them on your page, or with axepool-wallet sweep.",
                humane::count(sat.get())
            ),
            News::Begun => "What happens to your miners and your sats is told here from now on. \
                            To end it: axepool-wallet notices off."
                .to_owned(),
            News::Dropped => "They could not be delivered for too long. To have them again: \
                              axepool-wallet notices set. This feed goes on."
                .to_owned(),
            News::Displaced => "The pool sends notices for as many keys as it can, and other keys \
                                have more work here. This feed goes on."
                .to_owned(),
        }
    }
}

fn shorten<T>(list: &mut Vec<T>, more: &mut usize) {
    *more += list.len().saturating_sub(LISTED);
    list.truncate(LISTED);
}

fn listed<T>(all: &[T], more: usize, show: impl Fn(&T) -> String) -> String {
    let named: Vec<String> = all.iter().take(NAMED).map(show).collect();
    match (all.len() + more).checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{} and {more} more", named.join(", ")),
        _ => named.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(news: &News, headline: &str, in_text: &str) {
        assert_eq!(news.headline(), headline);
        let text = news.text(3_600_000);
        assert!(text.contains(in_text), "{text}");
        let json = serde_json::to_string(news).expect("JSON");
        assert_eq!(&serde_json::from_str::<News>(&json).expect("reads"), news);
    }

    #[test]
    fn it_is_told_in_a_line_and_in_a_sentence() {
        let quiet = |name: &str| Quiet {
            name: WorkerName::clean(name),
            last_ms: 2_400_000,
        };
        let silent = |names: &[&str]| News::Silent {
            workers: names.iter().map(|name| quiet(name)).collect(),
            more: 0,
        };
        case(
            &silent(&["axe"]),
            "axe is silent",
            "from axe for 20 min 0 s.",
        );
        case(
            &silent(&["a", "b", "c", "d", "e", "f", "g"]),
            "7 workers are silent",
            "e for 20 min 0 s and 2 more.",
        );
        let names: Vec<String> = (0..65).map(|number| format!("axe{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let many = silent(&names);
        let kept = many.clone().bounded();
        assert_ne!(many, kept);
        for news in [many, kept] {
            case(
                &news,
                "65 workers are silent",
                "axe4 for 20 min 0 s and 60 more.",
            );
        }
        let back = News::Back {
            workers: vec![WorkerName::clean("a"), WorkerName::clean("b")],
            more: 0,
        };
        case(&back, "2 workers are back", "from a, b.");
        let rejects = News::Rejects {
            workers: vec![Rejecting {
                name: WorkerName::clean("a"),
                rejected: 30,
                of: 1_200,
            }],
            more: 0,
        };
        case(
            &rejects,
            "a: many shares rejected",
            "30 of 1,200 shares of a.",
        );
        let ready = News::Ready {
            sat: Sat::new(12_345),
        };
        case(&ready, "12,345 sat ready", "12,345 sat wait");
        case(&News::Begun, "Notices are on", "axepool-wallet notices off");
        case(
            &News::Dropped,
            "Notices are off",
            "axepool-wallet notices set",
        );
        case(&News::Displaced, "Notices are off", "more work here");
    }
}
