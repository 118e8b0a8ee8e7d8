//! Causes that are found while the operator's word is waited for, or beside the first cause.

use super::*;
use crate::stores::decide::beside;

/// While the operator's word is waited for, a journal may be lost as well, and may mean more.
#[test]
fn a_closed_pool_is_told_of_a_lost_journal_as_well() {
    let closed = |unfit, is_copy| {
        let mut seen = well();
        (seen.is_closed, seen.is_copy) = (true, is_copy);
        seen.ledger.journal_unfit = unfit;
        seen
    };
    let newer = closed(Some(JournalUnfit::Newer), false);
    let missing = closed(Some(JournalUnfit::Missing), false);
    let copied = closed(Some(JournalUnfit::Missing), true);
    for waiting in CAUSES {
        let unless_known = |cause| (cause != waiting).then_some(cause);
        assert_eq!(beside(&newer, waiting), unless_known(Cause::LedgerOlder));
        assert_eq!(beside(&missing, waiting), unless_known(Cause::JournalLost));
        assert_eq!(beside(&copied, waiting), unless_known(Cause::Copied));
        assert_eq!(beside(&closed(None, true), waiting), None);
    }
}

#[test]
fn a_mint_that_is_lost_with_the_journal_is_told_as_well() {
    let mut seen = well();
    seen.ledger.journal_unfit = Some(JournalUnfit::Missing);
    assert_eq!(beside(&seen, Cause::JournalLost), None);
    seen.mint = None;
    assert_eq!(decide(&seen), Some(Cause::JournalLost));
    assert_eq!(beside(&seen, Cause::JournalLost), Some(Cause::MintLost));
    seen.minds_mint = false;
    assert_eq!(beside(&seen, Cause::JournalLost), None);
}

const CAUSES: [Cause; 7] = [
    Cause::Backup,
    Cause::MintLost,
    Cause::MintOlder,
    Cause::LedgerLost,
    Cause::LedgerOlder,
    Cause::JournalLost,
    Cause::Copied,
];

/// All that was found is kept, and payments are held if any of it holds them.
#[test]
fn a_record_holds_payments_if_anything_that_was_found_does() {
    for cause in CAUSES {
        let record = RestoreRecord {
            made_ms: 1,
            restored_ms: 1,
            before: incarnation(1),
            after: incarnation(2),
            from: EpochId::new(3),
            cause,
            also: Vec::new(),
            earlier: None,
            accepted: None,
        };
        for found in CAUSES {
            let Some(both) = record.with(found) else {
                assert_eq!(cause, found);
                continue;
            };
            let holds = cause.holds_payments() || found.holds_payments();
            assert_eq!(both.cause.holds_payments(), holds, "{cause:?}, {found:?}");
            let mut all = [&[both.cause][..], &both.also].concat();
            assert_eq!(all.len(), 2);
            all.retain(|one| *one != cause && *one != found);
            assert!(all.is_empty(), "{cause:?}, {found:?}: {all:?}");
            assert_eq!((both.with(found), both.with(cause)), (None, None));
        }
    }
}

/// A pool that waits already loses its journal: it says both, at each start.
#[tokio::test]
async fn a_journal_that_is_lost_while_the_operator_is_waited_for_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = data_dir::ledger(dir.path());
    let journal = ledger::journal_path(&ledger);
    let open = || {
        let gauge = IntGauge::new("waiting", "waiting").expect("a gauge");
        let stores = Stores::of(dir.path().to_owned(), None, gauge);
        let terms = accounting::EpochTerms::default();
        let mut options = ledger::LedgerOptions::new(ledger.clone(), terms, 1);
        options.examiner = Some(stores.examiner());
        let opened = Ledger::open(options, &Registry::new()).expect("opens");
        (stores, opened)
    };
    let (_, opened) = open();
    opened.close().await;
    std::fs::remove_file(&ledger).expect("removes");
    std::fs::remove_file(&journal).expect("removes");
    let (stores, opened) = open();
    assert_eq!(stores.waits_for(), [Cause::LedgerLost]);
    opened.close().await;
    std::fs::remove_file(&journal).expect("removes");
    for _ in 0..2 {
        let (stores, opened) = open();
        assert_eq!(stores.waits_for(), [Cause::LedgerLost, Cause::JournalLost]);
        let record = backup::read_restore(dir.path()).expect("reads");
        let record = record.expect("there");
        assert_eq!(record.also, [Cause::JournalLost]);
        assert_eq!(record.after, opened.reader().lineage().current());
        opened.close().await;
    }
}
