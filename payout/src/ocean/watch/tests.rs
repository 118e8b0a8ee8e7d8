use super::*;
use bitcoin::hashes::Hash as _;
use proptest::prelude::*;

const BEGAN: u32 = 1000;

/// A block of one of several chains.
fn block(height: u32, fork: u8) -> Block {
    let mut bytes = [fork; 32];
    bytes[..4].copy_from_slice(&height.to_le_bytes());
    Block {
        hash: BlockHash::from_byte_array(bytes),
        height,
    }
}

/// A chain up to `tip`, in which the blocks of `tagged` carry the tag.
fn grow(watch: &mut Watch, to: u32, tagged: &[u32]) {
    for height in watch.next_height()..=to {
        watch.chain_has(block(height, 0), tagged.contains(&height));
    }
}

/// All that the books are told now, in order.
fn told(watch: &mut Watch, silent: bool) -> Vec<Verdict> {
    let mut all = Vec::new();
    let chain = if silent {
        ChainWord::Silent { up_to: None }
    } else {
        ChainWord::Heard
    };
    while let Some(verdict) = watch.next(chain) {
        watch.was_told(verdict);
        all.push(verdict);
        assert!(all.len() < 1000, "it never ends");
    }
    all
}

fn found(height: u32) -> Verdict {
    Verdict::Found(block(height, 0))
}

#[test]
fn a_listed_block_of_our_chain_counts_at_once_and_once() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1005, &[]);
    watch.api_lists(
        &[
            block(999, 0),
            block(1000, 0),
            block(1003, 0),
            block(1005, 0),
        ],
        None,
    );
    assert_eq!(told(&mut watch, false), [found(1003), found(1005)]);
    watch.api_lists(&[block(1003, 0), block(1005, 0)], None);
    grow(&mut watch, 1006, &[]);
    assert_eq!(told(&mut watch, false), []);
}

#[test]
fn a_tag_alone_waits_for_the_api_and_a_forged_one_never_counts() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1004, &[1003]);
    watch.api_lists(&[], None);
    assert_eq!(told(&mut watch, false), []);
    grow(&mut watch, 1003 + SILENT_DEPTH, &[]);
    watch.api_lists(&[block(990, 0)], None);
    assert_eq!(told(&mut watch, false), []);
    grow(&mut watch, 1003 + 4 * GIVE_UP_DEPTH, &[]);
    assert_eq!(told(&mut watch, false), []);
    // It was late: its word counts whenever it comes.
    watch.api_lists(&[block(1003, 0)], None);
    assert_eq!(told(&mut watch, false), [found(1003)]);
}

#[test]
fn a_tag_counts_when_the_api_is_silent_or_not_asked() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1003 + SILENT_DEPTH - 1, &[1003]);
    assert_eq!(told(&mut watch, false), []);
    grow(&mut watch, 1003 + SILENT_DEPTH, &[]);
    assert_eq!(told(&mut watch, false), [found(1003)]);

    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1004, &[1003]);
    watch.api_lists(&[], None);
    grow(&mut watch, 1003 + GIVE_UP_DEPTH, &[]);
    assert_eq!(
        told(&mut watch, false),
        [found(1003)],
        "it fell silent after a look"
    );

    let mut watch = Watch::new(BEGAN, false);
    grow(&mut watch, 1003, &[1003]);
    assert_eq!(told(&mut watch, false), [found(1003)]);
}

#[test]
fn an_undecided_block_holds_back_those_above_it() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1005, &[1003]);
    watch.api_lists(&[block(1005, 0)], None);
    assert_eq!(told(&mut watch, false), []);
    grow(&mut watch, 1003 + SILENT_DEPTH, &[]);
    watch.api_lists(&[block(1003, 0), block(1005, 0)], None);
    assert_eq!(told(&mut watch, false), [found(1003), found(1005)]);
}

#[test]
fn what_the_api_invents_waits_for_the_chain_and_is_refused_by_it() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1003, &[]);
    watch.api_lists(&[block(1003, 9), block(1004, 0)], None);
    assert_eq!(told(&mut watch, false), []);
    grow(&mut watch, 1004, &[]);
    assert_eq!(told(&mut watch, false), [found(1004)]);
}

#[test]
fn while_the_chain_is_silent_the_api_is_believed_until_the_chain_says_otherwise() {
    let mut watch = Watch::new(BEGAN, true);
    watch.api_lists(&[block(1003, 9)], None);
    assert_eq!(told(&mut watch, false), []);
    let invented = Verdict::Found(block(1003, 9));
    assert_eq!(told(&mut watch, true), [invented]);
    grow(&mut watch, 1003 + ORPHAN_DEPTH - 1, &[]);
    assert_eq!(told(&mut watch, false), []);
    grow(&mut watch, 1003 + ORPHAN_DEPTH, &[]);
    assert_eq!(told(&mut watch, false), [Verdict::Orphaned(block(1003, 9))]);
    assert_eq!(told(&mut watch, true), []);
}

#[test]
fn an_orphan_dissolves_when_it_is_certain_and_may_come_back() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1004, &[1003]);
    watch.api_lists(&[block(1003, 0)], None);
    assert_eq!(told(&mut watch, false), [found(1003)]);
    for height in 1003..1003 + ORPHAN_DEPTH {
        watch.chain_has(block(height, 1), false);
    }
    assert_eq!(told(&mut watch, false), [], "not yet deep enough");
    watch.chain_has(block(1003 + ORPHAN_DEPTH, 1), false);
    assert_eq!(told(&mut watch, false), [Verdict::Orphaned(block(1003, 0))]);
    watch.chain_lost(1003);
    for height in 1003..1003 + 2 * ORPHAN_DEPTH {
        watch.chain_has(block(height, 0), height == 1003);
    }
    assert_eq!(told(&mut watch, false), [found(1003)]);
}

#[test]
fn it_is_the_same_after_a_restart() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1010, &[1003, 1007]);
    watch.api_lists(&[block(1003, 0)], None);
    let _ = told(&mut watch, false);
    let text = serde_json::to_string(&watch).unwrap();
    assert_eq!(serde_json::from_str::<Watch>(&text).unwrap(), watch);
}

#[derive(Clone, Debug)]
enum Step {
    Grow { fork: u8, tagged: bool },
    Reorganise { depth: u32 },
    Api { mask: u8, fork: u8 },
    Ask { silent: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3, any::<bool>()).prop_map(|(fork, tagged)| Step::Grow { fork, tagged }),
        1 => (1_u32..10).prop_map(|depth| Step::Reorganise { depth }),
        2 => (any::<u8>(), 0_u8..3).prop_map(|(mask, fork)| Step::Api { mask, fork }),
        3 => any::<bool>().prop_map(|silent| Step::Ask { silent }),
    ]
}

proptest! {
    /// Whatever the sources say: a block is told as found and as orphaned in turns, first
    /// found; nothing from before the watch is; and asking again tells nothing new.
    #[test]
    fn each_block_is_told_in_turns(steps in proptest::collection::vec(step(), 1..300)) {
        let mut watch = Watch::new(BEGAN, true);
        let mut state: BTreeMap<(u32, BlockHash), bool> = BTreeMap::new();
        for step in steps {
            let tip = watch.next_height() - 1;
            match step {
                Step::Grow { fork, tagged } => watch.chain_has(block(tip + 1, fork), tagged),
                Step::Reorganise { depth } => watch.chain_lost(tip.saturating_sub(depth).max(BEGAN + 1)),
                Step::Api { mask, fork } => {
                    let bits = (0..8_u32).filter(|bit| mask & (1 << bit) != 0);
                    let listed: Vec<Block> = bits.map(|bit| block((tip + 2).saturating_sub(bit), fork)).collect();
                    watch.api_lists(&listed, None);
                }
                Step::Ask { silent } => {
                    for verdict in told(&mut watch, silent) {
                        let (block, is_found) = match verdict {
                            Verdict::Found(block) => (block, true),
                            Verdict::Orphaned(block) => (block, false),
                        };
                        prop_assert!(block.height > BEGAN);
                        let before = state.insert((block.height, block.hash), is_found);
                        prop_assert_eq!(before.unwrap_or(false), !is_found, "{:?}", block);
                    }
                    prop_assert_eq!(told(&mut watch, silent), vec![]);
                }
            }
        }
    }

    /// When both sources are right in the end, so are the books, whatever came before.
    #[test]
    fn in_the_end_the_books_are_right(steps in proptest::collection::vec(step(), 0..100), ours in proptest::collection::btree_set(1_u32..40, 0..8)) {
        let mut watch = Watch::new(BEGAN, true);
        let mut counted: BTreeMap<(u32, BlockHash), bool> = BTreeMap::new();
        let mut note = |verdicts: Vec<Verdict>| for verdict in verdicts {
            match verdict {
                Verdict::Found(block) => counted.insert((block.height, block.hash), true),
                Verdict::Orphaned(block) => counted.insert((block.height, block.hash), false),
            };
        };
        for step in steps {
            let tip = watch.next_height() - 1;
            match step {
                Step::Grow { fork, .. } => watch.chain_has(block(tip + 1, fork), false),
                Step::Reorganise { depth } => watch.chain_lost(tip.saturating_sub(depth).max(BEGAN + 1)),
                Step::Api { mask, fork } => {
                    let bits = (0..8_u32).filter(|bit| mask & (1 << bit) != 0);
                    let listed: Vec<Block> = bits.map(|bit| block((tip + 2).saturating_sub(bit), fork)).collect();
                    watch.api_lists(&listed, None);
                }
                Step::Ask { silent } => note(told(&mut watch, silent)),
            }
        }
        watch.chain_lost(BEGAN + 1);
        for height in BEGAN + 1..BEGAN + 250 {
            watch.chain_has(block(height, 7), false);
        }
        let truth: Vec<Block> = ours.iter().map(|up| block(BEGAN + up, 7)).collect();
        let mut list = vec![block(BEGAN, 7)];
        list.extend(&truth);
        watch.api_lists(&list, None);
        note(told(&mut watch, false));
        let right: Vec<(u32, BlockHash)> = truth.iter().map(|block| (block.height, block.hash)).collect();
        let counted: Vec<(u32, BlockHash)> = counted.into_iter().filter(|(_, is)| *is).map(|(block, _)| block).collect();
        prop_assert_eq!(counted, right);
    }
}

#[test]
fn a_list_of_heights_that_nobody_reached_moves_nothing() {
    let mut watch = Watch::new(BEGAN, true);
    watch.api_lists(&[block(u32::MAX, 0)], Some(1010));
    watch.api_lists(&[block(u32::MAX, 0)], None);
    grow(&mut watch, 1010, &[]);
    watch.api_lists(&[block(1005, 0)], Some(1010));
    assert_eq!(told(&mut watch, false), [found(1005)]);
    // What such a list did before is mended.
    let mut watch = Watch::new(u32::MAX, true);
    assert_eq!(watch.begin_within(BEGAN), Some(u32::MAX));
    assert_eq!(watch.begin_within(BEGAN), None);
    grow(&mut watch, 1003, &[1002]);
    watch.api_lists(&[block(1002, 0)], None);
    assert_eq!(told(&mut watch, false), [found(1002)]);
}

/// One block at a height, none above the upstream's, none in place of a shared one.
#[test]
fn a_list_that_is_believed_alone_has_bounds() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1003, &[]);
    let list = [
        block(1002, 7),
        block(1003, 7),
        block(1003, 8),
        block(1006, 7),
        block(1007, 7),
    ];
    watch.api_lists(&list, Some(1006));
    let mut told = |chain: ChainWord| {
        let mut all = Vec::new();
        while let Some(verdict) = watch.next(chain) {
            watch.was_told(verdict);
            all.push(verdict);
        }
        all
    };
    let up_to = Some(1006);
    let silent = [Verdict::Found(block(1006, 7))];
    assert_eq!(told(ChainWord::Silent { up_to }), silent);
    let shared = Some(1002);
    let doubted = [Verdict::Found(block(1003, 7))];
    assert_eq!(told(ChainWord::Doubted { shared, up_to }), doubted);
    // Nothing dissolves on the word of a chain that is not heard.
    grow(&mut watch, 1020, &[]);
    assert_eq!(watch.next(ChainWord::Silent { up_to }), None);
    assert!(matches!(
        watch.next(ChainWord::Heard),
        Some(Verdict::Orphaned(_))
    ));
}

#[test]
fn lists_of_other_blocks_each_time_fill_nothing() {
    let mut watch = Watch::new(BEGAN, true);
    grow(&mut watch, 1003, &[]);
    for fork in 0..100 {
        let list: Vec<Block> = (0..10_000_u32)
            .map(|at| {
                let mut bytes = [fork; 32];
                bytes[..4].copy_from_slice(&at.to_le_bytes());
                let hash = BlockHash::from_byte_array(bytes);
                Block {
                    hash,
                    height: 1001 + at % 20,
                }
            })
            .collect();
        watch.api_lists(&list, Some(1003));
    }
    let kept: usize = watch.candidates.values().map(Vec::len).sum();
    assert!(kept <= 20 * AT_ONE_HEIGHT, "{kept}");
}
