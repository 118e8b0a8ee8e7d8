use super::*;
use crate::estimate::Estimate;

#[test]
fn a_full_server_asks_the_oldest_without_a_share_to_leave() {
    let registry = Registry::new(3);
    let worker = registry.enter(false, 0).unwrap();
    worker.prove();
    let old = registry.enter(false, 0).unwrap();
    let young = registry.enter(false, 0).unwrap();
    let newest = registry.enter(false, 0).unwrap();
    assert_eq!(worker.connection().asked(), None);
    assert_eq!(old.connection().asked(), Some(CloseReason::Evicted));
    assert_eq!(young.connection().asked(), None);
    // The one that leaves is not counted, so nobody else has to.
    drop(old);
    assert_eq!(registry.len(), 3);
    drop(newest);
    let _next = registry.enter(false, 0).unwrap();
    assert_eq!(young.connection().asked(), None);
}

#[test]
fn workers_are_counted_once_until_they_are_gone() {
    let registry = Registry::new(3);
    let one = registry.enter(false, 0).unwrap();
    let other = registry.enter(false, 0).unwrap();
    one.prove();
    one.prove();
    assert_eq!(registry.sessions(0).1, 1);
    drop(other);
    assert_eq!(registry.sessions(0).1, 1);
    drop(one);
    assert_eq!(registry.sessions(0).1, 0);
}

#[test]
fn all_leave_in_parts() {
    let registry = Registry::new(10);
    let all: Vec<_> = (0..7).map(|_| registry.enter(false, 0).unwrap()).collect();
    let asked = || {
        all.iter()
            .filter(|one| one.connection().asked() == Some(CloseReason::StoreFailing))
            .count()
    };
    let counts: Vec<_> = (0..3)
        .map(|part| {
            registry.close_part(part, 3, CloseReason::StoreFailing);
            asked()
        })
        .collect();
    assert_eq!(counts, [3, 5, 7]);
}

#[test]
fn a_server_full_of_workers_takes_nobody() {
    let registry = Registry::new(2);
    let workers: Vec<_> = (0..2).map(|_| registry.enter(false, 0).unwrap()).collect();
    workers.iter().for_each(Entered::prove);
    assert!(registry.enter(false, 0).is_none());
    drop(workers);
    assert!(registry.enter(false, 0).is_some());
}

#[test]
fn a_share_on_the_way_out_does_not_confuse_the_count() {
    let registry = Registry::new(1);
    let evicted = registry.enter(false, 0).unwrap();
    let other = registry.enter(false, 0).unwrap();
    evicted.prove();
    drop(evicted);
    drop(other);
    assert_eq!(registry.lock().leaving, 0);
    let _one = registry.enter(false, 0).unwrap();
    assert_eq!(registry.len(), 1);
}

#[test]
fn those_who_take_long_to_leave_are_bounded_too() {
    let registry = Registry::new(3);
    let mut entered: Vec<_> = (0..20).filter_map(|_| registry.enter(false, 0)).collect();
    assert_eq!((entered.len(), registry.len()), (6, 6));
    // One of the first three, which were asked to leave, has left.
    drop(entered.remove(0));
    assert!(registry.enter(false, 0).is_some());
}

#[test]
fn stopping_outranks_making_room() {
    let registry = Registry::new(1);
    let evicted = registry.enter(false, 0).unwrap();
    let _other = registry.enter(false, 0).unwrap();
    registry.stop_all();
    assert_eq!(evicted.connection().asked(), Some(CloseReason::Stopping));
}

fn address(last: u8) -> AddressKey {
    AddressKey::of(std::net::IpAddr::from([192, 0, 2, last]))
}

/// A session of the generator's key.
fn session(registry: &Arc<Registry>, name: &str, last: u8) -> Entered {
    let entered = registry.enter(false, 0).unwrap();
    let key = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let who = Arc::new(Identity {
        miner: key.parse().unwrap(),
        worker: accounting::WorkerName::clean(name),
    });
    entered.connection().who.set(who.clone()).unwrap();
    entered.replace_earlier(address(last), &who);
    entered
}

/// Hashes at 1000 times 2^32 a second for some seconds before `now_ms`.
fn mines(entered: &Entered, now_ms: u64) {
    let mut estimate = Estimate::default();
    for second in 1..=20 {
        let at_ms = now_ms - 20_000 + second * 1000;
        estimate.begin(at_ms - 1000);
        estimate.on_share(crate::Difficulty::new(1000.0).unwrap(), at_ms);
    }
    entered.connection().set_estimate(estimate);
    entered.connection().share_accepted(1);
}

/// All that is shown of the sessions at a moment, over what one device does.
fn shown(registry: &Registry, now_ms: u64) -> f64 {
    let (sessions, _) = registry.sessions(usize::MAX);
    let shown = sessions.iter().filter_map(|one| one.describe(now_ms));
    shown.map(|one| one.hashrate).sum::<f64>() / (1000.0 * 2f64.powi(32))
}

#[test]
fn a_device_that_is_back_is_not_shown_twice() {
    let registry = Registry::new(100);
    // Its connection is lost without a word every 20 s.
    let mut lost = Vec::new();
    for round in 1..=10 {
        let now_ms = round * 20_000;
        lost.push(session(&registry, "axe", 1));
        assert_eq!(shown(&registry, now_ms - 20_000), 0.0);
        mines(lost.last().unwrap(), now_ms);
        let shown = shown(&registry, now_ms);
        assert!((0.9..=1.1).contains(&shown), "{shown} in round {round}");
    }
    let (sessions, _) = registry.sessions(usize::MAX);
    let replaced = sessions.iter().filter_map(|one| one.describe(0));
    assert_eq!(replaced.filter(|one| one.replaced).count(), 9);
}

#[test]
fn devices_of_one_name_are_shown_again_with_their_next_share() {
    let registry = Registry::new(100);
    let all: Vec<Entered> = (0..3).map(|_| session(&registry, "", 1)).collect();
    let elsewhere = session(&registry, "", 2);
    mines(&elsewhere, 20_000);
    all.iter().for_each(|one| mines(one, 20_000));
    assert!((3.6..=4.4).contains(&shown(&registry, 20_000)));
    let late = session(&registry, "", 1);
    assert!((0.9..=1.1).contains(&shown(&registry, 20_000)));
    all.iter().for_each(|one| mines(one, 40_000));
    mines(&elsewhere, 40_000);
    assert!((3.6..=4.4).contains(&shown(&registry, 40_000)));
    drop((all, elsewhere, late));
    assert!(registry.lock().by_device.is_empty());
}

#[test]
fn the_last_counts_of_a_session_are_there_once() {
    let registry = Registry::new(100);
    let (one, silent) = (session(&registry, "a", 1), session(&registry, "b", 1));
    one.connection().share_accepted(5);
    one.connection().share_rejected();
    drop((one, silent));
    let ended = registry.take_ended();
    let counts: Vec<_> = ended
        .iter()
        .filter_map(|one| one.describe(0))
        .map(|one| (one.accepted, one.rejected))
        .collect();
    assert_eq!(counts, [(1, 1)]);
    assert!(registry.take_ended().is_empty());
    for _ in 0..MOST_ENDED + 10 {
        session(&registry, "a", 1).connection().share_rejected();
    }
    assert_eq!(registry.take_ended().len(), MOST_ENDED);
}

#[test]
fn session_numbers_run_out_instead_of_repeating() {
    let registry = Registry::new(1);
    assert_eq!(registry.next_session(), Some(1));
    registry.next_session.store(u32::MAX, Ordering::Relaxed);
    assert_eq!(registry.next_session(), None);
}
