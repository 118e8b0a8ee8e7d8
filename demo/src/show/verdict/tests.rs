//! The comparison on books that agree, and on such that do not.

use accounting::settle::{MinerAccount, Totals};
use accounting::{Msat, Sat};
use simnet::ocean::{Account, Paid, Via};

use super::*;

/// Two devices, 400 shares of 1000 hashes each, all as it should be.
fn good() -> Books {
    let row = |worker: &str| Row {
        miner: "02".repeat(33).parse().expect("a key"),
        worker: worker.to_owned(),
        npub: "npub1".to_owned(),
        hashes: 401_000,
        told_shares: 400,
        told_work: 400_000,
        shares: 400,
        work: Work::from_hashes(400_000),
    };
    let account = MinerAccount {
        allocated: Msat::new(10_400),
        paid: Sat::new(10),
        carry: Msat::new(400),
    };
    let oceans = Account {
        work: 800_000,
        payments: vec![Paid {
            at_ms: 1,
            msat: 10_500,
            via: Via::Lightning {
                hash: [1; 32],
                found_height: 1,
            },
        }],
        ..Account::default()
    };
    let ours = EpochTotals {
        work: Work::from_hashes(800_000),
        shares: 800,
        upstream_accepted: 40,
        upstream_accepted_work: Work::from_hashes(800_000),
        upstream_found: 40,
        ..EpochTotals::default()
    };
    let money = Money {
        ours: Totals {
            received: 10_500,
            fee: 100,
            paid: 10_000,
            carry: 400,
            ..Totals::default()
        },
        miners: [("02".repeat(33).parse().expect("a key"), account)].into(),
        oceans,
        ocean_is_balanced: true,
        audited: 1,
        ..Money::default()
    };
    Books {
        rows: vec![row("a"), row("b")],
        guests: (0, Work::ZERO),
        ours,
        ocean_accepted: 40,
        ocean_work: 800_000,
        ocean_rejected: 0,
        ocean_usernames: vec!["address.axepool".to_owned()],
        mined_freely: true,
        money,
    }
}

#[track_caller]
fn differs(change: impl FnOnce(&mut Books), what: &[&str]) {
    let mut books = good();
    change(&mut books);
    let checks = checks(&books);
    let found: Vec<_> = checks
        .iter()
        .filter(|check| !check.agrees)
        .map(|check| check.what.as_str())
        .collect();
    assert_eq!(found, what);
    assert_eq!(render(&checks).contains("DIFFER"), !what.is_empty());
}

#[test]
fn every_difference_is_found() {
    differs(|_| {}, &[]);
    differs(
        |books| books.ours.shares += 1,
        &["shares answered with true"],
    );
    // Somebody came by with a device of their own.
    differs(
        |books| {
            books.guests = (2, Work::from_hashes(9));
            books.ours.shares += 2;
            books.ours.work = Work::from_hashes(800_009);
        },
        &[],
    );
    differs(
        |books| books.ours.work = Work::from_hashes(1),
        &["their work"],
    );
    differs(
        |books| books.rows[1].told_shares -= 1,
        &["shares answered with true", "shares of b"],
    );
    differs(
        |books| books.rows[0].work = Work::from_hashes(400_001),
        &["work of a"],
    );
    differs(|books| books.ocean_accepted += 1, &["upstream accepted"]);
    differs(
        |books| books.ocean_work += 1,
        &["upstream accepted work", "OCEAN's work of ours"],
    );
    differs(|books| books.ocean_rejected += 1, &["upstream rejected"]);
    differs(
        |books| books.ocean_usernames.push("npub1x.worker".to_owned()),
        &["one username upstream"],
    );
    differs(
        |books| books.money.oceans.payments[0].msat -= 1,
        &["msat received"],
    );
    differs(
        |books| books.money.ours.carry += 1,
        &["every msat is somewhere"],
    );
    differs(|books| books.money.miners.clear(), &["msat to quotes"]);
    differs(
        |books| books.money.ocean_is_balanced = false,
        &["OCEAN's own books"],
    );
    differs(
        |books| books.money.differences.push("file 1".to_owned()),
        &["audits"],
    );
    differs(
        |books| books.money.wallets_sat = 1,
        &["sat in the owners' wallets"],
    );
    // 400 shares: one standard deviation is 20,000 hashes.
    differs(|books| books.rows[0].hashes = 500_000, &[]);
    differs(
        |books| books.rows[0].hashes = 530_000,
        &["work fits the hashes"],
    );
    differs(
        |books| books.rows[1].hashes = 200_000,
        &["work fits the hashes"],
    );
}
