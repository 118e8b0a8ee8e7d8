use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use accounting::{Incarnation, WorkerName};
use signed::SignedError;
use tempfile::TempDir;

use super::super::record::{CONFIRMED_MS, MAX_ENTRIES, WISHES_APART_MS};
use super::change::MAX_WATCHED;
use super::wishes::{MAX_PER_TARGET, MAX_SUBSCRIBED};
use super::*;
use crate::testing::{pair, pool_key, signed};
use signed::Target;

const NOW: u64 = 1_795_000_000_000;
const MINUTE: u64 = 60_000;

/// Knows the keys of `pair` but that of 7.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) last_ms: AtomicU64,
    ready_sat: AtomicU64,
    is_broken: AtomicBool,
    /// The work of every key; its own number's if it is none.
    works: Mutex<BTreeMap<MinerId, u128>>,
}

#[async_trait]
impl Sight for World {
    fn is_serving(&self) -> bool {
        true
    }

    async fn knows(&self, miner: &MinerId) -> Result<bool, LedgerError> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(LedgerError::Closed);
        }
        Ok(*miner != pair(7).1)
    }

    async fn workers(&self, miner: &MinerId) -> Result<Vec<WorkerSeen>, LedgerError> {
        let works = self.works.lock().expect("no panics");
        let work = works.get(miner).copied().unwrap_or(1);
        Ok(vec![WorkerSeen {
            work: Work::from_hashes(work),
            name: WorkerName::clean("axe"),
            last_ms: self.last_ms.load(Ordering::Relaxed),
            accepted: 100,
            rejected: 0,
        }])
    }

    async fn ready(&self, _: &MinerId) -> Option<Sat> {
        Some(Sat::new(self.ready_sat.load(Ordering::Relaxed)))
    }
}

struct Table {
    dir: TempDir,
    world: Arc<World>,
    desk: Arc<Desk>,
}

impl Table {
    fn new() -> Table {
        let dir = tempfile::tempdir().expect("a directory");
        let world = Arc::new(World::default());
        world.last_ms.store(NOW, Ordering::Relaxed);
        let desk = open(&dir, &world);
        Table { dir, world, desk }
    }

    /// As after a restart.
    fn again(&mut self) {
        self.desk = open(&self.dir, &self.world);
    }

    async fn looks(&self, minutes: u64) {
        let now_ms = NOW + minutes * MINUTE;
        let looked = self.desk.look(&pair(1).1, now_ms, Some(NOW)).await;
        looked.expect("looks");
    }

    /// The titles in a feed, without its own.
    async fn feed(&self, minutes: u64) -> Vec<String> {
        let asked = self.desk.feed(&pair(1).1, NOW + minutes * MINUTE).await;
        let (xml, _) = asked.expect("a feed");
        let titles = xml.split("<title>").skip(2);
        let titles = titles.map(|rest| rest.split('<').next().unwrap_or("").to_owned());
        titles.collect()
    }
}

fn open(dir: &TempDir, world: &Arc<World>) -> Arc<Desk> {
    let policy = Policy {
        ntfy_servers: vec!["https://ntfy.sh".to_owned()],
        webhooks: false,
        allow_private: false,
    };
    open_with(dir, world, policy)
}

pub(crate) fn open_with(dir: &TempDir, world: &Arc<World>, policy: Policy) -> Arc<Desk> {
    let about = About {
        name: "Mine".to_owned(),
        public_url: "https://pool.example".to_owned(),
        ledger: Incarnation::from_bytes([1; 16]),
    };
    let rules = Rules {
        silent_after_ms: 15 * MINUTE,
        reject_percent: 5,
        reject_least: 50,
    };
    Desk::open(
        &dir.path().join("notices"),
        about,
        Some(pool_key()),
        (policy, rules),
        Arc::clone(world) as Arc<dyn Sight>,
        &Registry::new(),
    )
    .expect("opens")
}

/// Whose messages are due, the most urgent first.
fn due(desk: &Desk, now_ms: u64) -> Vec<MinerId> {
    let due = desk.due(now_ms, |_, _| true);
    due.iter().map(|delivery| delivery.miner).collect()
}

fn ntfy(url: &str) -> Option<Target> {
    Some(Target {
        channel: Channel::Ntfy,
        url: url.to_owned(),
    })
}

#[tokio::test]
async fn a_feed_begins_when_it_is_read_and_outlives_a_restart() {
    let mut table = Table::new();
    table.looks(0).await;
    assert!(table.desk.watched().is_empty(), "nobody asked");
    assert!(table.feed(0).await.is_empty());
    table.looks(1).await;
    table.looks(20).await;
    assert_eq!(table.feed(20).await, ["axe is silent"]);
    let (before, version) = table.desk.feed(&pair(1).1, NOW).await.expect("a feed");

    table.again();
    table.looks(21).await;
    let (after, same) = table.desk.feed(&pair(1).1, NOW).await.expect("a feed");
    assert_eq!((before, version), (after, same), "told once");
    let last_ms = NOW + 22 * MINUTE;
    table.world.last_ms.store(last_ms, Ordering::Relaxed);
    table.looks(23).await;
    assert_eq!(table.feed(23).await, ["axe is back", "axe is silent"]);
}

#[tokio::test]
async fn who_never_mined_has_no_feed() {
    let table = Table::new();
    let stranger = pair(7).1;
    let feed = table.desk.feed(&stranger, NOW).await;
    assert!(matches!(feed, Err(DeskError::Unknown(_))), "{feed:?}");
    let wish = signed(7, ntfy("https://ntfy.sh/a"), NOW);
    let granted = table.desk.grant(&stranger, &wish, NOW).await;
    assert!(matches!(granted, Err(DeskError::Unknown(_))), "{granted:?}");
    table.world.is_broken.store(true, Ordering::Relaxed);
    let feed = table.desk.feed(&pair(1).1, NOW).await;
    assert!(matches!(feed, Err(DeskError::Ledger(_))), "{feed:?}");
    assert!(table.desk.watched().is_empty());
}

#[tokio::test]
async fn a_wish_is_granted_once_and_ended_by_another() {
    let mut table = Table::new();
    let miner = pair(1).1;
    let on = signed(1, ntfy("https://ntfy.sh/a"), NOW);
    let setting = table.desk.grant(&miner, &on, NOW).await.expect("granted");
    assert_eq!(setting.map(|one| one.channel), Some(Channel::Ntfy));
    assert_eq!(due(&table.desk, NOW).len(), 1, "the first message");

    table.again();
    assert_eq!(table.desk.setting(&miner), setting, "it is durable");
    let off = signed(1, None, NOW + 1);
    let later = NOW + WISHES_APART_MS;
    let setting = table
        .desk
        .grant(&miner, &off, later)
        .await
        .expect("granted");
    assert_eq!(setting, None);
    // What was overheard is of no use, before and after a restart.
    for _ in 0..2 {
        for wish in [&on, &off] {
            let again = table
                .desk
                .grant(&miner, wish, later + WISHES_APART_MS)
                .await;
            let replay = matches!(again, Err(DeskError::Signed(SignedError::Replay { .. })));
            assert!(replay, "{again:?}");
        }
        table.again();
    }
    assert!(due(&table.desk, NOW).is_empty());
    assert_eq!(table.feed(0).await, ["Notices are on"]);

    let elsewhere = signed(1, ntfy("https://evil.example/a"), NOW + 2);
    let refused = table.desk.grant(&miner, &elsewhere, NOW).await;
    let target = matches!(refused, Err(DeskError::Target(_)));
    assert!(target, "{refused:?}");
}

#[tokio::test]
async fn sats_are_told_from_the_wished_amount_on() {
    let table = Table::new();
    let miner = pair(1).1;
    assert!(table.feed(0).await.is_empty());
    table.world.ready_sat.store(40, Ordering::Relaxed);
    table.looks(0).await;
    assert_eq!(table.feed(0).await, ["40 sat ready"]);
    let seen = table.desk.records().get(&miner).cloned().expect("there");
    assert_eq!(seen.least_sat(), Sat::new(1));
    assert!(seen.entries.len() <= MAX_ENTRIES);
}

#[tokio::test]
async fn an_unread_feed_is_given_up_but_not_a_wish() {
    let table = Table::new();
    for byte in [1, 2] {
        table.desk.feed(&pair(byte).1, NOW).await.expect("a feed");
    }
    let wish = signed(2, ntfy("https://ntfy.sh/a"), NOW);
    table
        .desk
        .grant(&pair(2).1, &wish, NOW)
        .await
        .expect("granted");
    table.desk.tidy(NOW + UNREAD_MS - 1).await.expect("tidies");
    assert_eq!(table.desk.watched().len(), 2);
    table.desk.tidy(NOW + UNREAD_MS).await.expect("tidies");
    assert_eq!(table.desk.watched(), [pair(2).1]);
    let files = std::fs::read_dir(table.dir.path().join("notices")).expect("lists");
    assert_eq!(files.count(), 1);
}

#[tokio::test]
async fn the_feed_unread_for_longest_makes_room() {
    let table = Table::new();
    let miner = pair(1).1;
    table
        .desk
        .feed(&miner, NOW - READ_MS)
        .await
        .expect("a feed");
    let wish = signed(2, ntfy("https://ntfy.sh/a"), NOW);
    table
        .desk
        .grant(&pair(2).1, &wish, NOW)
        .await
        .expect("granted");
    {
        // As many as there may be; their files do not matter here.
        let mut records = table.desk.records();
        for number in 0..u64::MAX {
            if records.len() == MAX_WATCHED {
                break;
            }
            let mut bytes = [0; 32];
            bytes[24..].copy_from_slice(&number.to_be_bytes());
            if let Some(other) = MinerId::from_x_only_bytes(bytes) {
                records.insert(other, Record::new(other, NOW));
            }
        }
    }
    table
        .desk
        .feed(&pair(3).1, NOW)
        .await
        .expect("there is room");
    let watched = table.desk.watched();
    assert_eq!(watched.len(), MAX_WATCHED);
    assert!(!watched.contains(&miner), "the oldest left");
    assert!(watched.contains(&pair(2).1), "a wish stays");
}

#[tokio::test]
async fn wishes_have_a_least_time_between_them_and_one_confirmation_an_hour() {
    let table = Table::new();
    let miner = pair(1).1;
    let topic = |number: u64| ntfy(&format!("https://ntfy.sh/{number}"));
    let (mut granted, mut soon) = (0, 0);
    // Sixty within 2.7 s.
    for number in 0..60 {
        let now_ms = NOW + number * 45;
        let wish = signed(1, topic(number), now_ms);
        match table.desk.grant(&miner, &wish, now_ms).await {
            Ok(_) => granted += 1,
            Err(DeskError::Soon { wait_ms }) => {
                assert!((1..=WISHES_APART_MS).contains(&wait_ms), "{wait_ms}");
                soon += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((granted, soon), (1, 59));
    // One every ten seconds for an hour: all are granted, and one is told.
    let mut now_ms = NOW;
    while now_ms < NOW + CONFIRMED_MS - WISHES_APART_MS {
        now_ms += WISHES_APART_MS;
        let wish = signed(1, topic(now_ms), now_ms);
        table
            .desk
            .grant(&miner, &wish, now_ms)
            .await
            .expect("granted");
    }
    assert_eq!(table.feed(0).await, ["Notices are on"]);
    assert!(
        due(&table.desk, now_ms).is_empty(),
        "the last ones are not told"
    );
    let now_ms = NOW + CONFIRMED_MS;
    let wish = signed(1, topic(1), now_ms);
    table
        .desk
        .grant(&miner, &wish, now_ms)
        .await
        .expect("granted");
    assert_eq!(due(&table.desk, now_ms), [miner]);
}

#[tokio::test]
async fn many_keys_cannot_flood_one_target() {
    let table = Table::new();
    let to = || ntfy("https://ntfy.sh/victim");
    let mut granted = 0;
    for byte in (10..=60).chain([200]) {
        let wish = signed(byte, to(), NOW);
        match table.desk.grant(&pair(byte).1, &wish, NOW).await {
            Ok(_) => granted += 1,
            Err(DeskError::Shared) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(granted, MAX_PER_TARGET);
    assert_eq!(due(&table.desk, NOW).len(), 1, "it is confirmed once");
}

#[tokio::test]
async fn work_goes_first_and_a_key_with_work_finds_a_place() {
    let table = Table::new();
    let honest = pair(1).1;
    table
        .world
        .works
        .lock()
        .expect("no panics")
        .insert(honest, 50);
    let subscribe = async |byte: u8, topic: &str| {
        let wish = signed(byte, ntfy(&format!("https://ntfy.sh/{topic}")), NOW);
        table.desk.grant(&pair(byte).1, &wish, NOW).await
    };
    // All places are taken by keys with a share each.
    let template = {
        subscribe(2, "template").await.expect("granted");
        let records = table.desk.records();
        records.get(&pair(2).1).cloned().expect("there")
    };
    for number in 1_u64.. {
        let mut records = table.desk.records();
        if records.len() == MAX_SUBSCRIBED {
            break;
        }
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        if let Some(miner) = MinerId::from_x_only_bytes(bytes) {
            table.desk.standing().insert(miner, Work::from_hashes(1));
            let mut record = template.clone();
            record.miner = miner;
            records.insert(miner, record);
        }
    }
    // One more of them is refused, one with work finds a place, and the feed says it.
    let full = subscribe(3, "more").await;
    assert!(matches!(full, Err(DeskError::Full)), "{full:?}");
    subscribe(1, "honest").await.expect("granted");
    assert_eq!(table.desk.subscribed(), MAX_SUBSCRIBED);
    let displaced: Vec<MinerId> = {
        let records = table.desk.records();
        let without = records.values().filter(|one| one.subscription.is_none());
        without.map(|one| one.miner).collect()
    };
    assert_eq!(displaced.len(), 1);
    let (xml, _) = table.desk.feed(&displaced[0], NOW).await.expect("a feed");
    assert!(xml.contains("Notices are off"), "{xml}");
    // Of two thousand messages theirs is the first.
    assert_eq!(due(&table.desk, NOW).first(), Some(&honest));
}
