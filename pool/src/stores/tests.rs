use accounting::{EpochId, Incarnation, Lineage};
use ledger::JournalUnfit;

use super::*;

mod as_well;

fn incarnation(byte: u8) -> Incarnation {
    Incarnation::from_bytes([byte; 16])
}

fn mark(store: u8, counter: u64) -> StoreMark {
    let store = format!("{store:032x}").try_into().expect("an id");
    StoreMark { store, counter }
}

/// A pool at its best, in the middle of its life: the mint is one row further than what the
/// ledger knows to be done.
fn well() -> Seen {
    let of = LedgerMark {
        incarnation: incarnation(1),
        boot: 4,
        bookings: 20,
    };
    Seen {
        ledger: AsLeft {
            is_new: false,
            lineage: incarnation(1).into(),
            boot: 5,
            bookings: 21,
            outbox_end: OutboxId::new(9),
            outbox_done: OutboxId::new(7),
            has_paid: true,
            first_unpaid: EpochId::new(3),
            note: None,
            journal_unfit: None,
        },
        noted: Some(mark(1, 90)),
        mint: Some(StoredMarks {
            mark: Some(mark(1, 101)),
            ledger: Some(of),
            applied: Some(OutboxId::new(8)),
            is_behind: false,
            fingerprint: None,
        }),
        minds_mint: true,
        kept: Some(Kept {
            mint: Some(mark(1, 100)),
            ledger: Some(LedgerMark { bookings: 21, ..of }),
            born: Some(11),
            node: KeptNode::default(),
        }),
        is_copy: false,
        is_closed: false,
    }
}

#[track_caller]
fn case(change: impl Fn(&mut Seen), found: Option<Cause>) {
    let mut seen = well();
    change(&mut seen);
    assert_eq!(decide(&seen), found, "{seen:?}");
    seen.is_closed = true;
    assert_eq!(decide(&seen), None, "what is closed waits for its operator");
}

fn of_mint(seen: &mut Seen) -> &mut StoredMarks {
    seen.mint.as_mut().expect("there")
}

fn of_kept(seen: &mut Seen) -> &mut Kept {
    seen.kept.as_mut().expect("there")
}

#[test]
fn a_pool_that_was_stopped_or_killed_is_well() {
    case(|_| (), None);
    // Killed between a commit and its telling, in either store.
    case(|seen| of_mint(seen).mark = Some(mark(1, 100)), None);
    case(|seen| of_mint(seen).applied = Some(OutboxId::new(9)), None);
    case(|seen| of_mint(seen).applied = Some(OutboxId::new(7)), None);
    case(|seen| seen.noted = None, None);
    case(|seen| of_kept(seen).mint = Some(mark(1, 3)), None);
    // Of an older program, at the first start of this one.
    let upgraded = |seen: &mut Seen| {
        (seen.kept, seen.noted) = (None, None);
        seen.mint = Some(StoredMarks::default());
    };
    case(upgraded, None);
    // A new pool.
    let new = |seen: &mut Seen| {
        (seen.kept, seen.noted, seen.mint) = (None, None, None);
        seen.ledger.is_new = true;
        (seen.ledger.bookings, seen.ledger.has_paid) = (0, false);
        (seen.ledger.outbox_end, seen.ledger.outbox_done) = (OutboxId::START, OutboxId::START);
    };
    case(new, None);
    // One whose mint never had money.
    let early = |seen: &mut Seen| {
        seen.mint = None;
        seen.ledger.has_paid = false;
    };
    case(early, None);
}

#[test]
fn a_lost_or_older_mint_is_noticed() {
    let older = Some(Cause::MintOlder);
    case(|seen| seen.mint = None, Some(Cause::MintLost));
    // Whatever else is gone with it.
    let all_but_the_ledger = |seen: &mut Seen| {
        (seen.mint, seen.kept, seen.noted) = (None, None, None);
    };
    case(all_but_the_ledger, Some(Cause::MintLost));
    // Ecash was spent since, and no row was applied.
    case(|seen| of_mint(seen).mark = Some(mark(1, 99)), older);
    // Together with the file of marks: the ledger was told some seconds ago.
    let with_its_witness = |seen: &mut Seen| {
        of_mint(seen).mark = Some(mark(1, 89));
        of_kept(seen).mint = Some(mark(1, 80));
    };
    case(with_its_witness, older);
    let both_are_copies = |seen: &mut Seen| {
        of_mint(seen).mark = Some(mark(1, 95));
        of_kept(seen).mint = Some(mark(1, 94));
        seen.is_copy = true;
    };
    case(both_are_copies, Some(Cause::Copied));
    // Rows were acknowledged that it does not know.
    case(|seen| of_mint(seen).applied = Some(OutboxId::new(6)), older);
    case(|seen| of_mint(seen).is_behind = true, older);
    // Another store, or one of before it had a mark.
    case(|seen| of_mint(seen).mark = Some(mark(2, 999)), older);
    case(|seen| of_mint(seen).mark = None, older);
    // From before the last restore, which was accepted.
    let restored = |seen: &mut Seen| {
        let line = |from, of| serde_json::json!({"from": from, "incarnation": incarnation(of)});
        let lines = serde_json::json!([line(0, 1), line(3, 2)]);
        seen.ledger.lineage = serde_json::from_value::<Lineage>(lines).expect("a lineage");
    };
    case(restored, older);
    // A mint that is switched off or of other words is not minded.
    let minded = |seen: &mut Seen| {
        of_mint(seen).mark = None;
        seen.minds_mint = false;
    };
    case(minded, None);
}

#[test]
fn a_lost_or_older_ledger_is_noticed() {
    let older = Some(Cause::LedgerOlder);
    let new = |seen: &mut Seen| {
        seen.ledger.is_new = true;
        seen.ledger.lineage = incarnation(9).into();
    };
    case(new, Some(Cause::LedgerLost));
    let with_the_mint = |seen: &mut Seen| {
        new(seen);
        seen.mint = None;
    };
    case(with_the_mint, Some(Cause::LedgerLost));
    // The mint did what it knows nothing of.
    case(
        |seen| of_mint(seen).applied = Some(OutboxId::new(10)),
        older,
    );
    // It was started more often, or booked more.
    case(|seen| seen.ledger.boot = 4, older);
    case(|seen| seen.ledger.bookings = 20, older);
    let by_the_mint = |seen: &mut Seen| {
        seen.kept = None;
        seen.ledger.bookings = 19;
    };
    case(by_the_mint, older);
    // Another pool's.
    case(|seen| seen.ledger.lineage = incarnation(9).into(), older);
}

#[test]
fn a_journal_that_is_not_the_ledgers_is_noticed() {
    let with = |unfit| move |seen: &mut Seen| seen.ledger.journal_unfit = Some(unfit);
    let lost = Some(Cause::JournalLost);
    case(with(JournalUnfit::Missing), lost);
    case(with(JournalUnfit::Older), lost);
    let older = Some(Cause::LedgerOlder);
    case(with(JournalUnfit::Newer), older);
    case(with(JournalUnfit::OfAnother), older);
    // The mint did what was ordered by shares that are lost with it.
    let with_rows = |seen: &mut Seen| {
        seen.ledger.journal_unfit = Some(JournalUnfit::Missing);
        of_mint(seen).applied = Some(OutboxId::new(10));
    };
    case(with_rows, older);
    // Nothing else is left of a ledger.
    let alone = |seen: &mut Seen| {
        (seen.kept, seen.noted, seen.mint) = (None, None, None);
        seen.ledger.is_new = true;
        seen.ledger.journal_unfit = Some(JournalUnfit::OfAnother);
    };
    case(alone, Some(Cause::LedgerLost));
}

#[test]
fn a_directory_that_is_a_copy_is_noticed() {
    case(|seen| seen.is_copy = true, Some(Cause::Copied));
    // Nor is anything else certain without the file.
    case(|seen| seen.kept = None, Some(Cause::Copied));
    let told_by_the_ledger = |seen: &mut Seen| {
        (seen.kept, seen.mint) = (None, Some(StoredMarks::default()));
        seen.noted = None;
    };
    case(told_by_the_ledger, None);
    // The ledger may be as old as the copy, whatever else is wrong: a cause that holds no
    // payment does not go before this one.
    let older = |seen: &mut Seen| {
        seen.is_copy = true;
        of_mint(seen).applied = Some(OutboxId::new(6));
    };
    case(older, Some(Cause::Copied));
    let without_mint = |seen: &mut Seen| (seen.is_copy, seen.mint) = (true, None);
    case(without_mint, Some(Cause::Copied));
    let without_mint_and_marks = |seen: &mut Seen| (seen.kept, seen.mint) = (None, None);
    case(without_mint_and_marks, Some(Cause::Copied));
    // What holds payments is named.
    let older_ledger = |seen: &mut Seen| {
        seen.is_copy = true;
        seen.ledger.boot = 4;
    };
    case(older_ledger, Some(Cause::LedgerOlder));
}

/// A directory is put back file by file: the ledger of before, and no journal or an older one.
#[test]
fn a_lost_journal_in_a_copied_directory_holds_payments() {
    for unfit in [JournalUnfit::Missing, JournalUnfit::Older] {
        let lost = |seen: &mut Seen| seen.ledger.journal_unfit = Some(unfit);
        let in_a_copy = |seen: &mut Seen| {
            lost(seen);
            seen.is_copy = true;
        };
        case(in_a_copy, Some(Cause::Copied));
        let without_marks = |seen: &mut Seen| {
            lost(seen);
            seen.kept = None;
        };
        case(without_marks, Some(Cause::Copied));
        // Every program that begins a journal keeps the file, with a mint or without one.
        let without_marks_and_mint = |seen: &mut Seen| {
            lost(seen);
            (seen.kept, seen.noted, seen.mint) = (None, None, None);
            seen.minds_mint = false;
        };
        case(without_marks_and_mint, Some(Cause::Copied));
        let with_an_older_mint = |seen: &mut Seen| {
            lost(seen);
            seen.is_copy = true;
            of_mint(seen).applied = Some(OutboxId::new(6));
        };
        case(with_an_older_mint, Some(Cause::Copied));
    }
    assert!(Cause::Copied.holds_payments());
}

/// A store that is there, told of and compared at each start.
#[tokio::test]
async fn what_a_ledger_was_told_is_found_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = || {
        let gauge = IntGauge::new("waiting", "waiting").expect("a gauge");
        let stores = Stores::of(dir.path().to_owned(), None, gauge);
        let path = data_dir::ledger(dir.path());
        let terms = accounting::EpochTerms::default();
        let mut options = ledger::LedgerOptions::new(path, terms, 1);
        options.examiner = Some(stores.examiner());
        let opened = Ledger::open(options, &Registry::new()).expect("opens");
        (stores, opened)
    };
    let (stores, opened) = open();
    assert_eq!(stores.waits_for(), []);
    stores.tell(mark(1, 5)).expect("tells");
    stores.tell(mark(1, 4)).expect("late, and harmless");
    stores.exchange(&opened, true).await.expect("exchanges");
    let boot = stores.ledger_mark().expect("known").boot;
    opened.close().await;
    let copy = dir.path().join("older");
    std::fs::copy(data_dir::ledger(dir.path()), &copy).expect("copies");

    let (stores, opened) = open();
    assert_eq!(stores.waits_for(), []);
    assert_eq!(stores.inner().noted, Some(mark(1, 5)));
    assert_eq!(stores.ledger_mark().expect("known").boot, boot + 1);
    opened.close().await;
    std::fs::copy(&copy, data_dir::ledger(dir.path())).expect("put back");

    // It has been started less often than it is known to have been. Nothing but the
    // operator's word ends that.
    for _ in 0..2 {
        let (stores, opened) = open();
        assert_eq!(stores.waits_for(), [Cause::LedgerOlder]);
        assert!(opened.reader().lineage().was_restored());
        let record = backup::read_restore(dir.path())
            .expect("reads")
            .expect("there");
        assert_eq!(record.after, opened.reader().lineage().current());
        let held = backup::held(opened.reader().lineage(), Some(&record));
        assert_eq!(held, Some(accounting::settle::Held::EVERYTHING));
        opened.close().await;
    }
    std::fs::remove_file(data_dir::ledger(dir.path())).expect("removes");
    let (stores, opened) = open();
    assert_eq!(stores.waits_for(), [Cause::LedgerLost]);
    opened.close().await;
}

/// The node's marks outlast a start, and are not believed when the file is a copy.
#[tokio::test]
async fn what_is_known_of_the_node_is_believed_until_the_file_is_a_copy() {
    use payout::marks::{Known, MarkKeeper as _, Part};

    let dir = tempfile::tempdir().expect("a directory");
    let path = data_dir::store_marks(dir.path());
    let open = async || {
        let gauge = IntGauge::new("waiting", "waiting").expect("a gauge");
        let stores = Stores::of(dir.path().to_owned(), None, gauge);
        let ledger = data_dir::ledger(dir.path());
        let mut options = ledger::LedgerOptions::new(ledger, accounting::EpochTerms::default(), 1);
        options.examiner = Some(stores.examiner());
        let opened = Ledger::open(options, &Registry::new()).expect("opens");
        opened.close().await;
        stores
    };
    let of = |store: u8, counter| StoreMark {
        store: format!("{store:032x}").try_into().expect("an id"),
        counter,
    };
    let known = |channels, payments, is_vouched| Known {
        channels,
        payments,
        is_vouched,
    };
    let stores = open().await;
    assert_eq!(stores.known(), known(None, None, true));
    stores.keep(Part::Channels, of(1, 1)).expect("tells");
    stores.keep(Part::Payments, of(2, 1)).expect("tells");
    stores.keep(Part::Channels, of(1, 2)).expect("tells");
    let told = known(Some(of(1, 2)), Some(of(2, 1)), true);
    assert_eq!(stores.known(), told);
    drop(stores);
    let stores = open().await;
    assert_eq!(stores.known(), told);
    let is_born = stores.inner().kept.born.is_some();
    drop(stores);

    let copy = dir.path().join("copy");
    std::fs::copy(&path, &copy).expect("copies");
    std::fs::rename(&copy, &path).expect("puts it there");
    if !is_born {
        // This file system does not say when a file was made.
        return;
    }
    let doubted = Known {
        is_vouched: false,
        ..told
    };
    let stores = open().await;
    assert_eq!(stores.known(), doubted);
    drop(stores);
    // It is no copy any more, and nobody has said that the node's directory is the last.
    let stores = open().await;
    assert_eq!(stores.known(), doubted);
    stores.settle(Some(of(3, 1)), None).expect("settles");
    let settled = known(Some(of(3, 1)), None, true);
    assert_eq!(stores.known(), settled);
    drop(stores);
    assert_eq!(open().await.known(), settled);
}

/// How many commits of the mint are told.
const TOLD: u64 = 300;

/// What it costs is printed, for docs/benchmarks.md.
#[tokio::test]
async fn each_commit_of_the_mint_is_on_disk_when_it_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let gauge = IntGauge::new("waiting", "waiting").expect("a gauge");
    let stores = Stores::of(dir.path().to_owned(), None, gauge);
    let path = data_dir::ledger(dir.path());
    let mut options = ledger::LedgerOptions::new(path, accounting::EpochTerms::default(), 1);
    options.examiner = Some(stores.examiner());
    let opened = Ledger::open(options, &Registry::new()).expect("opens");
    let marks = data_dir::store_marks(dir.path());
    let mut took = Vec::new();
    for counter in 1..=TOLD {
        let since = Instant::now();
        stores.tell(mark(1, counter)).expect("tells");
        took.push(since.elapsed());
        let (kept, _) = read_marks(&marks).expect("reads").expect("there");
        assert_eq!(kept.mint, Some(mark(1, counter)));
    }
    opened.close().await;
    took.sort_unstable();
    let sum: Duration = took.iter().sum();
    let of = |per_cent: usize| took[took.len() * per_cent / 100];
    println!(
        "{TOLD} marks in {sum:?}: p50 {:?}, p99 {:?}",
        of(50),
        of(99)
    );
}
