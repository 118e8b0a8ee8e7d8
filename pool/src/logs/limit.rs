//! A rate limit for each place in the code that logs, so that no stranger can fill the
//! log with what one of them says again and again.
//!
//! The first lines of every call site are always written; lines beyond its budget are
//! counted, and summed up in one line a minute (of the lightning node: in ten minutes). DEBUG and TRACE have no limit: a person
//! who enables them wants all lines.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use basics::clock;
use prometheus::{IntCounter, Opts};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of one place after a pause. Fifty such places at once still fit into the queue
/// of lines that wait to be written.
const BURST: u32 = 20;

/// One more line of one place after that, in milliseconds.
const REFILL_MS: u64 = 3_000;

/// The same for the lightning node, which says some things every thirty seconds for as long
/// as their cause lasts, such as a claim that it broadcasts again.
const NODES_REFILL_MS: u64 = 600_000;

/// Places that are told apart at most, with those of code that logs for others.
const MAX_PLACES: usize = 4_096;

/// The target of the lightning node's lines.
const NODE: &str = "ldk";

/// What says how many lines were left out has no limit of its own: there are as many
/// such lines as places.
const SUMMARY: &str = "pool::logs::left_out";

/// The process has one log, however many pools run in it.
static LEFT_OUT: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::with_opts(Opts::new(
        "axepool_log_lines_left_out_total",
        "Lines that the log's rate limit per call site left out and counted",
    ))
    .expect("the name is a metric's")
});

/// Counts the lines that were left out.
pub(crate) fn left_out() -> IntCounter {
    LEFT_OUT.clone()
}

/// What one place may still say. Pure: times are handed in.
#[derive(Debug)]
struct Budget {
    lines: u32,
    refill_ms: u64,
    counted_ms: u64,
    left_out: u64,
    /// When it was told last how many were left out.
    told_ms: u64,
}

impl Budget {
    fn new(now_ms: u64, refill_ms: u64) -> Budget {
        Budget {
            lines: BURST,
            refill_ms,
            counted_ms: now_ms,
            left_out: 0,
            told_ms: 0,
        }
    }

    /// How many lines were left out, unless there are none or it was told a moment ago.
    fn sum_up(&mut self, now_ms: u64) -> Option<u64> {
        let is_early = self.told_ms > 0 && now_ms.saturating_sub(self.told_ms) < self.refill_ms;
        if self.left_out == 0 || is_early {
            return None;
        }
        self.told_ms = now_ms;
        Some(std::mem::take(&mut self.left_out))
    }

    /// Takes a line; false when it is left out.
    fn take(&mut self, now_ms: u64) -> bool {
        let more = now_ms.saturating_sub(self.counted_ms) / self.refill_ms;
        self.counted_ms += more * self.refill_ms;
        let lines = u64::from(self.lines).saturating_add(more);
        self.lines = u32::try_from(lines).map_or(BURST, |lines| lines.min(BURST));
        let is_written = self.lines > 0;
        if is_written {
            self.lines -= 1;
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
        is_written
    }
}

/// A place that logs: one in the code, or one of the code for which that one speaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    site: Identifier,
    /// A hash of whose line it is; 0 for the place's own.
    whose: u64,
}

#[derive(Debug)]
struct Counted {
    budget: Budget,
    metadata: &'static Metadata<'static>,
    /// The module and the line that speak.
    name: Box<str>,
}

/// What was left out of one place.
#[derive(Debug, PartialEq, Eq)]
struct Sum {
    level: Level,
    name: Box<str>,
    lines: u64,
}

/// The layer that leaves lines out. Clones are the same limit.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    places: Arc<Mutex<HashMap<Place, Counted>>>,
    begun: Instant,
}

impl Limit {
    pub(super) fn new() -> Limit {
        Limit {
            places: Arc::default(),
            begun: Instant::now(),
        }
    }

    /// Tells in a line for each place how many of its lines were left out since this was
    /// done last.
    pub(super) fn tell(&self) {
        // Nothing is held while it is told: the lines come through here.
        for Sum { level, name, lines } in self.sums() {
            let place = &*name;
            match level {
                Level::ERROR => tracing::error!(target: SUMMARY, place, lines, "lines left out"),
                Level::WARN => tracing::warn!(target: SUMMARY, place, lines, "lines left out"),
                _ => tracing::info!(target: SUMMARY, place, lines, "lines left out"),
            }
        }
    }

    fn sums(&self) -> Vec<Sum> {
        let now_ms = clock::as_ms(self.begun.elapsed());
        let mut places = self.lock();
        let sums = places.values_mut().filter_map(|place| {
            Some(Sum {
                lines: place.budget.sum_up(now_ms)?,
                level: *place.metadata.level(),
                name: place.name.clone(),
            })
        });
        sums.collect()
    }

    fn take(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        let whose = Whose::of(event);
        let now_ms = clock::as_ms(self.begun.elapsed());
        let mut places = self.lock();
        let mut place = Place {
            site: metadata.callsite(),
            whose: whose.hash,
        };
        if places.len() >= MAX_PLACES && !places.contains_key(&place) {
            // Whoever speaks for others then has one budget for all of them.
            place.whose = 0;
        }
        let refill_ms = match metadata.target() {
            NODE => NODES_REFILL_MS,
            _ => REFILL_MS,
        };
        let counted = places.entry(place).or_insert_with(|| Counted {
            budget: Budget::new(now_ms, refill_ms),
            metadata,
            name: whose.name(metadata),
        });
        counted.budget.take(now_ms)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Counted>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || metadata.target() == SUMMARY || self.take(event) {
            return true;
        }
        LEFT_OUT.inc();
        false
    }
}

/// Two places of ours speak for others: that of crates that log through `log`, and that
/// of the lightning node. Whose line it is stands in the fields.
#[derive(Debug, Default)]
struct Whose {
    module: String,
    line: Option<u64>,
    hash: u64,
}

impl Whose {
    fn of(event: &Event<'_>) -> Whose {
        let mut whose = Whose::default();
        if matches!(event.metadata().target(), "log" | NODE) {
            event.record(&mut whose);
            let mut hasher = DefaultHasher::new();
            (&whose.module, whose.line).hash(&mut hasher);
            whose.hash = hasher.finish();
        }
        whose
    }

    /// A name for people. Never the file's path, which is one of the machine where the
    /// program was built.
    fn name(&self, metadata: &Metadata<'_>) -> Box<str> {
        let (module, line) = match self.hash {
            0 => (metadata.target(), metadata.line().map(u64::from)),
            _ => (self.module.as_str(), self.line),
        };
        match line {
            Some(line) => format!("{module}:{line}").into(),
            None => module.into(),
        }
    }
}

impl Visit for Whose {
    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "log.target" | "from") {
            // It may be made while the program runs.
            self.module = value.chars().take(80).collect();
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if matches!(field.name(), "log.line" | "line") {
            self.line = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Keeps the messages that come as far as here.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    struct Message<'a>(&'a mut String);

    impl Visit for Message<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                *self.0 = format!("{value:?}");
            }
        }
    }

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut text = String::new();
            event.record(&mut Message(&mut text));
            self.0.lock().unwrap().push(text);
        }
    }

    impl Kept {
        fn count(&self, text: &str) -> usize {
            let kept = self.0.lock().unwrap();
            kept.iter().filter(|one| *one == text).count()
        }
    }

    fn logged(limit: &Limit, work: impl FnOnce()) -> Kept {
        let kept = Kept::default();
        let log = tracing_subscriber::registry()
            .with(kept.clone())
            .with(limit.clone());
        tracing::subscriber::with_default(log, work);
        kept
    }

    #[test]
    fn a_flood_is_summed_up_and_hides_no_other_line() {
        let limit = Limit::new();
        let kept = logged(&limit, || {
            for number in 0..57_926 {
                tracing::error!("Unexpected pong");
                if number == 40_000 {
                    tracing::error!("the disk is full");
                }
            }
            limit.tell();
        });
        let written = kept.count("Unexpected pong");
        // A slow machine may have taken some refills.
        assert!((20..=40).contains(&written), "{written}");
        assert_eq!(kept.count("the disk is full"), 1);
        assert_eq!(kept.count("lines left out"), 1);
        assert_eq!(limit.sums(), [], "told once");
    }

    #[test]
    fn each_place_has_its_own_budget_and_debug_has_none() {
        let limit = Limit::new();
        let kept = logged(&limit, || {
            for _ in 0..500 {
                tracing::warn!("one");
                tracing::info!("two");
                tracing::debug!("all");
                tracing::trace!("all");
            }
        });
        for text in ["one", "two"] {
            let written = kept.count(text);
            assert!((20..=30).contains(&written), "{written} {text}");
        }
        assert_eq!(kept.count("all"), 1_000);
        let mut sums = limit.sums();
        sums.sort_by_key(|sum| sum.level);
        let levels: Vec<Level> = sums.iter().map(|sum| sum.level).collect();
        assert_eq!(levels, [Level::WARN, Level::INFO]);
        for sum in &sums {
            assert!(sum.name.starts_with("pool::logs::limit"), "{sum:?}");
            assert!((470..=480).contains(&sum.lines), "{sum:?}");
        }
    }

    #[test]
    fn who_speaks_for_others_has_a_budget_for_each() {
        let limit = Limit::new();
        let kept = logged(&limit, || {
            for number in 0..100_u64 {
                let line = 7 + number % 2;
                tracing::info!(target: "ldk", from = "lightning::ln", line, "node");
            }
            tracing::info!(target: "ldk", from = "lightning::chain", line = 7_u64, "other");
        });
        let written = kept.count("node");
        assert!((40..=50).contains(&written), "{written}");
        assert_eq!(kept.count("other"), 1);
        let sums = limit.sums();
        let mut names: Vec<&str> = sums.iter().map(|sum| &*sum.name).collect();
        names.sort_unstable();
        assert_eq!(names, ["lightning::ln:7", "lightning::ln:8"]);
        // Names made at run time are bounded.
        logged(&limit, || {
            for line in 0..10_000_u64 {
                tracing::info!(target: "ldk", from = "made", line, "up");
            }
        });
        assert!(
            limit.lock().len() <= MAX_PLACES + 10,
            "{}",
            limit.lock().len()
        );
    }

    /// A claim that the node broadcasts every thirty seconds, for a week.
    #[test]
    fn what_the_node_repeats_for_ever_is_said_less_and_less() {
        let mut budget = Budget::new(0, NODES_REFILL_MS);
        let tries = 7 * 24 * 120;
        let (mut written, mut sums, mut left_out) = (0, 0, 0);
        for number in 0..tries {
            let now_ms = number * 30_000;
            written += u64::from(budget.take(now_ms));
            if let Some(lines) = budget.sum_up(now_ms) {
                (sums, left_out) = (sums + 1, left_out + lines);
            }
        }
        assert!(written <= 20 + 7 * 24 * 6, "{written}");
        assert!(sums <= 7 * 24 * 6, "{sums}");
        assert_eq!(
            written + left_out + budget.left_out,
            tries,
            "each is counted"
        );
    }

    proptest! {
        /// What is not written is counted, and no stretch of time has more lines than its
        /// budget; whoever was quiet for a while is heard at once.
        #[test]
        fn a_budget_holds(waits in prop::collection::vec(0..10_000u64, 1..200)) {
            let mut budget = Budget::new(0, REFILL_MS);
            let (mut now_ms, mut written) = (0, 0);
            for wait_ms in &waits {
                now_ms += wait_ms;
                let is_written = budget.take(now_ms);
                prop_assert!(is_written || *wait_ms < REFILL_MS);
                written += u64::from(is_written);
            }
            prop_assert!(written <= u64::from(BURST) + now_ms / REFILL_MS);
            prop_assert_eq!(written + budget.left_out, u64::try_from(waits.len()).expect("few"));
        }
    }
}
