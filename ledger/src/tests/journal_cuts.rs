//! The power goes during a start over a journal that is not the store's: what was found is
//! told at the next start all the same, and the file that was there is kept once.

use super::disk::{Disk, Fault};
use super::driver::Driver;
use super::journal::{examined, killed, mine, shares};
use crate::JournalUnfit;
use crate::store::Opener as _;

/// The bytes of a store and of what stands beside it.
type Files = (Vec<u8>, Option<Vec<u8>>);

/// Each way in which the two do not belong together.
fn kinds() -> Vec<(JournalUnfit, Files)> {
    let disk = killed(1..4);
    let (older_store, older_journal) = disk.files();
    for sequence in 4..7 {
        let mut driver = Driver::open(&disk).expect("opens");
        mine(&mut driver, sequence);
        disk.lose_power(0);
    }
    let (store, journal) = disk.files();
    let (_, of_another) = killed(1..4).files();
    // A store that was just made, beside the journal of one that is gone.
    let new = Disk::new();
    drop(new.open(true).expect("makes"));
    let (new, _) = new.files();
    vec![
        (JournalUnfit::Missing, (store.clone(), None)),
        (JournalUnfit::Older, (store.clone(), older_journal)),
        (JournalUnfit::Newer, (older_store, journal)),
        (JournalUnfit::OfAnother, (store, of_another.clone())),
        (JournalUnfit::OfAnother, (new, of_another)),
    ]
}

/// A start that ends at its change of this number; true when it came to ask the examiner,
/// `None` when it made fewer.
fn cut(disk: &Disk, call: u64) -> Option<bool> {
    disk.set_fault(Fault::DeadFrom(call));
    let (driver, left) = examined(disk);
    let is_cut = disk.calls() >= call;
    drop(driver);
    disk.lose_power(call);
    is_cut.then_some(left.is_some())
}

#[test]
fn power_may_go_during_a_start_over_an_unfit_journal() {
    for (unfit, (store, journal)) in kinds() {
        let had_journal = journal.is_some();
        let mut cuts = 0;
        for call in 1.. {
            let disk = Disk::of(store.clone(), journal.clone());
            let Some(mut was_asked) = cut(&disk, call) else {
                break;
            };
            // And at the start after it, where that one comes to lie.
            was_asked |= cut(&disk, 1 + call % 7).unwrap_or(true);
            cuts += 1;
            let (driver, left) = examined(&disk);
            let mut driver = driver.expect("the examiner decides");
            let found = left.expect("asked").journal_unfit;
            assert!(
                found == Some(unfit) || (was_asked && found.is_none()),
                "{unfit:?}, power went at call {call}: {found:?}"
            );
            assert_eq!(disk.aside(), u32::from(had_journal), "{unfit:?}, {call}");
            let before = shares(&driver);
            mine(&mut driver, 100);
            disk.lose_power(call);
            let (driver, left) = examined(&disk);
            assert_eq!(left.expect("asked").journal_unfit, None);
            assert_eq!(shares(&driver.expect("opens")), before + 1);
        }
        assert!(cuts > 10, "{unfit:?}: only {cuts} cuts");
    }
}

/// A finding of a later start may mean more, and then the later one is told.
#[test]
fn the_graver_of_two_findings_is_told() {
    let kinds = kinds();
    let (_, (store, newer)) = &kinds[2];
    let disk = Disk::of(store.clone(), None);
    let before_examiner = (1..).find(|call| {
        let disk = Disk::of(store.clone(), None);
        cut(&disk, *call) != Some(false)
    });
    assert_eq!(cut(&disk, before_examiner.expect("found") - 1), Some(false));
    // Somebody finds the right one, which is newer than the store that was put back.
    let (store, _) = disk.files();
    let disk = Disk::of(store, newer.clone());
    let (_, left) = examined(&disk);
    let found = left.expect("asked").journal_unfit;
    assert!(
        matches!(found, Some(JournalUnfit::Newer | JournalUnfit::OfAnother)),
        "{found:?}"
    );
}

/// A newer journal was found and set aside, and the start ended: that there is none now says
/// less.
#[test]
fn an_earlier_finding_is_told_though_the_journal_is_gone() {
    let kinds = kinds();
    let (_, (store, newer)) = &kinds[2];
    let disk = Disk::of(store.clone(), newer.clone());
    let before_examiner = (1..).find(|call| {
        let disk = Disk::of(store.clone(), newer.clone());
        cut(&disk, *call) != Some(false)
    });
    assert_eq!(cut(&disk, before_examiner.expect("found") - 1), Some(false));
    let (store, _) = disk.files();
    let (_, left) = examined(&Disk::of(store, None));
    assert_eq!(
        left.expect("asked").journal_unfit,
        Some(JournalUnfit::Newer)
    );
}
