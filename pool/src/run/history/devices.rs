//! The devices and their counts. Pure: sessions and times are handed in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use accounting::{Identity, MinerId, Worker, WorkerName};
use proxy::SessionStatus;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The counts' grain.
const SLOT_MS: u64 = 300_000;

/// So many slots are an hour.
const SLOTS: u64 = 12;

/// A device that sent nothing for so long is forgotten here; the ledger keeps it.
const FORGOTTEN_AFTER_MS: u64 = SLOT_MS * SLOTS;

/// A session that had no share for so long hashes nothing as far as anybody knows. Until
/// then its estimate fades by itself, to a few thousandths.
const SILENT_AFTER_MS: u64 = 30 * 60 * 1000;

/// A time further ahead than this was written by a clock that was wrong.
const CLOCK_SLACK_MS: u64 = 60_000;

/// Devices at most: about 15 MB of keys with one each. When there are as many, new ones
/// wait until others are forgotten, so that throwaway keys push out nobody.
pub(super) const MAX_DEVICES: usize = 50_000;

/// What a device calls itself, printable ASCII, is kept up to so many bytes.
const MAX_USER_AGENT: usize = 64;

/// A session as the proxy tells of it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) connection: u64,
    pub(super) who: Arc<Identity>,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    /// The device has another session by now, and this one is most likely dead.
    pub(super) replaced: bool,
    pub(super) last_share_ms: Option<u64>,
    pub(super) difficulty: f64,
    pub(super) hashrate: f64,
    pub(super) user_agent: Box<str>,
}

impl From<SessionStatus> for Seen {
    fn from(session: SessionStatus) -> Self {
        Seen {
            connection: session.connection,
            who: session.who,
            accepted: session.accepted,
            rejected: session.rejected,
            replaced: session.replaced,
            last_share_ms: session.last_share_unix_ms,
            difficulty: session.difficulty,
            hashrate: session.hashrate,
            user_agent: session.user_agent,
        }
    }
}

impl Seen {
    /// What it sent since it was seen `before`.
    fn since(&self, before: &HashMap<u64, (u64, u64)>) -> (u64, u64) {
        let (accepted, rejected) = before.get(&self.connection).copied().unwrap_or_default();
        (
            self.accepted.saturating_sub(accepted),
            self.rejected.saturating_sub(rejected),
        )
    }
}

/// One device of a miner, as of the last look.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its name.
    pub name: WorkerName,
    /// How many sessions of this name are connected, those left out that were replaced.
    pub connected: u32,
    /// The estimate of its hashes a second, 0 when it is silent or away.
    pub hashrate: f64,
    /// What it was told last; 0 when it is away.
    pub difficulty: f64,
    /// When its last share came, milliseconds since 1970.
    pub last_share_ms: Option<u64>,
    /// Accepted shares within the last hour (55 to 60 minutes).
    pub accepted: u64,
    /// Refused submissions in the same time.
    pub rejected: u64,
    /// What it calls itself, printable ASCII.
    pub user_agent: Box<str>,
}

impl Device {
    /// The estimate of what these hash a second together.
    pub fn hashrate_of_all(devices: &[Device]) -> f64 {
        // Of no device at all a sum is -0, which is shown as such.
        let rates = devices.iter().map(|device| device.hashrate);
        rates.fold(0.0, |a, b| a + b)
    }
}

/// The pool as of a look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Online {
    /// Miners with a connected device that sent a share in this session.
    pub miners: usize,
    /// Such devices.
    pub devices: usize,
    /// The estimate of all their hashes a second.
    pub hashrate: f64,
}

/// Accepted and rejected in one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) slot: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(skip)]
    connected: u32,
    #[serde(skip)]
    hashrate: f64,
    #[serde(skip)]
    difficulty: f64,
    last_share_ms: Option<u64>,
    /// When a look last found it to have sent anything.
    seen_ms: u64,
    user_agent: Box<str>,
    /// The last hour's, the oldest first; none without a count.
    counts: Vec<Count>,
}

impl Entry {
    /// Takes back what a clock that was ahead has written.
    fn set_right(&mut self, now_ms: u64) {
        let slot = now_ms / SLOT_MS;
        self.last_share_ms = believed(self.last_share_ms, now_ms);
        self.seen_ms = self.seen_ms.min(now_ms);
        self.counts.retain(|count| count.slot <= slot);
    }

    fn count(&mut self, slot: u64, accepted: u64, rejected: u64) {
        self.counts
            .retain(|count| count.slot.saturating_add(SLOTS) > slot);
        match self.counts.last_mut() {
            Some(last) if last.slot == slot => {
                last.accepted = last.accepted.saturating_add(accepted);
                last.rejected = last.rejected.saturating_add(rejected);
            }
            _ => {
                // The most keys of strangers have one for ever.
                if self.counts.is_empty() {
                    self.counts.reserve_exact(1);
                }
                self.counts.push(Count {
                    slot,
                    accepted,
                    rejected,
                });
            }
        }
    }

    fn device(&self, name: &WorkerName, now_ms: u64) -> Device {
        let slot = now_ms / SLOT_MS;
        let recent = |count: &&Count| count.slot.saturating_add(SLOTS) > slot;
        let recent = self.counts.iter().filter(recent);
        let sums = recent.fold((0_u64, 0_u64), |(accepted, rejected), count| {
            (
                accepted.saturating_add(count.accepted),
                rejected.saturating_add(count.rejected),
            )
        });
        Device {
            name: name.clone(),
            connected: self.connected,
            hashrate: self.hashrate,
            difficulty: self.difficulty,
            last_share_ms: self.last_share_ms,
            accepted: sums.0,
            rejected: sums.1,
            user_agent: self.user_agent.clone(),
        }
    }
}

/// The devices of one miner, by name. A list and no map: nearly all miners have a few
/// devices, most keys of strangers one, and the least that a map takes is room for eleven.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Named(Vec<(WorkerName, Entry)>);

impl Named {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn contains(&self, name: &WorkerName) -> bool {
        self.position(name).is_ok()
    }

    fn position(&self, name: &WorkerName) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(name))
    }

    /// The entry of this name, made unless it is there.
    fn entry(&mut self, name: WorkerName) -> &mut Entry {
        let at = match self.position(&name) {
            Ok(at) => at,
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (name, Entry::default()));
                at
            }
        };
        &mut self.0[at].1
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.0.iter_mut().map(|(_, entry)| entry)
    }

    fn retain(&mut self, mut keeps: impl FnMut(&Entry) -> bool) {
        self.0.retain(|(_, entry)| keeps(entry));
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, entry)| (name, entry)))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = BTreeMap::deserialize(deserializer)?;
        Ok(Named(named.into_iter().collect()))
    }
}

/// All devices of the last hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Devices {
    pub(super) miners: BTreeMap<MinerId, Named>,
    /// How many there are.
    count: usize,
    /// What each connected session had sent at the last look.
    sessions: HashMap<u64, (u64, u64)>,
    online: Online,
}

impl Devices {
    /// As they were saved.
    pub(super) fn restored(miners: BTreeMap<MinerId, Named>, now_ms: u64) -> Self {
        let mut devices = Devices {
            miners,
            ..Devices::default()
        };
        for entry in devices.miners.values_mut().flat_map(Named::entries_mut) {
            entry.set_right(now_ms);
        }
        devices.forget(now_ms);
        devices
    }

    /// Takes a look at all connected sessions, `seen`, and at those that `ended` since the
    /// last look: what they sent at the end counts, too.
    pub(super) fn look(
        &mut self,
        ended: impl Iterator<Item = Seen>,
        seen: impl Iterator<Item = Seen>,
        now_ms: u64,
    ) {
        for entry in self.miners.values_mut().flat_map(Named::entries_mut) {
            entry.connected = 0;
            entry.hashrate = 0.0;
            entry.difficulty = 0.0;
            entry.set_right(now_ms);
        }
        let before = std::mem::take(&mut self.sessions);
        for session in ended {
            let more = session.since(&before);
            self.enter(&session, more, now_ms);
        }
        let mut online = Online::default();
        let mut miners = BTreeSet::new();
        for session in seen {
            let more = session.since(&before);
            self.sessions
                .insert(session.connection, (session.accepted, session.rejected));
            let hashrate = hashrate(&session, now_ms);
            if session.accepted > 0 && !session.replaced {
                online.devices += 1;
                online.hashrate += hashrate;
                miners.insert(session.who.miner);
            }
            if let Some(entry) = self.enter(&session, more, now_ms)
                && !session.replaced
            {
                entry.connected = entry.connected.saturating_add(1);
                entry.hashrate += hashrate;
                entry.difficulty = entry.difficulty.max(session.difficulty);
            }
        }
        online.miners = miners.len();
        self.online = online;
        self.forget(now_ms);
    }

    /// Counts what a session sent since the last look.
    fn enter(&mut self, session: &Seen, more: (u64, u64), now_ms: u64) -> Option<&mut Entry> {
        let (accepted, rejected) = more;
        let entry = self.entry(session)?;
        let last_ms = believed(session.last_share_ms, now_ms);
        entry.last_share_ms = entry.last_share_ms.max(last_ms);
        let said = &*session.user_agent;
        let said = said.get(..MAX_USER_AGENT).unwrap_or(said);
        if *entry.user_agent != *said {
            entry.user_agent = said.into();
        }
        if accepted > 0 || rejected > 0 {
            entry.seen_ms = now_ms;
            entry.count(now_ms / SLOT_MS, accepted, rejected);
        }
        Some(entry)
    }

    /// The entry of a session's device; none for one that sent nothing yet, nor where
    /// there is no room.
    fn entry(&mut self, session: &Seen) -> Option<&mut Entry> {
        let miner = session.who.miner;
        let known = self.miners.get(&miner);
        let is_known = |name: &WorkerName| known.is_some_and(|known| known.contains(name));
        let mut name = session.who.worker.clone();
        if !is_known(&name) {
            if session.accepted == 0 && session.rejected == 0 {
                return None;
            }
            // Names are the miner's to choose, so they must not fill the memory.
            if known.is_some_and(|known| known.len() >= Worker::MAX_NAMED) {
                name = WorkerName::clean(Worker::OTHERS);
            }
            if !is_known(&name) {
                if self.count >= MAX_DEVICES {
                    return None;
                }
                self.count += 1;
            }
        }
        Some(self.miners.entry(miner).or_default().entry(name))
    }

    /// Drops who sent nothing for an hour and is not connected.
    fn forget(&mut self, now_ms: u64) {
        self.miners.retain(|_, devices| {
            devices.retain(|entry| {
                entry.connected > 0 || entry.seen_ms.saturating_add(FORGOTTEN_AFTER_MS) > now_ms
            });
            devices.len() > 0
        });
        self.count = self.miners.values().map(Named::len).sum();
        // As many sessions as there are now: a flood of them is over.
        self.sessions.shrink_to(2 * self.sessions.len());
    }

    /// A miner's devices, by name.
    pub(super) fn of(&self, miner: &MinerId, now_ms: u64) -> Vec<Device> {
        let devices = self.miners.get(miner).map(|named| &named.0);
        devices
            .into_iter()
            .flatten()
            .map(|(name, entry)| entry.device(name, now_ms))
            .collect()
    }

    pub(super) fn online(&self) -> Online {
        self.online
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// For how many devices there is room without asking for more memory.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.miners.values().map(|named| named.0.capacity()).sum()
    }
}

/// A time that is not of a clock that was ahead.
pub fn believed(time_ms: Option<u64>, now_ms: u64) -> Option<u64> {
    time_ms.filter(|ms| *ms <= now_ms.saturating_add(CLOCK_SLACK_MS))
}

/// What a session hashes as far as one can tell.
fn hashrate(session: &Seen, now_ms: u64) -> f64 {
    let is_silent = session
        .last_share_ms
        .is_none_or(|last| last.saturating_add(SILENT_AFTER_MS) < now_ms);
    if is_silent || !session.hashrate.is_finite() {
        0.0
    } else {
        session.hashrate
    }
}
