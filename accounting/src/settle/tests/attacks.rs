//! Attacks by strangers, odd payers and a wrong API, and their outcome.

use proptest::prelude::*;

use crate::settle::testing::*;
use crate::settle::*;
use crate::{EpochId, Msat, Sat, Split};

const HONEST: usize = 0;
const ATTACKER: usize = 1;

/// Nine epochs of the honest miner's, and one of the attacker's.
fn ten_epochs() -> World {
    let mut world = World::new(0, Split::Epoch);
    for height in 100..109 {
        world.epoch(&[10], height * 10);
    }
    world.epoch(&[0, 10], 1_090);
    world
}

fn allocated(world: &World, of: usize) -> u64 {
    let account = world.books.miner_accounts().get(&miner(of));
    account.map_or(0, |account| account.allocated.get())
}

/// OCEAN's first payout on-chain.
fn payout(n: u32) -> Payment {
    on_chain(n, 1_048_576_000, true, 1_200)
}

#[test]
fn dust_takes_no_part_of_the_first_payout_of_a_pool_without_the_api() {
    for dust in [1, 999, 1_000, 50_000] {
        let mut world = ten_epochs();
        for height in 100..109 {
            let note = note(hash(height * 10), height * 10 + 30);
            world.apply(Event::Paid(payment(height, dust, note)));
        }
        world.apply(Event::Paid(payout(1)));
        let all = 1_048_576_000 + 9 * dust;
        let tenth = all / 10;
        let attacker = allocated(&world, ATTACKER);
        assert!(
            (tenth..=tenth + 10).contains(&attacker),
            "{dust}: {attacker}"
        );
        assert_eq!(allocated(&world, HONEST) + attacker, all);
        assert_eq!(world.books.sums().gathered, 0);
    }
}

#[test]
fn dust_sets_no_rate_for_what_comes_later() {
    let mut world = ten_epochs();
    world.apply(Event::Paid(payout(1)));
    // Each of five more epochs gets a satoshi, as if that were what it earned.
    for height in 110..115 {
        world.epoch(&[10], height * 10);
        let note = note(hash(height * 10), height * 10 + 30);
        world.apply(Event::Paid(payment(height, 1_000, note)));
    }
    world.epoch(&[0, 10], 1_150);
    let before = [HONEST, ATTACKER].map(|of| allocated(&world, of));
    world.apply(Event::Paid(on_chain(2, 600_000_000, true, 1_300)));
    // 100,000 sat and their parts of the five satoshis: none got another's.
    let after = [HONEST, ATTACKER].map(|of| allocated(&world, of));
    let sixth = (600_000_000 + 5_000) / 6;
    assert!((after[1] - before[1]).abs_diff(sixth) <= 1);
    assert!((after[0] - before[0]).abs_diff(5 * sixth - 5_000) <= 5);
}

#[test]
fn dust_gathers_and_is_split_with_the_next_payout() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[3, 1], 100);
    for n in [1, 2] {
        world.pays(
            payment(n, 400, note(hash(100), 130)),
            &["outside > gathering 400"],
        );
    }
    assert_eq!(world.books.sums().gathered, 800);
    let kept = &world.books.payouts()[&lightning(1)];
    assert_eq!(kept.state, PayoutState::Gathered);
    assert!(matches!(
        &kept.payment.via,
        Via::Lightning { note: None, .. }
    ));
    assert_eq!(world.account(1).received, Msat::ZERO);
    assert!(world.account(1).is_unpaid());
    world.pays(
        payment(3, 7_200, note(hash(100), 130)),
        &[
            "outside > gathering 7200",
            "gathering > carry a 6000",
            "carry a > quote a/1 6000",
            "order a/1",
            "pay a/1 6",
            "gathering > carry b 2000",
            "carry b > quote b/1 2000",
            "order b/1",
            "pay b/1 2",
        ],
    );
    assert_eq!(world.settled(lightning(3)).gathered, Msat::new(800));
    assert_eq!(world.books.sums().gathered, 0);
    // Told again they are what they were.
    world.pays(payment(1, 400, note(hash(100), 130)), &[]);
    let file = super::file_of(&world.books, lightning(3), None).unwrap();
    assert_eq!(file.version, 2);
    assert_eq!(recompute(&file), Ok(()));
    let mut forged = file;
    forged.settlement.gathered = Msat::new(799);
    assert!(matches!(recompute(&forged), Err(Difference::Parts { .. })));
}

#[test]
fn small_payments_are_split_once_they_are_enough() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[1], 100);
    let paid = |n| payment(n, 995, note(hash(100), 130));
    world.pays(paid(1), &["outside > gathering 995"]);
    // Of a pool that OCEAN never pays a satoshi.
    world.pays(
        paid(2),
        &[
            "outside > gathering 995",
            "gathering > carry a 1990",
            "carry a > quote a/1 1000",
            "order a/1",
            "pay a/1 1",
        ],
    );
}

#[test]
fn who_wants_a_split_over_many_pays_for_its_rows() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[1; 3_000], 100);
    // A msat for each of them.
    world.pays(
        payment(1, 2_000, note(hash(100), 130)),
        &["outside > gathering 2000"],
    );
    assert_eq!(world.books.postings().len(), 1);
    let enough = payment(2, 1_000, note(hash(100), 130));
    let told = world.books.apply(Event::Paid(enough)).unwrap();
    assert_eq!(told.len(), 3_001);
}

#[test]
fn a_million_small_payments_are_one_sum() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[1, 1], 100);
    let (rows, n) = (world.books.payouts().len(), 1_000);
    for n in 0..n {
        // Named, not named, or of a block that nobody knows: no list of a person's.
        let note = [note(hash(100), 130), None, note(hash(7), 7)];
        let note = note[n as usize % 3].clone();
        let effects = world.books.apply(Event::Paid(payment(n, 1, note))).unwrap();
        let postings = effects.iter().filter(|e| matches!(e, Effect::Posting(_)));
        let alarms = effects.iter().filter(|e| matches!(e, Effect::Alarm(_)));
        assert_eq!(alarms.count(), 0);
        // Until they are a satoshi, which is split over two.
        assert!(postings.count() <= if n == 999 { 4 } else { 1 });
    }
    world.books.check().unwrap();
    assert_eq!(world.books.payouts().len(), rows + 1_000);
    assert!(world.books.suspended().unwrap().is_empty());
}

#[test]
fn a_millisatoshi_keeps_no_orphan_alive() {
    for amount in [1, 1_000, 40_000] {
        let mut world = World::new(0, Split::Epoch);
        world.epoch(&[10], 100);
        world.earns(100, 100, None);
        world.epoch(&[0, 10], 110);
        world.earns(110, 100, None);
        world.apply(Event::Paid(payment(1, amount, note(hash(110), 140))));
        let got = allocated(&world, ATTACKER);
        let told = world.apply(Event::BlockOrphaned { block: hash(110) });
        let alarm: &[&str] = match amount {
            1 => &[],
            _ => &["! dissolved after money: 2"],
        };
        assert_eq!(told, alarm);
        assert!(matches!(world.account(2).stage, Stage::Merged { .. }));
        // The next payout is all of the epoch that it names: none is the orphan's.
        world.apply(Event::Paid(payment(2, 100_000, note(hash(100), 130))));
        assert_eq!(allocated(&world, ATTACKER), got);
        // And what the orphan's miners were given is theirs.
        assert_eq!(world.account(2).received.get(), got);
    }
}

#[test]
fn an_orphan_that_stays_expects_nothing() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[10], 100);
    world.earns(100, 100, None);
    world.apply(Event::Paid(payment(9, 100_000, note(hash(100), 130))));
    world.epoch(&[0, 10], 110);
    world.earns(110, 100, None);
    world.epoch(&[10], 120);
    world.earns(120, 100, None);
    world.apply(Event::Paid(payment(1, 50_000, note(hash(110), 140))));
    let orphan = Event::BlockOrphaned { block: hash(110) };
    assert_eq!(world.apply(orphan), ["! orphaned after money: 2"]);
    let before = allocated(&world, ATTACKER);
    world.apply(Event::Paid(on_chain(2, 200_000, true, 200)));
    assert_eq!(allocated(&world, ATTACKER), before);
}

/// Six epochs of as much work; one figure of the API is a thousand times too much.
#[test]
fn a_wrong_figure_of_the_api_drains_no_payout() {
    for wrong in 0..6 {
        for (figure, name) in [(100_000_000, "high"), (100, "low"), (0, "nothing")] {
            let mut world = World::new(0, Split::Epoch);
            for height in 0..6 {
                world.epoch(&[10], 100 + 10 * height);
            }
            let mut alarms = 0;
            for height in 0..6 {
                let net = if height == wrong { figure } else { 100_000 };
                alarms += world.earns(100 + 10 * height, net, None).len();
            }
            assert!(alarms > 0, "epoch {wrong}: {name}");
            // All of it on-chain, or block by block with notes.
            let mut noted = world.books.clone();
            world.apply(Event::Paid(on_chain(9, 600_000_000, true, 300)));
            for n in 0..6 {
                let height = 100 + 10 * n;
                let paid = payment(n, 100_000_000, note(hash(height), height + 30));
                noted.apply(Event::Paid(paid)).unwrap();
            }
            for books in [&world.books, &noted] {
                for epoch in books.epoch_accounts().values().filter(|e| e.is_closed()) {
                    let wrong_by = epoch.received.get().abs_diff(100_000_000);
                    assert!(wrong_by <= 1, "{wrong} {name}: {epoch:?}");
                }
            }
        }
    }
}

#[test]
fn a_figure_above_all_of_its_block_is_never_taken() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[10], 950_000);
    let told = |net, reward: Option<u64>| Event::EarningsKnown {
        block: hash(950_000),
        earnings: Earnings {
            net: Sat::new(net),
            shares_in_window: None,
        },
        reward: reward.map(Sat::new),
    };
    // 3.125 BTC and fees. What the chain says of the block is less than what could be.
    assert_eq!(
        world.apply(told(5_000_000_001, None)),
        ["! earnings implausible: 1"]
    );
    assert_eq!(
        world.apply(told(320_000_001, Some(320_000_000))),
        ["! earnings implausible: 1"]
    );
    assert_eq!(world.account(1).earnings, None);
    assert_eq!(world.apply(told(320_000_000, Some(320_000_000))), [""; 0]);
}

#[test]
fn two_figures_that_contradict_each_other_are_both_not_used() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[10], 100).epoch(&[0, 10], 110);
    assert_eq!(world.earns(100, 100_000_000, None), [""; 0]);
    assert_eq!(
        world.earns(110, 100_000, None),
        ["! earnings implausible: 1", "! earnings implausible: 2"]
    );
    world.apply(Event::Paid(on_chain(1, 200_000_000, true, 200)));
    assert_eq!(allocated(&world, HONEST), allocated(&world, ATTACKER));
    // The right one is put right: both are believed again.
    world.epoch(&[10], 120);
    // It was said already which one is not used.
    assert_eq!(world.earns(120, 100_000, None), [""; 0]);
    assert_eq!(world.earns(100, 100_000, None), [""; 0]);
    assert!((1..=2).all(|epoch| world.account(epoch).covered));
}

#[test]
fn a_window_that_cannot_be_is_the_last_epochs() {
    const SHARE: u128 = 1 << 32;
    for lie in [1, 100, u64::MAX] {
        let mut world = World::new(0, Split::Tides);
        for height in 100..110 {
            world.epoch(&[200 * SHARE], height);
        }
        // Ten epochs of 200; a window of 1,600 is right.
        assert_eq!(
            world.earns(109, 100, Some(lie)),
            ["! earnings implausible: 10"]
        );
        world.apply(Event::Paid(payment(1, 100_000, note(hash(109), 139))));
        let part = world.settled(lightning(1)).parts.last().unwrap().clone();
        assert_eq!((part.epoch, part.slices.len()), (EpochId::new(10), 8));
        let used = part.earnings.unwrap();
        assert_eq!((used.net.get(), used.shares_in_window), (100, None));
    }
}

#[test]
fn a_new_fee_is_none_of_older_work() {
    let mut world = World::new(100, Split::Tides);
    world.mine(&[10]);
    world.terms.fee_bps = 10_000;
    world.block(100);
    world.apply(Event::Paid(payment(9, 1_000, note(hash(100), 130))));
    world.epoch(&[0, 30], 110);
    world.pays(
        payment(1, 4_000, note(hash(110), 140)),
        &[
            "outside > operator 3010",
            "outside > carry a 990",
            "carry a > quote a/1 1000",
            "order a/1",
            "pay a/1 1",
        ],
    );
    let part = &world.settled(lightning(1)).parts[0];
    let pays: Vec<_> = part
        .slices
        .iter()
        .map(|slice| slice.pays.unwrap())
        .collect();
    let told: Vec<_> = pays
        .iter()
        .map(|pays| (pays.amount.get(), pays.fee_bps, pays.fee.get()))
        .collect();
    assert_eq!(told, [(3_000, 10_000, 3_000), (1_000, 100, 10)]);
}

/// The epochs' work, honest and attacker's; what the attacker pays, and with which note.
type Game = (Vec<(u8, u8)>, Vec<(u8, u32)>, u32);

/// What each of the two has after OCEAN paid `amount` for all epochs on-chain, with or
/// without the attacker's payments before it.
fn played((works, paid, amount): &Game, attacked: bool) -> [u64; 2] {
    let mut world = World::new(0, Split::Epoch);
    for (height, &(honest, attacker)) in (0..).zip(works) {
        let works = [honest, attacker].map(|work| u128::from(work) + 1);
        world.mine(&works);
        world.block(100 + 10 * height);
    }
    for (n, &(epoch, amount)) in (0..).zip(paid).filter(|_| attacked) {
        let last = u32::try_from(works.len()).expect("few");
        let height = 100 + 10 * (u32::from(epoch) % last);
        let forged = note(hash(height), height + 30);
        let forged = payment(n, u64::from(amount) + 1, forged);
        world.books.apply(Event::Paid(forged)).unwrap();
    }
    let real = on_chain(1_000, u64::from(*amount) + 1_000, true, 1_000);
    world.books.apply(Event::Paid(real)).unwrap();
    world.books.check().unwrap();
    [HONEST, ATTACKER].map(|of| allocated(&world, of))
}

proptest! {
    /// Without any word of the API: an attack is never worth what it costs, and the
    /// honest are never left with less than half.
    #[test]
    fn an_attack_costs_more_than_it_brings(
        works in prop::collection::vec(any::<(u8, u8)>(), 1..12),
        paid in prop::collection::vec((any::<u8>(), 0_u32..2_000_000), 0..12),
        amount in 0_u32..5_000_000,
    ) {
        let game = (works, paid, amount);
        let [honest, attacker] = played(&game, false);
        let [honest_after, attacker_after] = played(&game, true);
        let cost: u64 = game.1.iter().map(|&(_, amount)| u64::from(amount) + 1).sum();
        prop_assert!(attacker_after <= attacker + 2 * cost + 20, "{attacker} {attacker_after} {cost}");
        prop_assert!(honest_after + 20 >= honest / 2, "{honest} {honest_after}");
        prop_assert!(honest_after + cost + 20 >= honest, "{honest} {honest_after} {cost}");
    }
}
