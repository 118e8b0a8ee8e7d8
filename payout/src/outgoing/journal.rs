//! What was ever ordered, one line each time its state changes; the last line of an id
//! counts. A line is on disk before what it announces is done.
//!
//! All of it is kept, for ever: a line is what stands between a payment and a second one
//! when the mint comes back from an old backup and asks for it again. At some 250 bytes,
//! a hundred payments a day make 9 MB a year. Superseded lines are dropped when the file
//! is opened and most of it is such.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bitcoin::hashes::sha256;
use bitcoin::hex::{DisplayHex as _, FromHex as _, HexToArrayError};
use ledger::Msat;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Outcome;
use crate::files;

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The caller's id.
    pub(super) id: String,
    /// When its first line was written, seconds since 1970.
    pub(super) made_secs: u64,
    /// What was ordered; none when the id was asked about without an order, which makes
    /// it one that is never paid.
    pub(super) order: Option<Ordered>,
    /// Where it stands.
    pub(super) state: State,
}

/// What was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ordered {
    /// What the receiver gets.
    pub(super) amount: Msat,
    /// What the way may cost.
    pub(super) fee_limit: Msat,
    /// How the node's store knows it.
    pub(super) key: Key,
    /// When the node's store last wrote of an earlier, failed payment of the same hash,
    /// seconds since 1970: that one is not this one.
    pub(super) failed_before_secs: Option<u64>,
}

/// How the node's store knows a payment that has no name yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    /// A BOLT11 payment: its hash is its name.
    Hash(sha256::Hash),
    /// A BOLT12 payment: the payer's note, which belongs to one id alone.
    Note(String),
}

/// Where a payment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// The node is about to be handed it, or was: which of both the node's store knows.
    Recorded,
    /// The node has it, under this name.
    Sent(Name),
    /// It arrived.
    Paid {
        /// With the fees.
        spent: Msat,
        /// In hex.
        preimage: Option<String>,
    },
    /// It never will.
    NotPaid {
        /// In words.
        why: String,
        /// The node had it, and tried.
        was_handed: bool,
    },
}

/// The node's own name for a payment: 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Name(pub(crate) [u8; 32]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hex().fmt(f)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.to_string()
    }
}

impl TryFrom<String> for Name {
    type Error = HexToArrayError;

    fn try_from(text: String) -> Result<Name, HexToArrayError> {
        <[u8; 32]>::from_hex(&text).map(Name)
    }
}

impl State {
    pub(super) fn outcome(&self) -> Outcome {
        match self.clone() {
            State::Recorded | State::Sent(_) => Outcome::Pending,
            State::Paid { spent, preimage } => Outcome::Paid { spent, preimage },
            State::NotPaid { why, .. } => Outcome::NotPaid { why },
        }
    }

    fn is_decided(&self) -> bool {
        matches!(self, State::Paid { .. } | State::NotPaid { .. })
    }
}

/// Why the journal cannot be used. Nothing is paid then.
#[derive(Debug, Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("{path} cannot be used: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not what we wrote. It is not put right by guessing: what it forgot could be
    /// paid twice.
    #[error("{path} is damaged in line {line}: {error}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// How.
        error: serde_json::Error,
    },
}

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// Opened with the first line that is written.
    file: Option<File>,
    /// How many bytes of the file are whole lines.
    whole_bytes: u64,
    records: HashMap<String, Record>,
    /// The newest id of a key.
    by_key: BTreeMap<Key, String>,
    undecided: BTreeSet<String>,
}

/// So many lines are never too many.
const FEW_LINES: usize = 1_000;

impl Journal {
    /// Opens the journal at `path`; a missing file is an empty one.
    pub(super) fn open(path: &Path) -> Result<Journal, JournalError> {
        let text = files::read_if_there(path).map_err(|error| file_error(path, error))?;
        let mut journal = Journal {
            path: path.to_owned(),
            file: None,
            whole_bytes: 0,
            records: HashMap::new(),
            by_key: BTreeMap::new(),
            undecided: BTreeSet::new(),
        };
        let text = text.unwrap_or_default();
        // What is behind the last line break was never on disk as a whole, so that
        // nothing was done on it: the next line takes its place.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut lines = 0;
        for line in whole.lines() {
            lines += 1;
            let record = serde_json::from_str(line).map_err(|error| JournalError::Damaged {
                path: path.to_owned(),
                line: lines,
                error,
            })?;
            journal.take(record);
        }
        journal.whole_bytes = whole.len() as u64;
        if lines > FEW_LINES && lines / 2 > journal.records.len() {
            journal.write_anew()?;
        }
        Ok(journal)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Record> {
        self.records.get(id)
    }

    /// The newest payment of a key.
    pub(super) fn newest(&self, key: &Key) -> Option<&Record> {
        self.records.get(self.by_key.get(key)?)
    }

    /// What is neither paid nor certain not to be, by id.
    pub(super) fn undecided(&self) -> impl Iterator<Item = &Record> {
        self.undecided.iter().filter_map(|id| self.records.get(id))
    }

    /// Writes a record; on disk when this returns.
    ///
    /// # Errors
    /// If it is not certain to be there. Then the record is as it was before.
    pub(super) fn write(&mut self, record: Record) -> Result<(), JournalError> {
        let failed = |path: &Path, error| file_error(path, error);
        let mut line =
            serde_json::to_vec(&record).map_err(|error| failed(&self.path, error.into()))?;
        line.push(b'\n');
        let path = self.path.clone();
        self.append(&line).map_err(|error| failed(&path, error))?;
        self.take(record);
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        // After a failure the file is opened anew, and what it left behind cut off.
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open_file()?,
        };
        file.write_all(line)?;
        file.sync_data()?;
        self.whole_bytes += line.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn open_file(&self) -> io::Result<File> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        file.set_len(self.whole_bytes)?;
        file.sync_all()?;
        File::open(directory)?.sync_all()?;
        Ok(file)
    }

    fn write_anew(&mut self) -> Result<(), JournalError> {
        let mut all: Vec<&Record> = self.records.values().collect();
        // Oldest first: of two with one key the newest must be read last.
        all.sort_by(|one, other| (one.made_secs, &one.id).cmp(&(other.made_secs, &other.id)));
        let of_key = |record: &&Record| self.is_newest_of_its_key(record);
        let (newest, older): (Vec<&Record>, Vec<&Record>) = all.into_iter().partition(of_key);
        let mut text = String::new();
        for record in older.into_iter().chain(newest) {
            let line = serde_json::to_string(record)
                .map_err(|error| file_error(&self.path, error.into()))?;
            text.push_str(&line);
            text.push('\n');
        }
        files::write_whole(&self.path, &text).map_err(|error| file_error(&self.path, error))?;
        self.whole_bytes = text.len() as u64;
        Ok(())
    }

    fn is_newest_of_its_key(&self, record: &Record) -> bool {
        let key = record.order.as_ref().map(|order| &order.key);
        key.and_then(|key| self.by_key.get(key)) == Some(&record.id)
    }

    fn take(&mut self, record: Record) {
        let id = record.id.clone();
        if let Some(order) = &record.order
            && !self.records.contains_key(&id)
        {
            self.by_key.insert(order.key.clone(), id.clone());
        }
        if record.state.is_decided() {
            self.undecided.remove(&id);
        } else {
            self.undecided.insert(id.clone());
        }
        self.records.insert(id, record);
    }
}

fn file_error(path: &Path, error: io::Error) -> JournalError {
    JournalError::File {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash as _;

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
        let mut journal = Journal::open(&path).unwrap();
        journal.write(record("a", 1, State::Recorded)).unwrap();
        journal.write(record("b", 2, State::Recorded)).unwrap();
        journal.write(record("a", 1, not_paid())).unwrap();
        journal.write(record("c", 1, State::Recorded)).unwrap();
        let again = Journal::open(&path).unwrap();
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
        let mut journal = Journal::open(&path).unwrap();
        journal.write(record("a", 1, State::Recorded)).unwrap();
        let first = std::fs::read(&path).unwrap().len();
        journal.write(record("a", 1, not_paid())).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            let state = journal.get("a").map(|record| record.state.clone());
            let expected = match cut {
                _ if cut == whole.len() => Some(not_paid()),
                _ if cut >= first => Some(State::Recorded),
                _ => None,
            };
            assert_eq!(state, expected, "cut at {cut}");
            journal.write(record("b", 2, State::Recorded)).unwrap();
            let again = Journal::open(&path).unwrap();
            assert_eq!(again.records, journal.records, "cut at {cut}");
        }
    }

    #[test]
    fn damage_is_named_and_not_put_right() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.write(record("a", 1, State::Recorded)).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"id\":\"b\"}\n");
        std::fs::write(&path, &text).unwrap();
        let error = Journal::open(&path).unwrap_err();
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
        let mut journal = Journal::open(&path).unwrap();
        // Two ids of one hash, of which the alphabetically first is the newer.
        journal.write(record("z", 1, not_paid())).unwrap();
        journal.write(record("a", 1, State::Recorded)).unwrap();
        let line = serde_json::to_string(&record("b", 2, State::Recorded)).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(&format!("{line}\n").repeat(FEW_LINES));
        std::fs::write(&path, text).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
        journal.write(record("c", 3, State::Recorded)).unwrap();
        let again = Journal::open(&path).unwrap();
        assert_eq!(again.records, journal.records);
        let key = Key::Hash(sha256::Hash::from_byte_array([1; 32]));
        assert_eq!(again.newest(&key).unwrap().id, "a");
    }
}
