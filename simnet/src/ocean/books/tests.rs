use bitcoin::hashes::Hash as _;
use proptest::prelude::*;

use super::super::tides::{Tides, Window};
use super::*;

const ALICE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const BOB: &str = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry";

fn hash(number: u8) -> BlockHash {
    BlockHash::from_byte_array([number; 32])
}

fn txid(number: u8) -> Txid {
    Txid::from_byte_array([number; 32])
}

fn block(number: u8, coinbase_payouts: Vec<(Arc<str>, u64)>) -> NewBlock {
    NewBlock {
        hash: hash(number),
        height: 100 + u32::from(number),
        at_ms: 1_000 * u64::from(number),
        username: format!("{ALICE}.rig"),
        subsidy_sat: 1_000_000,
        fees_sat: 1,
        coinbase: txid(number),
        coinbase_payouts,
    }
}

fn window(shares: &[(&str, u128)]) -> Window {
    let mut tides = Tides::new(1_000);
    for (user, work) in shares {
        tides.push(&Arc::from(*user), *work, 0);
    }
    tides.window()
}

fn at_offer(books: &mut OceanBooks, user: &str) {
    books.account_mut(&Arc::from(user)).offer = Some(Registered {
        offer: "lno1".to_owned(),
        height: 0,
    });
}

/// Alice with 3 parts and Bob with 1, one block found and deep enough.
fn matured() -> OceanBooks {
    let mut books = OceanBooks::default();
    books.credit(
        block(1, vec![]),
        &window(&[(ALICE, 3), (BOB, 1)]),
        200,
        false,
    );
    books.mature(&hash(1));
    books
}

#[track_caller]
fn owed(books: &OceanBooks, user: &str, pending: u64, due: u64, in_flight: u64, paid: u64) {
    let account = books.account(user);
    let seen = (
        account.pending_msat(),
        account.due_msat,
        account.in_flight_msat,
        account.paid_msat(),
    );
    assert_eq!(seen, (pending, due, in_flight, paid), "{user}");
    assert!(books.totals().is_balanced(), "{:?}", books.totals());
}

#[test]
fn a_block_is_divided_and_waits_until_it_is_deep() {
    let mut books = OceanBooks::default();
    books.credit(
        block(1, vec![]),
        &window(&[(ALICE, 3), (BOB, 1)]),
        200,
        false,
    );
    // 1,000,001,000 msat: three quarters and one, two percent off each.
    owed(&books, ALICE, 735_000_735, 0, 0, 0);
    owed(&books, BOB, 245_000_245, 0, 0, 0);
    assert_eq!(books.totals().fees_msat, 20_000_020);
    books.mature(&hash(1));
    books.mature(&hash(1));
    owed(&books, ALICE, 0, 735_000_735, 0, 0);
}

#[test]
fn what_fails_is_due_again_and_what_arrives_is_paid() {
    let mut books = matured();
    at_offer(&mut books, ALICE);
    // Whatever gathers, it does not go over the chain.
    let policy = Policy {
        on_chain_sat: u64::MAX,
        ..Policy::default()
    };
    let begun = books.begin_lightning(&policy);
    assert_eq!(begun.len(), 1, "Bob has no offer");
    owed(&books, ALICE, 0, 0, 735_000_735, 0);
    assert_eq!(books.begin_lightning(&policy), []);
    books.end_lightning(&Arc::from(ALICE), None);
    owed(&books, ALICE, 0, 735_000_735, 0, 0);
    // The next block's is added to it.
    books.credit(block(2, vec![]), &window(&[(ALICE, 1)]), 0, false);
    books.mature(&hash(2));
    let [(user, _, msat)] = &books.begin_lightning(&policy)[..] else {
        panic!("one payment")
    };
    assert_eq!(*msat, 735_000_735 + 1_000_001_000);
    let (user, msat) = (Arc::clone(user), *msat);
    let via = Via::Lightning {
        hash: [7; 32],
        found_height: 102,
    };
    let paid = Paid {
        at_ms: 0,
        msat,
        via,
    };
    books.end_lightning(&user, Some(paid));
    owed(&books, ALICE, 0, 0, 0, msat);
}

#[track_caller]
fn route(change: impl FnOnce(&mut Policy, &mut Account), user: &str, expected: Route) {
    let mut policy = Policy {
        on_chain_sat: 1_000,
        ..Policy::default()
    };
    let mut account = Account {
        due_msat: 1_000_000,
        ..Account::default()
    };
    at_offer_of(&mut account);
    change(&mut policy, &mut account);
    assert_eq!(policy.route(user, &account), expected);
}

fn at_offer_of(account: &mut Account) {
    account.offer = Some(Registered {
        offer: "lno1".to_owned(),
        height: 0,
    });
}

#[test]
fn lightning_comes_first_and_the_chain_when_enough_has_gathered() {
    route(|_, _| {}, ALICE, Route::Lightning);
    route(|_, a| a.due_msat = 995, ALICE, Route::Lightning);
    route(|_, a| a.due_msat = 0, ALICE, Route::Wait);
    route(|_, a| a.in_flight_msat = 1, ALICE, Route::Wait);
    route(|p, _| p.lightning_min_msat = 2_000_000, ALICE, Route::Wait);
    route(|p, _| p.lightning_paused = true, ALICE, Route::OnChain);
    route(|_, a| a.offer = None, ALICE, Route::OnChain);
    route(|_, a| a.failures = 1, ALICE, Route::OnChain);
    route(
        |_, a| (a.failures, a.due_msat) = (1, 999_999),
        ALICE,
        Route::Lightning,
    );
    route(|_, a| a.offer = None, "not an address", Route::Wait);
    let dust = |p: &mut Policy, a: &mut Account| {
        (p.on_chain_sat, a.due_msat, a.offer) = (1, 545_999, None);
    };
    route(dust, ALICE, Route::Wait);
}

#[test]
fn a_transaction_pays_whole_satoshis_and_the_rest_stays_due() {
    let mut books = matured();
    let policy = Policy {
        on_chain_sat: 300_000,
        ..Policy::default()
    };
    let outputs = books.on_chain_due(&policy, false);
    assert_eq!(outputs, [(Arc::from(ALICE), 735_000)]);
    books.paid_on_chain(txid(9), &outputs, 0);
    owed(&books, ALICE, 0, 735, 0, 735_000_000);
    // Told to pay everyone.
    let outputs = books.on_chain_due(&policy, true);
    assert_eq!(outputs, [(Arc::from(BOB), 245_000)]);
}

#[test]
fn a_coinbase_pays_what_was_set_aside_for_it() {
    let mut books = matured();
    let policy = Policy {
        on_chain_sat: 300_000,
        on_chain: OnChain::Coinbase,
        ..Policy::default()
    };
    assert_eq!(books.on_chain_due(&policy, false), []);
    assert_eq!(books.set_aside(&policy, 734_999), [], "it does not fit");
    let payouts = books.set_aside(&policy, 1_000_001);
    assert_eq!(payouts, [(Arc::from(ALICE), 735_000)]);
    assert_eq!(books.account(ALICE).in_coinbase_msat, 735_000_000);
    books.credit(block(2, payouts), &window(&[(BOB, 1)]), 0, false);
    owed(&books, ALICE, 0, 735, 0, 735_000_000);
    // The block is orphaned: so is the payment.
    books.orphan(&hash(2));
    owed(&books, ALICE, 0, 735_000_735, 0, 0);
    owed(&books, BOB, 0, 245_000_245, 0, 0);
}

#[test]
fn an_orphan_takes_back_only_what_was_not_due() {
    let mut books = matured();
    books.credit(block(2, vec![]), &window(&[(ALICE, 1)]), 0, false);
    books.orphan(&hash(2));
    books.orphan(&hash(2));
    books.orphan(&hash(3));
    books.mature(&hash(2));
    owed(&books, ALICE, 0, 735_000_735, 0, 0);
    assert_eq!(books.blocks[1].state, BlockState::Orphaned);
    books.orphan(&hash(1));
    owed(&books, ALICE, 0, 735_000_735, 0, 0);
    assert_eq!(books.blocks[0].state, BlockState::OrphanedLate);
}

proptest! {
    /// Whatever happens in whatever order: no millisatoshi is lost or made.
    #[test]
    fn the_books_balance_after_every_step(
        steps in proptest::collection::vec((0u8..9, 0u8..20, 1u128..50), 0..80),
        fee_bps in 0u16..=10_000,
        others: bool,
    ) {
        let mut books = OceanBooks::default();
        let mut policy = Policy { on_chain_sat: 546, ..Policy::default() };
        let mut aside = Vec::new();
        let mut number = 0u8;
        for (what, which, work) in steps {
            match what {
                0 | 1 => {
                    number += 1;
                    let payouts = std::mem::take(&mut aside);
                    let window = window(&[(ALICE, work), (BOB, u128::from(which))]);
                    books.credit(block(number, payouts), &window, fee_bps, others);
                }
                2 | 3 => books.mature(&hash(which)),
                4 => {
                    books.orphan(&hash(which));
                }
                5 => {
                    at_offer(&mut books, BOB);
                    policy.lightning_paused = which & 1 == 0;
                    let _begun = books.begin_lightning(&policy);
                }
                6 => {
                    let bob = Arc::from(BOB);
                    let msat = books.account(BOB).in_flight_msat;
                    let via = Via::Lightning { hash: [which; 32], found_height: 0 };
                    let paid = Paid { at_ms: 0, msat, via };
                    books.end_lightning(&bob, (which & 1 == 0).then_some(paid));
                }
                7 => {
                    let outputs = books.on_chain_due(&policy, which & 1 == 0);
                    books.paid_on_chain(txid(which), &outputs, 0);
                }
                _ => {
                    policy.on_chain = [OnChain::Coinbase, OnChain::Transaction][usize::from(which & 1)];
                    aside = books.set_aside(&policy, 1_000_001);
                }
            }
            let totals = books.totals();
            // A block that is orphaned after its payout still counts: OCEAN paid it.
            prop_assert!(totals.is_balanced(), "{totals:?}");
        }
    }
}
