//! When something is worth telling. Pure: what is seen of a miner comes in with the
//! time, and what was told before is kept by the caller.
//!
//! Told are changes only, and of each kind at most one an hour: what would come sooner
//! waits, and is told if it is still so by then.

use std::collections::{BTreeMap, BTreeSet};

use accounting::{Sat, Work, WorkerName};
use serde::{Deserialize, Serialize};

use super::news::{News, Quiet, Rejecting, Topic};

/// Two of a kind are so far apart, in milliseconds.
pub(crate) const APART_MS: u64 = 60 * 60 * 1000;

/// What counts as worth telling.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A worker without a share for so long is silent, in milliseconds.
    pub silent_after_ms: u64,
    /// So many of a hundred shares rejected are many.
    pub reject_percent: u64,
    /// Of fewer shares in an hour nothing is said.
    pub reject_least: u64,
}

/// What is seen of a miner at one look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The look's time, milliseconds since 1970.
    pub(crate) now_ms: u64,
    /// Since when shares are taken without a break. `None`: they are not, and that is
    /// no worker's fault.
    pub(crate) serving_since_ms: Option<u64>,
    /// The miner's workers.
    pub(crate) workers: Vec<WorkerSeen>,
    /// What can be fetched; `None` when that cannot be known now.
    pub(crate) ready: Option<Sat>,
}

/// A worker at one look.
#[derive(Clone, Debug)]
pub struct WorkerSeen {
    /// Its name.
    pub name: WorkerName,
    /// Its last share's time, milliseconds since 1970.
    pub last_ms: u64,
    /// Shares accepted within the last hour.
    pub accepted: u64,
    /// Shares rejected within the last hour.
    pub rejected: u64,
    /// All its credited work, as long as it is remembered.
    pub work: Work,
}

/// What was told before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// False until the first look: devices that were retired long ago are no news then.
    begun: bool,
    silent: BTreeMap<WorkerName, Silence>,
    rejecting: BTreeSet<WorkerName>,
    /// What could be fetched when it was told.
    ready: Sat,
    /// When each topic was told last.
    last_ms: BTreeMap<Topic, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Silence {
    /// The last share before it.
    since_ms: u64,
    /// Nobody is told of the end of what they were not told of.
    aloud: bool,
}

impl Told {
    /// What is news in `seen`, for an owner who wants to hear of `least` or more; from
    /// now on it is told.
    pub(crate) fn look(&mut self, seen: &Seen, least: Sat, rules: &Rules) -> Vec<News> {
        self.forget(&seen.workers);
        let news = [
            self.silent(seen, rules),
            self.back(seen, rules),
            self.rejects(seen, rules),
            self.ready(seen, least),
        ];
        self.begun = true;
        news.into_iter().flatten().collect()
    }

    /// Workers that are no longer there.
    fn forget(&mut self, workers: &[WorkerSeen]) {
        let names: BTreeSet<&WorkerName> = workers.iter().map(|worker| &worker.name).collect();
        self.silent.retain(|name, _| names.contains(name));
        self.rejecting.retain(|name| names.contains(name));
    }

    fn silent(&mut self, seen: &Seen, rules: &Rules) -> Option<News> {
        let serving_ms = seen.serving_since_ms?;
        let fresh = seen.workers.iter().filter(|worker| {
            let since = worker.last_ms.max(serving_ms);
            seen.now_ms.saturating_sub(since) >= rules.silent_after_ms
                && !self.silent.contains_key(&worker.name)
        });
        let workers: Vec<Quiet> = fresh
            .map(|worker| Quiet {
                name: worker.name.clone(),
                last_ms: worker.last_ms,
            })
            .collect();
        let aloud = self.begun;
        if workers.is_empty() || (aloud && !self.may(Topic::Silent, seen.now_ms)) {
            return None;
        }
        for one in &workers {
            let since_ms = one.last_ms;
            self.silent
                .insert(one.name.clone(), Silence { since_ms, aloud });
        }
        aloud.then(|| {
            self.now(
                Topic::Silent,
                seen.now_ms,
                News::Silent { workers, more: 0 },
            )
        })
    }

    fn back(&mut self, seen: &Seen, rules: &Rules) -> Option<News> {
        // A newer share is what counts: a pool that begins anew makes nobody speak. Nor
        // is back who fell silent again while it could not be told.
        let returned = |silence: &Silence, worker: &WorkerSeen| {
            worker.last_ms > silence.since_ms
                && seen.now_ms.saturating_sub(worker.last_ms) < rules.silent_after_ms
        };
        let mut workers = Vec::new();
        for worker in &seen.workers {
            match self.silent.get(&worker.name) {
                Some(silence) if !returned(silence, worker) => {}
                Some(silence) if silence.aloud => workers.push(worker.name.clone()),
                Some(_) => drop(self.silent.remove(&worker.name)),
                None => {}
            }
        }
        if workers.is_empty() || !self.may(Topic::Back, seen.now_ms) {
            return None;
        }
        for name in &workers {
            self.silent.remove(name);
        }
        Some(self.now(Topic::Back, seen.now_ms, News::Back { workers, more: 0 }))
    }

    fn rejects(&mut self, seen: &Seen, rules: &Rules) -> Option<News> {
        let mut workers = Vec::new();
        for worker in &seen.workers {
            let of = worker.accepted.saturating_add(worker.rejected);
            let hundredfold = u128::from(worker.rejected) * 100;
            let limit = u128::from(rules.reject_percent) * u128::from(of);
            let known = self.rejecting.contains(&worker.name);
            if !known && of >= rules.reject_least && hundredfold >= limit {
                workers.push(Rejecting {
                    name: worker.name.clone(),
                    rejected: worker.rejected,
                    of,
                });
            } else if known && hundredfold * 2 < limit {
                // Half of it is over; in between it would be told again and again.
                self.rejecting.remove(&worker.name);
            }
        }
        if workers.is_empty() || !self.may(Topic::Rejects, seen.now_ms) {
            return None;
        }
        let names = workers.iter().map(|worker| worker.name.clone());
        self.rejecting.extend(names);
        Some(self.now(
            Topic::Rejects,
            seen.now_ms,
            News::Rejects { workers, more: 0 },
        ))
    }

    fn ready(&mut self, seen: &Seen, least: Sat) -> Option<News> {
        let sat = seen.ready?;
        // What was fetched meanwhile is told again when it comes again.
        self.ready = self.ready.min(sat);
        if sat <= self.ready || sat < least || !self.may(Topic::Ready, seen.now_ms) {
            return None;
        }
        self.ready = sat;
        Some(self.now(Topic::Ready, seen.now_ms, News::Ready { sat }))
    }

    fn may(&self, topic: Topic, now_ms: u64) -> bool {
        // A clock that was set back shall not silence anybody for years.
        let last = self.last_ms.get(&topic);
        last.is_none_or(|last_ms| now_ms.abs_diff(*last_ms) >= APART_MS)
    }

    fn now(&mut self, topic: Topic, now_ms: u64, news: News) -> News {
        self.last_ms.insert(topic, now_ms);
        news
    }
}

#[cfg(test)]
mod tests;
