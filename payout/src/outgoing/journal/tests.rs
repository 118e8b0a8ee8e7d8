use super::*;
use accounting::Msat;
use bitcoin::hashes::{Hash as _, sha256};

use std::sync::{Mutex, PoisonError};

use crate::marks::{Known, NoKeeper};
use crate::outgoing::record::{Ordered, State};

fn open(path: &Path) -> Result<Journal, JournalError> {
    Journal::open(path, Arc::new(NoKeeper))
}

fn record(id: &str, hash: u8, state: State) -> Record {
    Record {
        id: id.into(),
        made_secs: 1,
        order: Some(Ordered {
            amount: Msat::new(1_000),
            fee_limit: Msat::new(10),
            key: Key::Hash(sha256::Hash::from_byte_array([hash; 32])),
            failed_before_secs: None,
        }),
        state,
    }
}

fn not_paid() -> State {
    State::NotPaid {
        why: "no".into(),
        was_handed: false,
    }
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new").join("journal");
    let mut journal = open(&path).unwrap();
    journal.write(record("a", 1, State::Recorded)).unwrap();
    journal.write(record("b", 2, State::Recorded)).unwrap();
    journal.write(record("a", 1, not_paid())).unwrap();
    journal.write(record("c", 1, State::Recorded)).unwrap();
    let again = open(&path).unwrap();
    assert_eq!(again.records, journal.records);
    assert_eq!(again.by_key, journal.by_key);
    assert_eq!(again.undecided, BTreeSet::from(["b".into(), "c".into()]));
    let key = Key::Hash(sha256::Hash::from_byte_array([1; 32]));
    assert_eq!(again.newest(&key).unwrap().id, "c");
}

/// Cut anywhere, it has the lines that were whole, and goes on behind them.
#[test]
fn a_torn_line_was_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path).unwrap();
    journal.write(record("a", 1, State::Recorded)).unwrap();
    let first = std::fs::read(&path).unwrap().len();
    journal.write(record("a", 1, not_paid())).unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Each cut costs two fsyncs: all around the line breaks, some between.
    let ends = [first - 1, first, first + 1, whole.len() - 1, whole.len()];
    let between = (0..whole.len()).step_by(11);
    for cut in between.chain(ends) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut journal = open(&path).unwrap();
        let state = journal.get("a").map(|record| record.state.clone());
        let expected = match cut {
            _ if cut == whole.len() => Some(not_paid()),
            _ if cut >= first => Some(State::Recorded),
            _ => None,
        };
        assert_eq!(state, expected, "cut at {cut}");
        journal.write(record("b", 2, State::Recorded)).unwrap();
        let again = open(&path).unwrap();
        assert_eq!(again.records, journal.records, "cut at {cut}");
    }
}

#[test]
fn damage_is_named_and_not_put_right() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path).unwrap();
    journal.write(record("a", 1, State::Recorded)).unwrap();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"id\":\"b\"}\n");
    std::fs::write(&path, &text).unwrap();
    let error = open(&path).unwrap_err();
    assert!(
        matches!(error, JournalError::Damaged { line: 2, .. }),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn superseded_lines_are_dropped_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path).unwrap();
    // Two ids of one hash, of which the alphabetically first is the newer.
    journal.write(record("z", 1, not_paid())).unwrap();
    journal.write(record("a", 1, State::Recorded)).unwrap();
    let line = serde_json::to_string(&record("b", 2, State::Recorded)).unwrap();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str(&format!("{line}\n").repeat(FEW_LINES));
    std::fs::write(&path, text).unwrap();
    let mut journal = open(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    journal.write(record("c", 3, State::Recorded)).unwrap();
    let again = open(&path).unwrap();
    assert_eq!(again.records, journal.records);
    let key = Key::Hash(sha256::Hash::from_byte_array([1; 32]));
    assert_eq!(again.newest(&key).unwrap().id, "a");
}

#[test]
fn a_newer_line_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path).unwrap();
    journal.write(record("a", 1, State::Recorded)).unwrap();
    let mut text = std::fs::read_to_string(&path).unwrap();
    let newer = text.replacen("\"version\":2", "\"version\":3", 1);
    text.push_str(&newer);
    std::fs::write(&path, &text).unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
    assert!(
        error.contains("its version is 3, the newest known here is 2"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// Remembers what it was told, and may refuse.
#[derive(Debug, Default)]
struct Told(Mutex<(Vec<StoreMark>, bool)>);

impl MarkKeeper for Told {
    fn known(&self) -> Known {
        NoKeeper.known()
    }

    fn keep(&self, part: Part, mark: StoreMark) -> io::Result<()> {
        assert_eq!(part, Part::Payments);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.1 {
            return Err(io::Error::other("the disk is full"));
        }
        told.0.push(mark);
        Ok(())
    }

    fn settle(&self, _: Option<StoreMark>, _: Option<StoreMark>) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_line_advances_the_mark_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let keeper = Arc::new(Told::default());
    let open = || Journal::open(&path, Arc::clone(&keeper) as _).unwrap();
    let mut journal = open();
    assert_eq!(journal.found(), Found::Nothing);
    journal.write(record("a", 1, State::Recorded)).unwrap();
    journal.write(record("a", 1, not_paid())).unwrap();
    let told = keeper.0.lock().unwrap().0.clone();
    assert_eq!(told.len(), 2);
    assert_eq!(told[1], told[0].next());
    let mut journal = open();
    assert_eq!(journal.found(), Found::Marked(told[1]));
    assert_eq!(journal.gap(), None);

    // What cannot be told is an error, and nothing more is written before it is told.
    keeper.0.lock().unwrap().1 = true;
    let untold = journal.write(record("b", 2, State::Recorded)).unwrap_err();
    assert!(matches!(untold, JournalError::Untold { .. }), "{untold}");
    let before = std::fs::read(&path).unwrap();
    journal.write(record("c", 3, State::Recorded)).unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    keeper.0.lock().unwrap().1 = false;
    journal.write(record("c", 3, State::Recorded)).unwrap();
    assert_eq!(keeper.0.lock().unwrap().0.len(), 4);
    assert_eq!(open().records, journal.records);
}

#[test]
fn what_may_be_missing_is_kept_through_all_that_follows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    // As the program before wrote it.
    let line = serde_json::to_string(&record("b", 2, State::Recorded)).unwrap();
    std::fs::write(&path, format!("{line}\n").repeat(2)).unwrap();
    let mut journal = open(&path).unwrap();
    assert_eq!(journal.found(), Found::Unmarked);
    let gap = |until_secs, of_store_secs| Gap {
        until_secs,
        of_store_secs,
    };
    let first = journal.begin_anew(gap(7, Some(7))).unwrap();
    let mut journal = open(&path).unwrap();
    assert_eq!(journal.found(), Found::Marked(first));
    assert_eq!(journal.gap(), Some(gap(7, Some(7))));
    let second = journal.begin_anew(gap(9, None)).unwrap();
    assert_ne!(first.store, second.store);
    let both = Some(gap(9, Some(7)));
    assert_eq!(journal.gap(), both);
    journal.write(record("a", 1, State::Recorded)).unwrap();
    let mark = journal.found();
    let mut text = std::fs::read_to_string(&path).unwrap();
    let last = text.lines().last().unwrap().to_owned();
    text.push_str(&format!("{last}\n").repeat(FEW_LINES));
    std::fs::write(&path, text).unwrap();
    let journal = open(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    assert_eq!((journal.found(), journal.gap()), (mark, both));
    let again = open(&path).unwrap();
    assert_eq!((again.found(), again.gap()), (mark, both));
    assert_eq!(again.records, journal.records);
}
