use std::sync::Arc;

use accounting::{Identity, MinerId, Worker, WorkerName};

use super::devices::{Device, Devices, MAX_DEVICES, Seen};
use super::{History, file};

const MINUTE: u64 = 60_000;

/// A slot's beginning, some days after 1970.
const T0: u64 = 3_000_000_000;

/// Miner number `n`: some key.
fn miner(n: u64) -> MinerId {
    let key = simnet::keys::SimKey::derive(6, n);
    key.hex.parse().expect("a key")
}

fn seen(connection: u64, miner: MinerId, name: &str, counts: (u64, u64), last_ms: u64) -> Seen {
    Seen {
        connection,
        who: Arc::new(Identity {
            miner,
            worker: WorkerName::clean(name),
        }),
        accepted: counts.0,
        rejected: counts.1,
        replaced: false,
        last_share_ms: (counts.0 > 0).then_some(last_ms),
        difficulty: 1000.0,
        hashrate: 1e12,
        user_agent: "bitaxe".into(),
    }
}

fn none() -> std::iter::Empty<Seen> {
    std::iter::empty()
}

fn only(devices: &Devices, miner: &MinerId, now_ms: u64) -> Device {
    let mut of = devices.of(miner, now_ms);
    assert_eq!(of.len(), 1, "{of:?}");
    of.remove(0)
}

#[test]
fn what_a_session_sent_is_counted_once_and_for_an_hour() {
    let one = miner(1);
    let mut devices = Devices::default();
    devices.look(none(), [seen(7, one, "axe", (10, 1), T0)].into_iter(), T0);
    devices.look(
        none(),
        [seen(7, one, "axe", (12, 1), T0 + 5000)].into_iter(),
        T0 + 5000,
    );
    let now = only(&devices, &one, T0 + 5000);
    assert_eq!((now.accepted, now.rejected, now.connected), (12, 1, 1));
    assert!((now.hashrate - 1e12).abs() < 1.0);

    // It is away; its counts and its last share stay, until an hour has passed.
    let away = T0 + 54 * MINUTE;
    devices.look(none(), none(), away);
    let then = only(&devices, &one, away);
    assert_eq!((then.accepted, then.rejected, then.connected), (12, 1, 0));
    assert_eq!((then.last_share_ms, then.hashrate), (Some(T0 + 5000), 0.0));
    devices.look(none(), none(), T0 + 61 * MINUTE);
    assert_eq!(devices.of(&one, T0 + 61 * MINUTE), Vec::new());
    assert_eq!(devices.count(), 0);
}

#[test]
fn a_session_that_comes_again_begins_at_nothing() {
    let one = miner(1);
    let mut devices = Devices::default();
    devices.look(none(), [seen(7, one, "axe", (10, 0), T0)].into_iter(), T0);
    devices.look(
        none(),
        [seen(8, one, "axe", (3, 0), T0 + 9000)].into_iter(),
        T0 + 9000,
    );
    let now = only(&devices, &one, T0 + 9000);
    assert_eq!((now.accepted, now.connected), (13, 1));
}

#[test]
fn a_silent_session_hashes_nothing_and_stays_connected() {
    let one = miner(1);
    let mut devices = Devices::default();
    devices.look(none(), [seen(7, one, "axe", (10, 0), T0)].into_iter(), T0);
    let later = T0 + 31 * MINUTE;
    devices.look(
        none(),
        [seen(7, one, "axe", (10, 0), T0)].into_iter(),
        later,
    );
    let now = only(&devices, &one, later);
    assert_eq!((now.connected, now.hashrate), (1, 0.0));
    assert_eq!(devices.online().devices, 1);
    assert!(devices.online().hashrate.abs() < 1.0);
}

#[test]
fn sessions_of_one_name_are_one_device_and_probes_are_none() {
    let (one, two) = (miner(1), miner(2));
    let mut devices = Devices::default();
    let sessions = [
        seen(1, one, "axe", (1, 0), T0),
        seen(2, one, "axe", (2, 5), T0),
        seen(3, two, "probe", (0, 0), T0),
    ];
    devices.look(none(), sessions.into_iter(), T0);
    let now = only(&devices, &one, T0);
    assert_eq!((now.accepted, now.rejected, now.connected), (3, 5, 2));
    assert_eq!(devices.of(&two, T0), Vec::new());
    let online = devices.online();
    assert_eq!((online.miners, online.devices), (1, 2));
}

#[test]
fn a_session_that_was_replaced_is_no_device() {
    let one = miner(1);
    let mut devices = Devices::default();
    let dead = Seen {
        replaced: true,
        hashrate: 0.0,
        ..seen(1, one, "axe", (7, 1), T0)
    };
    let back = seen(2, one, "axe", (2, 0), T0);
    devices.look(none(), [dead, back].into_iter(), T0);
    let now = only(&devices, &one, T0);
    assert_eq!((now.accepted, now.rejected, now.connected), (9, 1, 1));
    assert!((now.hashrate - 1e12).abs() < 1.0);
    assert_eq!(devices.online().devices, 1);
}

#[test]
fn what_a_session_sent_at_its_end_counts() {
    let one = miner(1);
    let mut devices = Devices::default();
    devices.look(none(), [seen(7, one, "axe", (10, 1), T0)].into_iter(), T0);
    let ended = [
        seen(7, one, "axe", (12, 2), T0 + 3000),
        // It came and went between two looks.
        seen(8, one, "axe", (4, 1), T0 + 4000),
    ];
    devices.look(ended.into_iter(), none(), T0 + 5000);
    let now = only(&devices, &one, T0 + 5000);
    assert_eq!((now.accepted, now.rejected, now.connected), (16, 3, 0));
    assert_eq!(now.last_share_ms, Some(T0 + 4000));
    assert_eq!(now.hashrate, 0.0);
}

#[test]
fn a_clock_that_was_a_day_ahead_leaves_nothing_behind() {
    let (one, day) = (miner(1), 24 * 60 * MINUTE);
    let ahead = T0 + day;
    let mut devices = Devices::default();
    devices.look(
        none(),
        [seen(7, one, "axe", (10, 1), ahead)].into_iter(),
        ahead,
    );
    let bytes = file::written(&devices).expect("written");
    // The clock is right again, in the same process and in the next one.
    let mut again = {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("history.json");
        file::replace(&path, &bytes).expect("saved");
        file::read(&path, T0).expect("read")
    };
    assert_eq!(only(&again, &one, T0).last_share_ms, None);
    for devices in [&mut devices, &mut again] {
        devices.look(none(), [seen(8, one, "axe", (3, 0), T0)].into_iter(), T0);
        let now = only(devices, &one, T0);
        assert_eq!(now.last_share_ms, Some(T0));
        assert_eq!((now.accepted, now.rejected), (3, 0));
        devices.look(none(), none(), T0 + 61 * MINUTE);
        assert_eq!(devices.count(), 0);
    }
}

#[test]
fn names_beyond_the_bound_are_one() {
    let one = miner(1);
    let mut devices = Devices::default();
    let names = 0..200_u64;
    let sessions = names.map(|n| seen(n, one, &format!("axe{n}"), (1, 0), T0));
    devices.look(none(), sessions, T0);
    let of = devices.of(&one, T0);
    assert_eq!(of.len(), Worker::MAX_NAMED + 1);
    let others = of
        .iter()
        .find(|device| device.name.as_str() == Worker::OTHERS);
    assert_eq!(others.map(|others| others.connected), Some(136));
    assert_eq!(of.iter().map(|device| device.accepted).sum::<u64>(), 200);
}

#[test]
fn throwaway_keys_push_out_nobody() {
    let names = u64::try_from(MAX_DEVICES).expect("small");
    let mut devices = Devices::default();
    devices.look(
        none(),
        [seen(0, miner(0), "axe", (9, 0), T0)].into_iter(),
        T0,
    );
    // A thousand keys with all the names they may have, again and again.
    let keys: Vec<MinerId> = (1..=1000).map(miner).collect();
    let flood = (1..=names).zip(keys.iter().cycle());
    let flood = flood.map(|(n, key)| seen(n, *key, &format!("x{n}"), (1, 0), T0));
    devices.look(none(), flood, T0 + 5000);
    assert!(devices.count() <= MAX_DEVICES, "{}", devices.count());
    assert_eq!(only(&devices, &miner(0), T0 + 5000).accepted, 9);
    devices.look(none(), none(), T0 + 70 * MINUTE);
    assert_eq!(devices.count(), 0);
}

/// Ten thousand keys with one share each: they take room for one device with one count,
/// and an hour after they left for none.
#[test]
fn a_throwaway_key_takes_no_more_room_than_it_needs() {
    let mut devices = Devices::default();
    let keys: Vec<MinerId> = (1..=10_000).map(miner).collect();
    let flood = (1_u64..).zip(&keys);
    let flood = flood.map(|(n, key)| seen(n, *key, "x", (1, 0), T0));
    devices.look(none(), flood, T0);
    assert_eq!((devices.count(), devices.room()), (10_000, 10_000));
    devices.look(none(), none(), T0 + MINUTE);
    assert_eq!((devices.count(), devices.room()), (10_000, 10_000));
    devices.look(none(), none(), T0 + 61 * MINUTE);
    assert_eq!((devices.count(), devices.room()), (0, 0));
}

#[test]
fn it_goes_on_after_a_restart_and_a_broken_file_is_begun_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("history.json");
    let one = miner(1);
    let mut devices = Devices::default();
    devices.look(none(), [seen(7, one, "axe", (10, 2), T0)].into_iter(), T0);
    let bytes = file::written(&devices).expect("written");
    file::replace(&path, &bytes).expect("saved");
    let again = file::read(&path, T0 + MINUTE).expect("read");
    let now = only(&again, &one, T0 + MINUTE);
    assert_eq!((now.accepted, now.rejected, now.connected), (10, 2, 0));
    let late = file::read(&path, T0 + 90 * MINUTE).expect("read");
    assert_eq!(late, Devices::default());

    for broken in [&b"{}"[..], b"", b"{\"version\":2,\"miners\":{}}"] {
        file::replace(&path, broken).expect("saved");
        assert!(file::read(&path, T0).is_err());
        assert_eq!(History::open(path.clone()).devices_of(&one), Vec::new());
    }
}

proptest::proptest! {
    /// Whatever sessions come, go and are missed: nothing is counted that was not sent,
    /// nothing twice, and what every look saw is counted in full.
    #[test]
    fn counts_are_what_was_sent(
        steps in proptest::collection::vec((0_u64..6, 0_u64..4, 0_u64..4, proptest::bool::ANY), 1..60)
    ) {
        let one = miner(1);
        let mut devices = Devices::default();
        let mut sessions: std::collections::BTreeMap<u64, (u64, u64)> = Default::default();
        let (mut generation, mut sent, mut now_ms) = (0, (0, 0), T0);
        for (which, accepted, rejected, leaves) in steps {
            let session = sessions.entry(which + generation).or_default();
            *session = (session.0 + accepted, session.1 + rejected);
            sent = (sent.0 + accepted, sent.1 + rejected);
            now_ms += 5000;
            let all = sessions.iter().map(|(number, counts)| {
                seen(*number, one, "axe", *counts, now_ms)
            });
            devices.look(none(), all, now_ms);
            if leaves {
                // Each sends one more before its end, which no look but the last sees.
                let ended: Vec<Seen> = std::mem::take(&mut sessions)
                    .into_iter()
                    .map(|(number, (accepted, rejected))| {
                        sent.1 += 1;
                        seen(number, one, "axe", (accepted, rejected + 1), now_ms)
                    })
                    .collect();
                devices.look(ended.into_iter(), none(), now_ms);
                generation += 100;
            }
        }
        let counted = devices.of(&one, now_ms).first().map_or((0, 0), |device| {
            (device.accepted, device.rejected)
        });
        proptest::prop_assert_eq!(counted, sent);
    }
}
