//! The audit file, recomputed and falsified.

use std::convert::Infallible;

use crate::settle::testing::*;
use crate::settle::*;
use crate::{EpochId, Msat, Sat, Split, Work};

const SHARE: u128 = 1 << 32;

pub(in crate::settle) fn file_of(
    books: &Books,
    key: PayoutKey,
    previous: Option<FileHash>,
) -> Option<AuditFile> {
    let tallies = |epoch| {
        let works = books.works(epoch)?;
        Ok::<Tallied, Infallible>(works.into_iter().map(|(m, w)| (m, (w, w))).collect())
    };
    let payout = &books.payouts()[&key];
    audit_file(
        payout,
        books.allocations(&key),
        books.epoch_accounts(),
        previous,
        tallies,
    )
    .unwrap()
}

fn world() -> (World, [AuditFile; 2]) {
    let mut world = World::new(250, Split::Tides);
    world.epoch(&[3 * SHARE, SHARE], 100);
    world.apply(Event::Paid(payment(1, 123_456, note(hash(100), 130))));
    world
        .epoch(&[SHARE], 105)
        .epoch(&[0, 5 * SHARE, SHARE], 110)
        .epoch(&[SHARE], 120);
    world.earns(105, 50, None);
    world.apply(Event::BlockOrphaned { block: hash(110) });
    world.earns(120, 200, Some(9));
    world.apply(Event::Paid(payment(2, 200_001, note(hash(120), 150))));
    let first = file_of(&world.books, lightning(1), None).unwrap();
    let hash = FileHash::of(&first.to_bytes().unwrap());
    let second = file_of(&world.books, lightning(2), Some(hash)).unwrap();
    (world, [first, second])
}

#[test]
fn what_was_settled_is_recomputed_from_the_bytes() {
    let (_, files) = world();
    let mut auditor = Auditor::default();
    for file in files {
        let read: AuditFile = serde_json::from_slice(&file.to_bytes().unwrap()).unwrap();
        assert_eq!(read, file);
        auditor.check(&read).unwrap();
    }
}

#[test]
fn the_chain_and_what_it_carries_are_checked() {
    let (_, [first, second]) = world();
    let mut auditor = Auditor::default();
    assert!(matches!(
        auditor.check(&second),
        Err(Difference::Chain { .. })
    ));
    auditor.check(&first).unwrap();
    let mut other = first.clone();
    other.payment.received_ms = 1;
    let mut cut = Auditor::default();
    cut.check(&other).unwrap();
    assert!(matches!(cut.check(&second), Err(Difference::Chain { .. })));
    // An honest split on a forged past.
    let mut forged = second.clone();
    let row = &mut forged.miners[0];
    let before = (row.carry_before.get() + 1_000 - 1) % 1_000;
    let sum = Msat::new(before + row.allocated.get());
    (row.carry_before, row.paid, row.carry_after) =
        (Msat::new(before), sum.to_sat_floor(), sum.below_sat());
    assert_eq!(recompute(&forged), Ok(()));
    assert_eq!(auditor.check(&forged), Err(Difference::Carry(miner(0))));
    auditor.check(&second).unwrap();
}

#[track_caller]
fn falsified(how: impl FnOnce(&mut AuditFile), expected: impl FnOnce(&Difference) -> bool) {
    let (_, [_, mut file]) = world();
    assert_eq!(recompute(&file), Ok(()));
    how(&mut file);
    let difference = recompute(&file).unwrap_err();
    assert!(expected(&difference), "{difference}");
}

#[test]
fn every_falsehood_is_told() {
    use Difference as D;
    falsified(|f| f.version = 3, |d| *d == D::Version(3));
    // Another version's rules are not those that it was settled by.
    falsified(|f| f.version = 1, |d| *d == D::Version(1));
    falsified(|f| f.settlement.rules = 1, |d| *d == D::Version(2));
    falsified(
        |f| f.settlement.gathered = Msat::new(1),
        |d| matches!(d, D::Parts { .. }),
    );
    falsified(
        |f| f.settlement.parts[0].slices[0].pays = None,
        |d| matches!(d, D::Shares(_)),
    );
    falsified(
        |f| {
            let pays = &mut f.settlement.parts[0].slices[0].pays;
            pays.as_mut().unwrap().fee_bps = 0;
        },
        |d| matches!(d, D::Shares(_)),
    );
    falsified(
        |f| {
            let pays = &mut f.settlement.parts[0].slices[0].pays;
            pays.as_mut().unwrap().amount = Msat::new(1);
        },
        |d| matches!(d, D::Shares(_)),
    );
    falsified(
        |f| f.payment.amount = Msat::new(200_000),
        |d| matches!(d, D::Parts { .. }),
    );
    falsified(
        |f| f.settlement.candidates[0].received = Msat::new(10_000),
        |d| matches!(d, D::Parts { .. }),
    );
    falsified(
        |f| f.settlement.candidates.clear(),
        |d| matches!(d, D::Named(_)),
    );
    falsified(
        |f| f.settlement.parts[0].fee = Msat::new(1),
        |d| matches!(d, D::Fee { .. }),
    );
    falsified(
        |f| f.settlement.fee = Msat::new(1),
        |d| matches!(d, D::FeeSum(_)),
    );
    falsified(
        |f| f.settlement.parts[0].terms.fee_bps = 0,
        |d| matches!(d, D::Shares(_)),
    );
    falsified(
        |f| f.settlement.parts[0].slices.truncate(1),
        |d| matches!(d, D::Shares(_) | D::Fee { .. } | D::Miner { .. }),
    );
    falsified(
        |f| f.settlement.parts[0].slices.reverse(),
        |d| matches!(d, D::Slices(_)),
    );
    falsified(
        |f| f.settlement.parts[0].terms.split = Split::Epoch,
        |d| matches!(d, D::Slices(_)),
    );
    falsified(
        |f| f.epochs[0].works[0].work = Work::from_hashes(1),
        |d| matches!(d, D::Work { .. }),
    );
    falsified(|f| f.epochs.clear(), |d| matches!(d, D::Work { .. }));
    falsified(|f| f.epochs.reverse(), |d| *d == D::Order("the epochs"));
    falsified(
        |f| f.epochs[0].works.reverse(),
        |d| *d == D::Order("an epoch's miners"),
    );
    falsified(
        |f| f.miners[0].allocated = Msat::new(1),
        |d| matches!(d, D::Miner { .. }),
    );
    falsified(
        |f| f.miners[0].paid = Sat::ZERO,
        |d| matches!(d, D::Carry(_)),
    );
    falsified(
        |f| f.miners[0].quote_epoch = EpochId::new(7),
        |d| matches!(d, D::QuoteEpoch { .. }),
    );
    falsified(
        |f| {
            f.miners.pop();
        },
        |d| matches!(d, D::Miner { file: None, .. }),
    );
    falsified(|f| f.miners.reverse(), |d| *d == D::Order("the miners"));
    falsified(
        |f| f.miners.insert(1, f.miners[0]),
        |d| *d == D::Order("the miners"),
    );
    falsified(
        |f| {
            if let Via::Lightning { preimage, .. } = &mut f.payment.via {
                *preimage = Some(crate::settle::testing::preimage(7));
            }
        },
        |d| *d == D::Preimage,
    );
}

#[test]
fn what_is_not_settled_has_no_file() {
    let mut world = World::new(0, Split::Epoch);
    world.apply(Event::Paid(payment(1, 5, None)));
    assert_eq!(file_of(&world.books, lightning(1), None), None);
}

// The forms are published: a change here is a new version.
#[test]
fn the_forms_are_stable() {
    let mut world = World::new(100, Split::Epoch);
    world.epoch(&[3], 100);
    world.apply(Event::Paid(payment(2, 500, note(hash(100), 130))));
    world.apply(Event::Paid(payment(1, 1_000, note(hash(100), 130))));
    let file = file_of(&world.books, lightning(1), None).unwrap();
    let told = String::from_utf8(file.to_bytes().unwrap()).unwrap();
    let pays = r#","pays":{"amount":1500,"fee_bps":100,"fee":15}"#;
    let second = form(2, 1_000, [r#""rules":2,"#, r#""gathered":500,"#, pays]);
    assert_eq!(told, second);
    assert_eq!(recompute(&file), Ok(()));
    // One by the first rules is read, recomputed and written as it was.
    let first = form(1, 1_500, [""; 3]);
    let file: AuditFile = serde_json::from_str(&first).unwrap();
    assert_eq!(file.to_bytes().unwrap(), first.as_bytes());
    assert_eq!(recompute(&file), Ok(()));
    assert!(Auditor::default().check(&file).is_ok());
}

/// 1,500 msat for the one miner of the first epoch, as it is published.
fn form(version: u32, amount: u64, [rules, gathered, pays]: [&str; 3]) -> String {
    let (miner, block) = (miner(0), hash(100));
    let terms = r#"{"fee_bps":100,"split":"epoch","quote_per":"epoch","quote_min_work":"0"}"#;
    let payment = format!(
        concat!(
            r#"{{"amount":{},"received_ms":0,"via":{{"lightning":{{"payment_hash":"{}","preimage":"{}","#,
            r#""ocean_offer":true,"note":"OCEAN lightning payout running at block `{}` at height `130`","tip_height":null}}}}}}"#
        ),
        amount,
        lightning(1),
        preimage(1),
        block
    );
    let settlement = format!(
        concat!(
            r#"{{{}"found":{{"named":{{"epoch":1,"by":"hash"}}}},{}"candidates":[{{"epoch":1,"work":"3","expected":null,"received":0}}],"#,
            r#""parts":[{{"epoch":1,"amount":1500,"pays_over":1,"terms":{},"earnings":null,"#,
            r#""slices":[{{"epoch":1,"work":"3","taken":"3"{}}}],"fee":15}}],"fee":15}}"#
        ),
        rules, gathered, terms, pays
    );
    let epochs = format!(
        concat!(
            r#"[{{"epoch":1,"block":{{"hash":"{}","height":100}},"absorbed":[],"#,
            r#""works":[{{"miner":"{}","work":"3","upstream_accepted_work":"3"}}]}}]"#
        ),
        block, miner
    );
    let miners = format!(
        concat!(
            r#"[{{"miner":"{}","allocated":1485,"carry_before":0,"paid":1,"carry_after":485,"quote_epoch":1}}]"#
        ),
        miner
    );
    format!(
        r#"{{"version":{version},"previous":null,"payment":{payment},"settlement":{settlement},"epochs":{epochs},"miners":{miners}}}"#
    )
}
