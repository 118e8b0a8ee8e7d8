use accounting::settle::Earnings;
use accounting::{CloseCause, EpochState, EpochTotals};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash as _, sha256};

use super::*;

/// A tenth of the epoch's work.
const WORK: Work = Work::from_hashes(1_000);
const WHOLE: Work = Work::from_hashes(10_000);

/// What a hash earned lately, in msat. A quarter of it is the operator's, so that every
/// product is exact: 1,500 msat for [`WORK`].
const RATE: Option<f64> = Some(2.0);
const BY_RATE: Option<f64> = Some(1_500.0);

/// Paid, and of it swept.
type Sats = (u64, Option<u64>);

const NOTHING: Sats = (0, None);

fn terms() -> EpochTerms {
    EpochTerms {
        fee_bps: 2_500,
        ..EpochTerms::default()
    }
}

fn block() -> Block {
    Block {
        hash: BlockHash::all_zeros(),
        height: 9,
    }
}

fn open() -> (Epoch, EpochAccount) {
    let epoch = Epoch {
        id: EpochId::FIRST,
        opened_ms: 5,
        terms: terms(),
        state: EpochState::Open,
        totals: EpochTotals {
            work: WHOLE,
            ..EpochTotals::default()
        },
    };
    (epoch, EpochAccount::opened(EpochId::FIRST, terms()))
}

/// Closed by a block, and `change`d.
fn closed(change: impl FnOnce(&mut EpochAccount)) -> (Epoch, EpochAccount) {
    let (mut epoch, mut account) = open();
    let Block { hash, height } = block();
    epoch.state = EpochState::Closed {
        at_ms: 7,
        cause: CloseCause::OceanBlock { hash, height },
    };
    account.stage = Stage::Closed {
        block: Some(block()),
    };
    account.work = WHOLE;
    change(&mut account);
    (epoch, account)
}

fn told(account: &mut EpochAccount) {
    account.earnings = Some(Earnings {
        net: Sat::new(400),
        shares_in_window: None,
    });
}

fn seen((epoch, account): &(Epoch, EpochAccount), sats: Sats, rate: Option<f64>) -> Earning {
    let paid = Paid {
        paid: Sat::new(sats.0),
        swept: sats.1.map(Sat::new),
    };
    earning(epoch, account, (WORK, 3), paid, rate)
}

#[track_caller]
fn case(epoch: &(Epoch, EpochAccount), sats: Sats, rate: Option<f64>, expected: EarningState) {
    assert_eq!(seen(epoch, sats, rate).state, expected);
}

fn running(estimate_msat: Option<f64>) -> EarningState {
    EarningState::Running { estimate_msat }
}

fn pending(estimate_msat: Option<f64>) -> EarningState {
    EarningState::Pending { estimate_msat }
}

fn paid(sat: u64, swept: Option<u64>) -> EarningState {
    EarningState::Paid {
        paid_sat: Sat::new(sat),
        swept_sat: swept.map(Sat::new),
    }
}

#[test]
fn what_has_not_come_is_estimated() {
    case(&open(), NOTHING, RATE, running(BY_RATE));
    case(&open(), NOTHING, None, running(None));
    case(&closed(|_| ()), NOTHING, RATE, pending(BY_RATE));
    case(&closed(|_| ()), NOTHING, None, pending(None));
    // A tenth of 400 sat less the fee, whatever was paid lately.
    let by_ocean = pending(Some(30_000.0));
    case(&closed(told), NOTHING, RATE, by_ocean);
    case(&closed(told), NOTHING, None, by_ocean);
    let without_work = closed(|account| {
        told(account);
        account.work = Work::ZERO;
    });
    case(&without_work, NOTHING, RATE, pending(BY_RATE));
}

#[test]
fn what_came_is_paid_or_in_the_carry() {
    let covered = closed(|account| account.covered = true);
    case(&covered, NOTHING, RATE, EarningState::Carried);
    case(&covered, (0, Some(0)), RATE, EarningState::Carried);
    let through_a_window = closed(|account| account.paid_over = true);
    case(&through_a_window, NOTHING, RATE, EarningState::Carried);
    case(&covered, (3, None), RATE, paid(3, None));
    case(&covered, (3, Some(1)), RATE, paid(3, Some(1)));
    // Before all of it has come, and what a split over several epochs put on its quote.
    case(&closed(told), (3, Some(3)), RATE, paid(3, Some(3)));
    case(&open(), (3, None), RATE, paid(3, None));
}

#[test]
fn a_merged_epoch_counts_elsewhere_whatever_else_is_known() {
    let into = EpochId::new(2);
    let merged = closed(|account| {
        told(account);
        account.stage = Stage::Merged {
            into,
            block: block(),
        };
    });
    case(&merged, NOTHING, RATE, EarningState::Merged { into });
    case(&merged, (3, None), RATE, EarningState::Merged { into });
    assert_eq!(seen(&merged, NOTHING, RATE).block, None, "it is orphaned");
}

#[test]
fn an_epoch_has_the_work_of_those_it_absorbed() {
    let (epoch, mut account) = open();
    account.work = Work::from_hashes(500);
    let running = seen(&(epoch, account), NOTHING, RATE);
    assert_eq!(running.whole_work, Work::from_hashes(10_500));
    assert_eq!((running.closed_ms, running.block), (None, None));
    let closed = seen(&closed(|_| ()), NOTHING, RATE);
    assert_eq!(closed.whole_work, WHOLE, "the account has all of it");
    assert_eq!((closed.closed_ms, closed.block), (Some(7), Some(block())));
    assert_eq!((closed.work, closed.shares), (WORK, 3));
}

#[test]
fn the_ledger_and_the_mint_are_asked_what_was_paid() {
    let line = |epoch: u64, sat: u64| StatementLine {
        received_ms: 1,
        payout: PayoutKey::Lightning(sha256::Hash::all_zeros()),
        carry_before_msat: Msat::ZERO,
        allocated_msat: Msat::ZERO,
        paid_sat: Sat::new(sat),
        carry_after_msat: Msat::ZERO,
        epoch: EpochId::new(epoch),
    };
    let statement = [line(1, 1), line(2, 50), line(1, 2)];
    let mint = |epoch: u64, paid: u64, issued: u64| {
        let claimed = Claimed {
            paid: Sat::new(paid),
            issued: Sat::new(issued),
        };
        Some(Claimable {
            epochs: BTreeMap::from([(EpochId::new(epoch), claimed)]),
            ..Claimable::default()
        })
    };
    for (claimable, expected) in [
        (None, (3, None)),
        (mint(2, 50, 50), (3, Some(0))),
        (mint(1, 3, 1), (3, Some(1))),
        // It has not heard of the last payout yet.
        (mint(1, 1, 1), (3, Some(1))),
        // The statement does not go back so far.
        (mint(1, 9, 9), (9, Some(9))),
    ] {
        let Paid { paid, swept } = Paid::of(EpochId::FIRST, &statement, claimable.as_ref());
        assert_eq!((paid.get(), swept.map(Sat::get)), expected);
    }
}

#[test]
fn the_rate_is_that_of_the_last_epochs_whose_money_came() {
    let came = |received: u64| {
        closed(|account| {
            account.covered = true;
            account.received = Msat::new(received);
        })
        .1
    };
    let rate = |accounts: Vec<EpochAccount>| msat_per_hash(&by_id(accounts));
    assert_eq!(rate(vec![]), None);
    assert_eq!(rate(vec![open().1, closed(told).1]), None);
    assert_eq!(rate(vec![came(20_000), open().1]), Some(2.0));
    assert_eq!(rate(vec![came(20_000), came(40_000)]), Some(3.0));
    let mut many = vec![came(999_000_000)];
    many.extend((0..PAID_EPOCHS).map(|_| came(20_000)));
    assert_eq!(rate(many), Some(2.0), "the oldest is too old");
}

fn by_id(accounts: Vec<EpochAccount>) -> BTreeMap<EpochId, EpochAccount> {
    (1..).map(EpochId::new).zip(accounts).collect()
}

#[test]
fn prospects_are_for_a_day_and_the_next_whole_sat() {
    let prospects = |msat_per_hash, hashrate| {
        let books = Books {
            older_paid: OlderPaid::default(),
            earnings: Vec::new(),
            statement: Vec::new(),
            msat_per_hash,
        };
        books.prospects(hashrate, Msat::new(250))
    };
    let at_work = Prospects {
        sat_per_day: Some(43_200.0 / 1_000.0),
        days_to_next_sat: Some(750.0 / 43_200.0),
    };
    assert_eq!(prospects(Some(0.5), 1.0), at_work);
    let idle = Prospects {
        sat_per_day: Some(0.0),
        days_to_next_sat: None,
    };
    assert_eq!(prospects(Some(0.5), 0.0), idle);
    assert_eq!(prospects(None, 1.0), Prospects::default());
}

fn claimable(paid: &[(u64, u64)]) -> Claimable {
    let claimed = |sat| Claimed {
        paid: Sat::new(sat),
        issued: Sat::ZERO,
    };
    let epochs = paid.iter();
    let epochs = epochs.map(|(epoch, sat)| (EpochId::new(*epoch), claimed(*sat)));
    Claimable {
        epochs: epochs.collect(),
        ..Claimable::default()
    }
}

#[test]
fn paid_epochs_of_long_ago_have_lines_and_the_rest_a_sum() {
    let ids = |ids: &[u64]| -> Vec<EpochId> { ids.iter().copied().map(EpochId::new).collect() };
    let none = BTreeMap::new();
    let nothing = OlderPaid::default();
    assert_eq!(paid_before(&none, &[], None), (Vec::new(), nothing));
    // Epochs that are shown already or got nothing have no second line.
    let shown = BTreeMap::from([(EpochId::new(90), Done::default())]);
    let mint = claimable(&[(1, 5), (2, 0), (3, 7), (90, 9)]);
    let found = paid_before(&shown, &[], Some(&mint));
    assert_eq!(found, (ids(&[3, 1]), nothing));
    // While the mint is closed, the last payouts tell.
    let statement = [StatementLine {
        received_ms: 1,
        payout: PayoutKey::Lightning(sha256::Hash::hash(b"a payment")),
        carry_before_msat: Msat::ZERO,
        allocated_msat: Msat::new(4_000),
        paid_sat: Sat::new(4),
        carry_after_msat: Msat::ZERO,
        epoch: EpochId::new(6),
    }];
    let found = paid_before(&shown, &statement, None);
    assert_eq!(found, (ids(&[6]), nothing));
    let all: Vec<(u64, u64)> = (1..=100).map(|epoch| (epoch, epoch)).collect();
    let (lines, rest) = paid_before(&none, &[], Some(&claimable(&all)));
    assert_eq!(lines.len(), OLDER);
    assert_eq!((lines[0], lines[29]), (EpochId::new(100), EpochId::new(71)));
    let expected = OlderPaid {
        epochs: 70,
        paid_sat: Sat::new(70 * 71 / 2),
    };
    assert_eq!(rest, expected);
}
