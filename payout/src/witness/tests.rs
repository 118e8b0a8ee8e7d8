use bitcoin::hashes::Hash as _;
use proptest::prelude::*;

use super::*;

const START: u64 = 1_790_000_000;

/// A block of one of several chains.
fn block(height: u32, fork: u8) -> Block {
    let mut bytes = [fork; 32];
    bytes[..4].copy_from_slice(&height.to_le_bytes());
    Block {
        hash: BlockHash::from_byte_array(bytes),
        height,
    }
}

/// What is seen at one look.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    upstream: Option<Block>,
    own: Option<Block>,
    /// The chain below our own tip is this one, from the block after `fork_at` on.
    own_fork: u8,
    fork_at: u32,
    listed: Option<Block>,
}

fn now(secs: u64) -> Now {
    Now {
        steady_secs: secs,
        unix_secs: START + secs,
    }
}

fn see(witnesses: &mut Witnesses, secs: u64, look: Look) -> Option<Doubt> {
    let now = now(secs);
    let upstream = look.upstream.map(|block| UpstreamTip {
        hash: block.hash,
        height: Some(block.height),
    });
    witnesses.upstream(upstream, now);
    witnesses.list(look.listed.as_slice(), now);
    let own = look.own.map(|block| OwnTip {
        block,
        made_secs: None,
    });
    witnesses.own(own, now);
    for height in witnesses.asks() {
        let fork = if height > look.fork_at {
            look.own_fork
        } else {
            0
        };
        witnesses.own_has(height, Some(block(height, fork).hash));
    }
    witnesses.judge(now)
}

/// Our own source and the upstream on the right chain.
fn both(own: u32, upstream: u32) -> Look {
    Look {
        upstream: Some(block(upstream, 0)),
        own: Some(block(own, 0)),
        ..Look::default()
    }
}

/// Our own source on another chain above `fork_at`.
fn own_apart(own: u32, upstream: u32, fork_at: u32) -> Look {
    Look {
        own: Some(block(own, 9)),
        own_fork: 9,
        fork_at,
        ..both(own, upstream)
    }
}

#[track_caller]
fn case(looks: &[Look], expected: Option<Option<Witness>>) -> Option<Doubt> {
    let mut witnesses = Witnesses::default();
    let mut last = None;
    for (at, look) in (0_u64..).zip(looks) {
        last = see(&mut witnesses, at * 600, *look);
    }
    let differs = last.as_ref().map(|doubt| doubt.differs);
    assert_eq!(differs, expected, "{last:?}");
    last
}

#[test]
fn witnesses_of_one_chain_agree() {
    case(&[], None);
    case(&[both(100, 100), both(101, 101), both(102, 102)], None);
    // One of them hears of blocks later.
    case(&[both(100, 102)], None);
    case(&[both(102, 100)], None);
    case(&[both(100, 100), both(100, 102)], None);
    // Alone, nobody contradicts it.
    let alone = Look {
        own: Some(block(100, 0)),
        ..Look::default()
    };
    case(&[alone, alone], None);
}

#[test]
fn a_fork_of_two_blocks_is_ordinary_and_one_of_three_is_not() {
    let looks = [
        both(100, 100),
        own_apart(101, 101, 100),
        own_apart(102, 102, 100),
    ];
    case(&looks, None);
    let apart = [&looks[..], &[own_apart(103, 103, 100)]].concat();
    // Nobody can tell which chain is right.
    let doubt = case(&apart, Some(None)).unwrap();
    assert!(doubt.said.contains("above 100"), "{doubt}");
    assert!(doubt.holds_everything());
    // It ends with the fork.
    case(&[&apart[..], &[both(104, 104)]].concat(), None);
}

#[test]
fn a_source_that_stands_still_is_named() {
    let looks = [both(100, 100), both(100, 101), both(100, 102)];
    case(&looks, None);
    let doubt = case(
        &[&looks[..], &[both(100, 103)]].concat(),
        Some(Some(Witness::Own)),
    );
    assert!(doubt.unwrap().is_of_own_source());
    case(
        &[both(100, 100), both(103, 100)],
        Some(Some(Witness::Upstream)),
    );
    // From the start, far behind: the chain that was left months ago.
    case(
        &[own_apart(961_640, 970_000, 961_631)],
        Some(Some(Witness::Own)),
    );
    case(&[both(970_000, 961_640)], Some(Some(Witness::Upstream)));
}

#[test]
fn two_hours_without_a_block_count_when_another_had_one() {
    let mut witnesses = Witnesses::default();
    assert_eq!(see(&mut witnesses, 0, both(100, 100)), None);
    assert_eq!(see(&mut witnesses, 7300, both(100, 100)), None);
    // One block more is an ordinary fork by its height, but not after hours.
    assert_eq!(see(&mut witnesses, 7400, both(100, 101)), None, "just now");
    let doubt = see(&mut witnesses, 7600, both(100, 101)).unwrap();
    assert_eq!(doubt.differs, Some(Witness::Own));
    assert_eq!(see(&mut witnesses, 7700, both(101, 101)), None);
}

#[test]
fn a_job_that_tells_no_height_is_a_witness_by_its_movement() {
    let tip = |n: u8| UpstreamTip {
        hash: block(0, n).hash,
        height: None,
    };
    let mut witnesses = Witnesses::default();
    let mut at = |secs: u64, upstream: u8, own: u32| {
        witnesses.upstream(Some(tip(upstream)), now(secs));
        let own = OwnTip {
            block: block(own, 0),
            made_secs: None,
        };
        witnesses.own(Some(own), now(secs));
        witnesses.judge(now(secs)).map(|doubt| doubt.differs)
    };
    assert_eq!(at(0, 1, 100), None);
    assert_eq!(at(1000, 2, 100), None);
    assert_eq!(at(7200, 3, 100), None);
    assert_eq!(at(7201, 3, 100), None, "it may have heard of it by now");
    assert_eq!(at(7381, 3, 100), Some(Some(Witness::Own)));
    assert_eq!(at(7400, 3, 101), None);
    assert_eq!(at(14_000, 3, 102), None);
    assert_eq!(at(14_500, 3, 102), Some(Some(Witness::Upstream)));
}

/// At the start nobody has moved; the header's time alone says that a tip is old, and a
/// machine whose clock is wrong may believe that of any.
#[test]
fn an_old_header_counts_when_another_witness_moved_since() {
    let mut witnesses = Witnesses::default();
    let mut at = |secs: u64, upstream: u8, own: u32| {
        let tip = UpstreamTip {
            hash: block(0, upstream).hash,
            height: None,
        };
        witnesses.upstream(Some(tip), now(secs));
        let own = OwnTip {
            block: block(own, 0),
            made_secs: Some(START - 3 * 86_400),
        };
        witnesses.own(Some(own), now(secs));
        witnesses.judge(now(secs)).map(|doubt| doubt.differs)
    };
    assert_eq!(at(0, 1, 100), None);
    assert_eq!(at(590, 2, 100), None);
    assert_eq!(at(700, 2, 101), None, "it moves, whatever the clock says");
    assert_eq!(at(1400, 3, 101), None);
    assert_eq!(at(1600, 3, 101), Some(Some(Witness::Own)));
}

#[test]
fn the_lists_block_decides_who_is_on_another_chain() {
    let with = |look: Look, listed: Block| Look {
        listed: Some(listed),
        ..look
    };
    let agreed = with(both(100, 100), block(90, 0));
    case(&[agreed], None);
    // Too new to be sure of: an ordinary fork may still be undone.
    case(&[with(both(100, 100), block(99, 7))], None);
    // Our own source alone has another block there.
    let looks = [agreed, with(own_apart(103, 103, 100), block(101, 0))];
    case(&looks, Some(Some(Witness::Own)));
    // The list alone.
    let looks = [agreed, with(both(103, 103), block(98, 7))];
    let doubt = case(&looks, Some(Some(Witness::List))).unwrap();
    assert!(doubt.holds_everything() && !doubt.is_of_own_source());
    // OCEAN's next block, which is in our chain, ends it: the other was an orphan.
    case(
        &[&looks[..], &[with(both(110, 110), block(105, 0))]].concat(),
        None,
    );
    // The upstream alone.
    let mut upstream_apart = with(both(104, 104), block(102, 0));
    upstream_apart.upstream = Some(block(104, 9));
    case(&[agreed, upstream_apart], Some(Some(Witness::Upstream)));
    // Ours is behind what OCEAN found.
    let mut silent = with(both(100, 100), block(103, 0));
    silent.upstream = None;
    case(&[silent], Some(None));
    // The upstream decides: it has the block, or lacks it as well.
    case(
        &[with(both(100, 102), block(103, 0))],
        Some(Some(Witness::Own)),
    );
    for height in [103, 400_000, u32::MAX] {
        let looks = [with(both(100, 100), block(height, 0))];
        case(&looks, Some(Some(Witness::List)));
    }
    // Two that contradict each other.
    silent.listed = Some(block(90, 7));
    case(&[silent], Some(None));
}

#[test]
fn without_a_source_of_our_own_the_other_two_are_compared() {
    let look = |upstream: u32, listed: Block| Look {
        upstream: Some(block(upstream, 0)),
        listed: Some(listed),
        ..Look::default()
    };
    case(&[look(100, block(100, 0)), look(103, block(100, 0))], None);
    case(
        &[look(100, block(100, 0)), look(103, block(100, 7))],
        Some(None),
    );
    case(&[look(100, block(103, 0))], Some(Some(Witness::Upstream)));
}

#[test]
fn an_empty_list_is_no_word() {
    let mut witnesses = Witnesses::default();
    let listed = Look {
        listed: Some(block(90, 7)),
        ..both(100, 100)
    };
    assert!(see(&mut witnesses, 0, listed).is_some());
    assert!(
        see(&mut witnesses, 60, both(100, 100)).is_some(),
        "the list stays as it was"
    );
}

#[test]
fn it_is_one_doubt_while_its_kind_is_the_same() {
    let mut witnesses = Witnesses::default();
    assert_eq!(see(&mut witnesses, 0, both(100, 100)), None);
    let since = |doubt: Option<Doubt>| doubt.unwrap().since_secs - START;
    assert_eq!(since(see(&mut witnesses, 600, both(100, 103))), 600);
    assert_eq!(since(see(&mut witnesses, 1200, both(100, 105))), 600);
    assert_eq!(see(&mut witnesses, 1800, both(105, 105)), None);
    assert_eq!(since(see(&mut witnesses, 2400, both(105, 108))), 2400);
}

proptest! {
    /// Whatever comes: no panic, and a source that is silent is not named as wrong
    /// unless it was before.
    #[test]
    fn any_observations_are_judged(looks in proptest::collection::vec(
        (any::<Option<(u8, u8)>>(), any::<Option<(u8, u8)>>(), any::<Option<(u8, u8)>>(), 0_u64..20_000), 0..60)) {
        let mut witnesses = Witnesses::default();
        let mut secs = 0;
        let some = |seen: Option<(u8, u8)>| seen.map(|(height, fork)| block(height.into(), fork % 3));
        for (upstream, own, listed, later) in looks {
            secs += later;
            let look = Look {
                upstream: some(upstream),
                own: some(own),
                own_fork: own.map_or(0, |(_, fork)| fork % 3),
                fork_at: 100,
                listed: some(listed),
            };
            let was_named = witnesses.open().iter().any(Doubt::is_of_own_source);
            let doubt = see(&mut witnesses, secs, look);
            if own.is_none() && !was_named {
                prop_assert!(!doubt.is_some_and(|doubt| doubt.is_of_own_source()));
            }
        }
    }

    /// Witnesses that follow one chain, each up to two blocks late, never differ.
    #[test]
    fn late_witnesses_of_one_chain_are_never_in_doubt(steps in proptest::collection::vec((1_u32..2, 0_u32..3, 0_u32..3), 1..100)) {
        let (mut witnesses, mut tip) = (Witnesses::default(), 1000);
        for (at, (grown, own, upstream)) in (0_u64..).zip(steps) {
            tip += grown;
            let mut look = both(tip - own, tip - upstream);
            look.listed = Some(block(tip - 1, 0));
            prop_assert_eq!(see(&mut witnesses, at * 600, look), None);
        }
    }
}

/// On regtest an upstream may mine on any chain: it says something once it was met on ours.
#[test]
fn where_chains_are_somebodys_own_the_upstream_counts_once_it_was_met() {
    let mut witnesses = Witnesses::of_own_chains(true);
    let elsewhere = |height: u32, own: u32| Look {
        upstream: Some(block(height, 7)),
        own: Some(block(own, 0)),
        ..Look::default()
    };
    // At other heights, at ours, and at the first block, which all of them have.
    for (at, (height, own)) in (0_u64..).zip([(930_000, 100), (100, 100), (99, 110), (120, 120)]) {
        assert_eq!(see(&mut witnesses, at * 600, elsewhere(height, own)), None);
    }
    let mut first = Witnesses::of_own_chains(true);
    assert_eq!(see(&mut first, 0, both(0, 0)), None);
    assert_eq!(see(&mut first, 600, elsewhere(10, 5)), None);
    // It stands still, while our own moves.
    let late = see(&mut witnesses, 40_000, elsewhere(120, 150));
    assert_eq!(late, None);

    assert_eq!(see(&mut witnesses, 40_600, both(151, 151)), None);
    let apart = see(&mut witnesses, 41_200, own_apart(152, 156, 151));
    let apart = apart.expect("they were together");
    assert_eq!(apart.differs, Some(Witness::Own), "{apart}");
}

/// Whoever falls silent was not compared: what was contradicted stays so, over a restart too.
#[test]
fn a_doubt_ends_with_a_comparison_and_not_with_silence() {
    let named = |doubt: Option<Doubt>| doubt.map(|doubt| doubt.differs);
    let apart = own_apart(110, 113, 100);
    let silent = Look { own: None, ..apart };
    let lonely = Look {
        upstream: None,
        ..apart
    };
    let mut witnesses = Witnesses::default();
    see(&mut witnesses, 0, both(100, 100));
    let own = Some(Some(Witness::Own));
    assert_eq!(named(see(&mut witnesses, 600, apart)), own);
    assert_eq!(named(see(&mut witnesses, 700, silent)), own);
    assert_eq!(named(see(&mut witnesses, 80_000, silent)), own);
    assert_eq!(named(see(&mut witnesses, 80_100, lonely)), own);

    let kept = serde_json::to_string(witnesses.open()).unwrap();
    let restart = |configured: &[Witness]| {
        let mut witnesses = Witnesses::default();
        witnesses.restore(serde_json::from_str(&kept).unwrap(), configured);
        witnesses
    };
    let mut witnesses = restart(&Witness::ALL);
    assert_eq!(named(see(&mut witnesses, 0, silent)), own);
    assert_eq!(named(see(&mut witnesses, 100, both(114, 114))), None);
    assert_eq!(named(see(&mut witnesses, 200, silent)), None);
    // A witness that is configured no more contradicts nobody.
    let mut witnesses = restart(&[Witness::List, Witness::Own]);
    assert_eq!(named(see(&mut witnesses, 0, silent)), None);
}
